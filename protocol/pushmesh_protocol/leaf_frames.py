"""Frames of single envelopes of a part: what wallets are given. Joined from packed pieces, for packing each leaf's
frame by itself would repeat the statement and most of each path a thousand times."""

from collections.abc import Sequence

from .codec import pack
from .frames import Part, encode_frame
from .tree import levels_of

_HASH_BYTES = 2 + 32
"""A packed hash: its header and itself."""


def leaf_frames(part: Part, indexes: Sequence[int]) -> list[bytes]:
    """For each index the frame of that envelope alone, a leaf with its own audit path (SPEC 8.1, 8.3)."""
    if part.statement is None:
        return [encode_frame([part])] * len(indexes)
    # [1, [], [statement], [[1, 0, first, [hash...], [body]]]], up to `first`
    head = b"\x94\x01\x90\x91" + pack(part.statement) + b"\x91\x95\x01\x00"
    paths = _packed_paths(part, indexes)
    leaves, first = part.envelopes, part.first
    return [head + pack(first + index) + paths[index] + b"\x91" + pack(leaves[index].body_bytes) for index in indexes]


def _packed_paths(part: Part, indexes: Sequence[int]) -> dict[int, bytes]:
    """The audit path of each leaf as packed bytes; from the root down, since neighbours share all but the first."""
    levels = levels_of([leaf.id for leaf in part.envelopes])
    paths = {0: b"".join(map(pack, part.path))}
    for height in range(len(levels) - 2, -1, -1):
        level, above = levels[height], paths
        paths = {
            place: (b"\xc4\x20" + level[place ^ 1] if place ^ 1 < len(level) else b"") + above[place >> 1]
            for place in {index >> height for index in indexes}
        }
    return {index: bytes((0x90 | len(path) // _HASH_BYTES,)) + path for index, path in paths.items()}
