"""What is to be asked of one peer, the most wanted first: this node's own wallets' messages, then the newest (SPEC
9.13). Pure; an id that waits takes some hundred bytes."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from struct import Struct
from typing import Final

from .keys import ID_BYTES
from .words import Head

_FORM: Final = Struct(f">QQQQHH{ID_BYTES}s")
"""How old, item, tag, bytes, envelopes, index, id: in this order the newest item is the least, and the envelopes of one
item stand side by side."""

_ITEM_BYTES: Final = 16
_TAG: Final = slice(16, 24)
_MAX: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Wish:
    """One item of the peer's, and those of its envelopes that are missing here with their places in it."""

    item_no: int
    size_bytes: int
    count: int
    ids: dict[bytes, int]


class Wishes:
    """Ids with their heads. What a wallet follows that comes later moves to the front."""

    def __init__(self, tags: Set[int]) -> None:
        self._tags = tags
        self._own: list[bytes] = []  # heaps
        self._rest: list[bytes] = []

    def __len__(self) -> int:
        return len(self._own) + len(self._rest)

    def put(self, head: Head, ids: Iterable[tuple[bytes, int]]) -> None:
        """Some envelopes of an item, each with its place in it."""
        heap = self._own if head.tag in self._tags else self._rest
        age, size = _MAX - head.issued_at, head.size_bytes
        for id_, index in ids:
            heappush(heap, _FORM.pack(age, head.item_no, head.tag, size, head.count, index, id_))

    def follow(self, tags: Set[int]) -> None:
        """These are the tags of what wallets follow from now on. What is own already stays so."""
        if tags is self._tags:
            return
        new = {tag.to_bytes(8, "big") for tag in tags - self._tags}
        self._tags = tags
        if new and (moved := [entry for entry in self._rest if entry[_TAG] in new]):
            self._rest = [entry for entry in self._rest if entry[_TAG] not in new]
            heapify(self._rest)
            self._own += moved
            heapify(self._own)

    def pop(self) -> Wish:
        """The first item, with all that is known to be missing of it. Raises IndexError where nothing waits."""
        heap = self._own or self._rest
        first = heap[0]
        _, item_no, _, size_bytes, count, _, _ = _FORM.unpack(first)
        ids: dict[bytes, int] = {}
        while heap and heap[0][:_ITEM_BYTES] == first[:_ITEM_BYTES]:
            *_, index, id_ = _FORM.unpack(heappop(heap))
            ids[id_] = index
        return Wish(item_no, size_bytes, count, ids)
