"""What the ciphertext of a sealed part holds and what ties it to its body (SPEC 4.26-4.28). Pure: the content key is an
argument. It makes and opens no boxes: those are for whoever has seal keys."""

from typing import Literal

import msgspec
from msgspec.structs import replace
from nacl import bindings
from nacl.exceptions import CryptoError

from .codec import Codec, pack
from .errors import Refusal
from .hashing import hash_statement, sha256
from .kinds.fields import Text256, Text4096, Url
from .kinds.notification import Action, Actions, Notification
from .kinds.registry import Kind
from .network import Network
from .reasons import Reason
from .text import check_text

KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 24, 16
LEAST_BYTES, MOST_BYTES = 256, 65_536
"""Of a ciphertext: it is as long as the least power of two from the first on that has room."""

RULE = "4.28"


class Content(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What the recipients of a sealed notification read in place of its own members; the limits are theirs."""

    version: Literal[1]
    title: Text256 | None
    body: Text4096 | None
    url: Url | None
    actions: Actions | None


_content: Codec[Content] = Codec(Content)


def content_of(
    title: str | None, body: str | None, url: str | None = None, actions: list[Action] | None = None
) -> Content:
    """Raises Refusal where it breaks a rule, as it would in the open."""
    content = Content(1, title, body, url, actions)
    _content.decode(pack(content))  # the lengths are checked by the decoder
    _check(content)
    return content


def tie_of(network: Network, author: bytes, body: Notification) -> bytes:
    """32 bytes that stand for all of a body but its sealed part (SPEC 4.27)."""
    bare = replace(body, sealed=None)
    return hash_statement("sealed", network.id, bytes((Kind.NOTIFICATION,)), author, pack(bare))


def ciphertext_bytes(content: Content) -> int:
    """How long its ciphertext is. Raises Refusal where it is too long to be padded."""
    plain_bytes = len(pack(content))
    size = LEAST_BYTES
    while size < plain_bytes + 1 + TAG_BYTES:
        size *= 2
    if size > MOST_BYTES:
        raise Refusal(Reason.OVERSIZE, RULE, f"content of {plain_bytes} bytes does not fit into a sealed part")
    return size


def encrypt_content(key: bytes, tie: bytes, content: Content) -> tuple[bytes, bytes]:
    """(nonce, ciphertext). `key` is 32 random bytes that are used for one notification. Raises Refusal where it is too
    long to be padded."""
    padded = bindings.sodium_pad(pack(content), ciphertext_bytes(content) - TAG_BYTES)
    nonce = _nonce(key, tie)
    return nonce, bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(padded, tie, nonce, key)


def decrypt_content(key: bytes, tie: bytes, nonce: bytes, ciphertext: bytes) -> Content:
    """What was sealed. Raises Refusal `bad-seal`, and nothing else, for bytes that are not this key's and this body's,
    or hold no content within the rules."""
    size = len(ciphertext)
    if len(key) != KEY_BYTES or not LEAST_BYTES <= size <= MOST_BYTES or size & (size - 1):
        raise _bad_seal("its length is no power of two")
    if nonce != _nonce(key, tie):
        raise _bad_seal("it is another body's or another key's")
    try:
        padded = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, tie, nonce, key)
        content = _content.decode(bindings.sodium_unpad(padded, size - TAG_BYTES))
        _check(content)
    except CryptoError as error:
        raise _bad_seal("it does not open") from error
    except Refusal as refusal:
        raise _bad_seal(f"its content is malformed: {refusal.detail}") from refusal
    return content


def _nonce(key: bytes, tie: bytes) -> bytes:
    """From the key and the body: no two texts of one key share it, and no two keys open one text."""
    return sha256(key + tie)[:NONCE_BYTES]


def _check(content: Content) -> None:
    if content.title is not None:
        check_text("title", content.title)
    if content.body is not None:
        check_text("body", content.body, lines=True)
    elif content.title is None:
        raise Refusal(Reason.MALFORMED, "4.26", "neither title nor body is set")
    if content.url is not None:
        check_text("url", content.url)
    for action in content.actions or ():
        check_text("action title", action.title)
        check_text("action url", action.url)


def _bad_seal(detail: str) -> Refusal:
    return Refusal(Reason.BAD_SEAL, RULE, detail)
