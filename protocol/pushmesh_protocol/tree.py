"""The Merkle tree of RFC 6962 section 2.1 over ids in order, and audit paths of runs of leaves (SPEC 5.12, 8.3).

Built level by level; a last node without a partner moves up unchanged: the tree of the RFC's recursive definition.
"""

from collections.abc import Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
"""The root over no leaves, as the RFC defines it."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00, data): 32 bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01, left, right): 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


def root_of(ids: Sequence[bytes]) -> bytes:
    """The root over the ids: 32 bytes, EMPTY_ROOT for none."""
    level = [sha256(b"\x00" + data).digest() for data in ids]
    while len(level) > 1:
        level = _level_above(level)
    return level[0] if level else EMPTY_ROOT


def audit_path(ids: Sequence[bytes], first: int, size: int) -> list[bytes]:
    """The siblings, from the leaves up, of the subtree whose leaves are `ids[first : first + size]`.

    `ids` are those of the whole tree. Raises ValueError for leaves that are no subtree (see `is_subtree`).
    """
    if not is_subtree(first, size, len(ids)):
        raise ValueError(f"leaves {first}..{first + size - 1} of {len(ids)} are no subtree")
    height = (size - 1).bit_length()
    level = [sha256(b"\x00" + data).digest() for data in ids]
    for _ in range(height):
        level = _level_above(level)
    index = first >> height
    path: list[bytes] = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _level_above(level)
        index >>= 1
    return path


def root_from_run(ids: Sequence[bytes], first: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """The root of a tree of `count` leaves that a run from leaf `first` and its audit path lead to.

    None where the leaves are no subtree or the path has not the length that (first, leaves, count) fix; a caller
    refuses None like a wrong root (SPEC 5.12).
    """
    size = len(ids)
    if not is_subtree(first, size, count):
        return None
    height = (size - 1).bit_length()
    index = first >> height
    width = (count + (1 << height) - 1) >> height
    node = root_of(ids)
    siblings = iter(path)
    while width > 1:
        if index ^ 1 < width:
            sibling = next(siblings, None)
            if sibling is None:
                return None
            node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
        index >>= 1
        width = (width + 1) >> 1
    return node if next(siblings, None) is None else None


def is_subtree(first: int, size: int, count: int) -> bool:
    """Whether `size` leaves from `first` on are a subtree: 2^k aligned ones, or fewer at the right edge (SPEC 8.3)."""
    if size < 1 or first < 0 or first + size > count:
        return False
    full = 1 << (size - 1).bit_length()
    return first % full == 0 and (size == full or first + size == count)


def _level_above(level: list[bytes]) -> list[bytes]:
    above = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
    if len(level) & 1:
        above.append(level[-1])
    return above


def levels_of(ids: Sequence[bytes]) -> list[list[bytes]]:
    """Every level of the tree over the ids, leaves first, so that many paths cost one tree."""
    levels = [[sha256(b"\x00" + data).digest() for data in ids]]
    while len(levels[-1]) > 1:
        levels.append(_level_above(levels[-1]))
    return levels


def path_in(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """The audit path of one leaf in a tree given by its levels, from the leaves up."""
    path: list[bytes] = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return path
