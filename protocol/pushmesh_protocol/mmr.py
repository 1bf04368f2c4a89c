"""A Merkle mountain range: the RFC 6962 tree of `tree.py`, grown by one leaf in O(log n) (SPEC 10.3).

Holds the peaks only, so it proves nothing about single leaves; whoever needs a path keeps the leaves.
"""

from collections.abc import Iterable

import msgspec

from .tree import EMPTY_ROOT, leaf_hash, node_hash


class Mountains(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`count` leaves and the roots of their perfect subtrees, the largest and leftmost first: one per set bit."""

    count: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for peaks that no `count` leaves have; a decoder turns it into its own error."""
        if self.count < 0 or self.count.bit_count() != len(self.peaks) or any(len(peak) != 32 for peak in self.peaks):
            raise ValueError(f"{self.count} leaves do not have these {len(self.peaks)} peaks")


def append(mountains: Mountains, leaf: bytes) -> Mountains:
    """The range with one more leaf (its input, as `tree.root_of` takes it)."""
    return extend(mountains, (leaf,))


def extend(mountains: Mountains, leaves: Iterable[bytes]) -> Mountains:
    """The range with more leaves, in order."""
    count, peaks = mountains.count, list(mountains.peaks)
    for leaf in leaves:
        node, merges = leaf_hash(leaf), count
        while merges & 1:
            node = node_hash(peaks.pop(), node)
            merges >>= 1
        peaks.append(node)
        count += 1
    return Mountains(count, tuple(peaks))


def root(mountains: Mountains) -> bytes:
    """The RFC 6962 root over all leaves: the peaks bagged from the right. 32 bytes."""
    if not mountains.peaks:
        return EMPTY_ROOT
    *higher, bag = mountains.peaks
    for peak in reversed(higher):
        bag = node_hash(peak, bag)
    return bag
