"""The last part of a round, once a day: sums of ids can be ground, so buckets that seem the same are compared by
hashes, and where those differ by lists of all ids (SPEC 9.15). Pure."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from .keys import END, START
from .memory import HASHES_EVERY_MS, PeerMemory
from .ports import Needs, Sets, Snapshot
from .words import AskHashes, AskIds, BucketName, Hashes, Ids

HASHES_AT_ONCE: Final = 8


class Auditing:
    """Of one peer; `begin` starts over."""

    def __init__(self, sets: Sets, memory: PeerMemory) -> None:
        self._sets = sets
        self._memory = memory
        self._unhashed: deque[BucketName] = deque()
        self._unlisted: deque[tuple[BucketName, bytes]] = deque()
        self._told: list[tuple[BucketName, bytes]] = []
        self._is_on = False

    def begin(self) -> None:
        """A round begins; what an earlier one left is let go."""
        self._unhashed.clear()
        self._unlisted.clear()
        self._told.clear()
        self._is_on = False

    def seem_same(self, names: Iterable[BucketName]) -> None:
        """These have one fingerprint on both sides."""
        self._unhashed.extend(names)

    @property
    def is_digesting(self) -> bool:
        """Whether this node's own hashes are being made."""
        return bool(self._told)

    @property
    def is_listing(self) -> bool:
        """Whether there are lists to be asked for."""
        return bool(self._unlisted)

    def next_hashes(self, now_ms: int) -> AskHashes | None:
        """The next question for hashes, where the day for it has come."""
        hashed_ms = self._memory.hashed_ms
        if not self._is_on and self._unhashed and (hashed_ms is None or now_ms - hashed_ms >= HASHES_EVERY_MS):
            self._is_on = True
            self._memory.hashed_ms = now_ms
        if not self._is_on or not self._unhashed:
            return None
        return AskHashes([self._unhashed.popleft() for _ in range(min(HASHES_AT_ONCE, len(self._unhashed)))])

    def hashed(self, word: Hashes, asked: AskHashes, floors: Sequence[int]) -> list[Snapshot]:
        """The buckets that still seem the same, whose own hashes are to be made. Raises Refusal `malformed`."""
        if len(word.hashes) != len(asked.buckets):
            raise Refusal(Reason.MALFORMED, "9.15", "hashes of other buckets")
        found: list[Snapshot] = []
        for name, (fingerprint, hash_) in zip(asked.buckets, word.hashes, strict=True):
            mine = self._sets.snapshot(name, floors)
            if mine.fingerprint == fingerprint:
                found.append(mine)
                self._told.append((name, hash_))
        return found

    def digested(self, hashes: Sequence[bytes]) -> None:
        """This node's own, in the order of the snapshots: where they are others, ids are asked for."""
        told, self._told = self._told, []
        for (name, theirs), mine in zip(told, hashes, strict=True):
            if mine != theirs:
                self._unlisted.append((name, START))

    def next_ids(self) -> AskIds:
        """The next question for ids. Raises IndexError where there is no list to be asked for."""
        name, lower = self._unlisted.popleft()
        return AskIds(name.part, name.number, lower)

    def listed(self, word: Ids, asked: AskIds) -> Needs | None:
        """What is missing here of a page. Raises Refusal `malformed` for one that does not move on."""
        if word.upper <= asked.lower or (not word.ids and word.upper != END):
            raise Refusal(Reason.MALFORMED, "9.15", "a list that does not move on")
        name = BucketName(asked.part, asked.number)
        if word.upper != END:
            self._unlisted.append((name, word.upper))
        mine = self._sets.between(name, asked.lower, word.upper)
        needed = [id_ for id_ in word.ids if id_ not in mine]
        return Needs(name, asked.lower, word.upper, needed) if needed else None
