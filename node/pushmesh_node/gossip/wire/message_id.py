"""The gossipsub message id of the mesh (PROTOCOL section 8)."""

from hashlib import sha256
from typing import Final

MESSAGE_ID_BYTES: Final = 20
_DOMAIN: Final = bytes(4)


def message_id(topic: str, data: bytes) -> bytes:
    """SHA-256(0x00000000 | u64_le(length of the topic) | topic | data), first 20 bytes."""
    name = topic.encode()
    return sha256(b"".join((_DOMAIN, len(name).to_bytes(8, "little"), name, data))).digest()[:MESSAGE_ID_BYTES]


class MessageIds:
    """The same function with a memory of the last objects, for many routers that hand one object to each other.

    It goes by the object's identity and keeps the object alive, so no two can be mistaken for each other."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._known: dict[int, tuple[str, bytes, bytes]] = {}

    def __call__(self, topic: str, data: bytes) -> bytes:
        """As `message_id`."""
        known = self._known.get(id(data))
        if known is not None and known[1] is data and known[0] == topic:
            return known[2]
        found = message_id(topic, data)
        self._known[id(data)] = (topic, data, found)
        if len(self._known) > self._capacity:
            del self._known[next(iter(self._known))]
        return found
