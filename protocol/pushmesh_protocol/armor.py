"""Binary in a header or a password: base64url without padding, where one value has exactly one text (SPEC 11.3)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from .errors import Refusal
from .reasons import Reason


def to_text(data: bytes) -> str:
    """The text of any bytes."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """The bytes of a text that `to_text` made. Raises Refusal `malformed`, and nothing else, for any other text."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:  # binascii.Error and a text outside ASCII are both ValueErrors
        raise Refusal(Reason.MALFORMED, "11.3", f"not base64url: {error}") from error
    if to_text(data) != text:
        raise Refusal(Reason.MALFORMED, "11.3", "not base64url in its one form")
    return data
