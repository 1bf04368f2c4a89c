"""The order of records: a key is the timestamp, 8 bytes big-endian, and the 32-byte id, so keys compare as bytes.

A bound is a key whose id is cut to any length: the first record at or above a bound is the same, whether the bytes that
are missing are thought of as zeros or as nothing.
"""

from typing import Final

ID_BYTES: Final = 32
TIME_BYTES: Final = 8
KEY_BYTES: Final = TIME_BYTES + ID_BYTES

MAX_TIMESTAMP: Final = 2**64 - 2
"""The greatest of a record; one more means "after everything" in Negentropy V1."""

START: Final = bytes(TIME_BYTES)
"""The bound below every record."""

END: Final = b"\xff" * TIME_BYTES
"""The bound above every record."""


def key_of(timestamp: int, record_id: bytes) -> bytes:
    """Raises ValueError for a timestamp or an id that no record can have."""
    if not 0 <= timestamp <= MAX_TIMESTAMP or len(record_id) != ID_BYTES:
        raise ValueError(f"no record has the timestamp {timestamp} and an id of {len(record_id)} bytes")
    return timestamp.to_bytes(TIME_BYTES, "big") + record_id


def bound_at(timestamp: int) -> bytes:
    """The bound below every record of this timestamp and above every earlier one; END from 2^64 - 1 on."""
    return min(max(timestamp, 0), MAX_TIMESTAMP + 1).to_bytes(TIME_BYTES, "big")


def timestamp_of(bound: bytes) -> int:
    """Of a bound or a key."""
    return int.from_bytes(bound[:TIME_BYTES], "big")


def id_of(bound: bytes) -> bytes:
    """What the bound has of an id; all of it if the bound is a key."""
    return bound[TIME_BYTES:]


def shortest_bound(below: bytes, above: bytes) -> bytes:
    """The shortest bound that is above the key `below` and not above the key `above`, which must be greater."""
    if below[:TIME_BYTES] != above[:TIME_BYTES]:
        return above[:TIME_BYTES]
    apart = int.from_bytes(below, "big") ^ int.from_bytes(above, "big")
    return above[: KEY_BYTES - (apart.bit_length() - 1) // 8]
