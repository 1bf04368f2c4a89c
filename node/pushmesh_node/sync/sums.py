"""Sums of ids and the fingerprints that Negentropy V1 makes of them."""

from hashlib import sha256
from typing import Final

from .keys import ID_BYTES
from .varints import varint

FINGERPRINT_BYTES: Final = 16

MAX_SUMMED: Final = 512
"""So many ids `sum_of_ids` takes at once."""

_MODULUS_MASK: Final = 2**256 - 1
_LANE_BITS: Final = 512
_LANE_MASK: Final = 2**_LANE_BITS - 1
_EVERY_OTHER: Final = sum(_MODULUS_MASK << (_LANE_BITS * lane) for lane in range((MAX_SUMMED + 1) // 2))


def sum_of_ids(ids: bytes | bytearray) -> int:
    """Of up to MAX_SUMMED ids that stand one behind the other, each a little-endian number; not reduced.

    All are read as one number, whose every second id is added to its neighbour: lanes of 512 bits that hold 256 and
    have room for every carry. Then halves are added to halves. That is twice as fast as one addition for each id.
    """
    whole = int.from_bytes(ids, "little")
    lanes = (len(ids) // ID_BYTES + 1) // 2
    folded = (whole & _EVERY_OTHER) + (whole >> 256 & _EVERY_OTHER)
    while lanes > 1:
        lanes = (lanes + 1) // 2
        bits = lanes * _LANE_BITS
        folded = (folded & ((1 << bits) - 1)) + (folded >> bits)
    return folded & _LANE_MASK


def fingerprint_of(total: int, count: int) -> bytes:
    """16 bytes for `count` ids whose sum, reduced or not, is `total`."""
    return sha256((total & _MODULUS_MASK).to_bytes(ID_BYTES, "little") + varint(count)).digest()[:FINGERPRINT_BYTES]
