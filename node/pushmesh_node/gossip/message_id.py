"""The gossipsub message id of the mesh (PROTOCOL section 8)."""

from hashlib import sha256
from typing import Final

MESSAGE_ID_BYTES: Final = 20
_DOMAIN: Final = bytes(4)


def message_id(topic: str, data: bytes) -> bytes:
    """SHA-256(0x00000000 | u64_le(length of the topic) | topic | data), first 20 bytes."""
    name = topic.encode()
    return sha256(b"".join((_DOMAIN, len(name).to_bytes(8, "little"), name, data))).digest()[:MESSAGE_ID_BYTES]
