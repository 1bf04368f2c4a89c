"""Long lists of recipients, divided into notifications that each keep to the limits (pure; SPEC 4.15, 4.16, 8.2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Notification
from pushmesh_protocol.kinds.notification import MAX_SEALED_AUDIENCE
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from .sealing import BOX_BYTES, MAX_BOXES

MAX_RECIPIENTS = 10_000
"""Of one call; a list this long is better a topic that people subscribe to."""

MAX_AUDIENCE = 2_000
ACCOUNT_BYTES = 35
"""Of the longest account in a body."""

ENVELOPE_BYTES = 320
"""Of all of an item but its body: author, auth with its work, heads of arrays and of the lists in the body."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """An account and the seal keys that content for it is sealed to, none where it goes in the open."""

    account: Account
    seal_keys: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in the body, never less than they are."""
        return ACCOUNT_BYTES + BOX_BYTES * len(self.seal_keys)


def check_number(count: int) -> None:
    """Raise Refusal where a call names too many recipients."""
    if count > MAX_RECIPIENTS:
        raise Refusal(Reason.MALFORMED, "4.15", f"{count} recipients are more than {MAX_RECIPIENTS} in one call")


def room_for(body: Notification, item_bytes: int, *, sealed_bytes: int = 0) -> int:
    """Bytes that recipients may take in an item of this body, whose ciphertext has `sealed_bytes`."""
    return item_bytes - ENVELOPE_BYTES - sealed_bytes - len(pack(body))


def divide(recipients: Iterable[Recipient], room_bytes: int, *, sealed: bool) -> list[Sequence[Recipient]]:
    """The recipients in their order, as few notifications as that allows. Raises Refusal where one does not fit."""
    most = MAX_SEALED_AUDIENCE if sealed else MAX_AUDIENCE
    parts: list[Sequence[Recipient]] = []
    current: list[Recipient] = []
    used, boxes = 0, 0
    for recipient in recipients:
        if recipient.size > room_bytes:
            raise Refusal(Reason.OVERSIZE, "8.2", "the notification has no room for a recipient")
        keys = len(recipient.seal_keys)
        if len(current) == most or used + recipient.size > room_bytes or boxes + keys > MAX_BOXES:
            parts.append(current)
            current, used, boxes = [], 0, 0
        current.append(recipient)
        used += recipient.size
        boxes += keys
    return [*parts, current] if current else parts
