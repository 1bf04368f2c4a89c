"""Content for some eyes only: sealed to the seal keys of its recipients, opened with one's own (SPEC 4.26-4.28).

Whose seal keys they are is `seal_keys`' affair; what is sealed never goes out in the open when something fails."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec.structs import replace
from nacl import bindings
from nacl.exceptions import CryptoError

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Notification, Sealed, SealedBox
from pushmesh_protocol.network import Network
from pushmesh_protocol.sealed import KEY_BYTES, Content, decrypt_content, encrypt_content, tie_of

MAX_BOXES = 1_000
BOX_BYTES = 120
"""Of one box with its seal key in the body, never less than it is."""


@dataclass(frozen=True, slots=True)
class SealSecret:
    """The secret half of a seal key, and until when (Unix ms) something that was sealed to it may come."""

    secret: bytes = field(repr=False)
    until_ms: int

    @property
    def public(self) -> bytes:
        """32 bytes: what a grant names."""
        return bindings.crypto_scalarmult_base(self.secret)


def new_seal_secret(until_ms: int) -> SealSecret:
    """Random, never derived from another key."""
    return SealSecret(secrets.token_bytes(32), until_ms)


@dataclass(frozen=True, slots=True)
class Sealing:
    """Content on its way to some recipients: its key is used for this one notification."""

    network: Network
    content: Content
    key: bytes = field(repr=False)
    boxes: tuple[SealedBox, ...]


def seal_to(network: Network, content: Content, seal_keys: Iterable[bytes]) -> Sealing:
    """Raises ValueError for more than MAX_BOXES keys or none, or one that nothing can be sealed to (see
    `is_seal_key`)."""
    key = secrets.token_bytes(KEY_BYTES)
    listed = sorted(set(seal_keys))
    if not 0 < len(listed) <= MAX_BOXES:
        raise ValueError(f"content is sealed to 1 to {MAX_BOXES} keys, not to {len(listed)}")
    try:
        boxes = tuple([SealedBox(public, bindings.crypto_box_seal(key, public)) for public in listed])
    except CryptoError as error:
        raise ValueError("nothing can be sealed to one of the keys") from error
    return Sealing(network, content, key, boxes)


def is_seal_key(public: bytes) -> bool:
    """Whether content can be sealed to it: a key of small order would give it away."""
    try:
        bindings.crypto_box_seal(b"", public)
    except CryptoError:
        return False
    return True


def sealed_body(sealing: Sealing, body: Notification) -> Notification:
    """The body with its sealed part; all else in it is as it will be signed, since the sealed part is tied to it."""
    tie = tie_of(sealing.network, body.topic.owner, body)
    nonce, ciphertext = encrypt_content(sealing.key, tie, sealing.content)
    return replace(body, sealed=Sealed(nonce, ciphertext, list(sealing.boxes)))


class Sealedness(StrEnum):
    """What became of a message's content here. NO_KEY: it was sealed, to other keys than this device has. BROKEN: it
    was sealed to this device, and what is inside breaks the rules."""

    PLAIN = "plain"
    OPENED = "opened"
    NO_KEY = "no-seal-key"
    BROKEN = "bad-seal"


def open_content(
    network: Network, envelope: Envelope, mine: Mapping[bytes, SealSecret]
) -> tuple[Sealedness, Content | None]:
    """What a verified envelope says to whoever has these seal keys (public to secret); None where nothing can be
    read."""
    body = envelope.body
    if not isinstance(body, Notification):
        return Sealedness.PLAIN, None
    if body.sealed is None:
        return Sealedness.PLAIN, Content(1, body.title, body.body, body.url, body.actions)
    boxes = [box for box in body.sealed.boxes if box.seal_key in mine]
    if not boxes:
        return Sealedness.NO_KEY, None
    tie = tie_of(network, envelope.author, body)
    for box in boxes:
        try:
            key = bindings.crypto_box_seal_open(box.box, box.seal_key, mine[box.seal_key].secret)
            return Sealedness.OPENED, decrypt_content(key, tie, body.sealed.nonce, body.sealed.ciphertext)
        except (CryptoError, Refusal):
            continue  # another of one's keys may have a box that opens
    return Sealedness.BROKEN, None


def by_public(held: Sequence[SealSecret], now_ms: int) -> dict[bytes, SealSecret]:
    """Those that something may still come for, by their public keys."""
    return {each.public: each for each in held if each.until_ms > now_ms}
