"""A node's store as the engine sees it, in memory: what is durable, who holds which slot, and what sync asks for."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from ...engine.records import Holder, Record, SentMark, SlotRange, StoredItem, VoidMark, Write

_Key = tuple[bytes, int, int]


class SimStore:
    """Obeys the part of the store's contract that gossip and sync need. What expires stays: worlds are short."""

    def __init__(self, incarnation: bytes) -> None:
        self.incarnation = incarnation
        self.last_commit = 0
        self._firsts: list[int] = []
        self._records: list[Record] = []
        self._items: list[StoredItem] = []  # as `log` gives them, for each record
        self._ends_bytes: list[int] = []  # data up to the end of each record
        self._holders: dict[_Key, tuple[Holder, ...]] = {}
        self._voids: set[int] = set()
        self._numbers: dict[bytes, int] = {}

    def commit(self, writes: Iterable[Write]) -> None:
        """All of it becomes durable now. Records come in the order of their commit numbers."""
        for write in writes:
            if isinstance(write, Record):
                self._add(write)
            elif isinstance(write, SentMark):
                self._mark_sent(write.commit_no)
            elif isinstance(write, VoidMark):
                self._voids.add(write.commit_no)

    def is_void(self, commit_no: int) -> bool:
        """Whether it is marked so."""
        return commit_no in self._voids

    def commit_no(self, id_: bytes) -> int | None:
        """Under which number an id was stored first."""
        return self._numbers.get(id_)

    def record(self, commit_no: int) -> Record:
        """The record that holds a number."""
        return self._records[bisect_left(self._firsts, commit_no + 1) - 1]

    def frame_of(self, commit_no: int) -> tuple[bytes, int]:
        """The frame that holds a number, and which of its envelopes has it."""
        record = self.record(commit_no)
        return record.data, commit_no - record.first_commit

    def holders(self, ranges: Sequence[SlotRange]) -> list[list[Holder]]:
        """For each range the envelopes that hold some of its slots, by commit number."""
        return [self._holders_of(each) for each in ranges]

    def log(self, after: int, max_bytes: int) -> list[StoredItem]:
        """Items after a commit number, in commit order: `max_bytes` of data at most, but at least one."""
        place = bisect_left(self._firsts, after + 1)
        if place and self._firsts[place - 1] + self._records[place - 1].count - 1 > after:
            place -= 1  # it points into a run, which is given whole
        before = self._ends_bytes[place - 1] if place else 0
        end = bisect_right(self._ends_bytes, before + max_bytes, lo=place)
        return self._items[place : max(end, place + 1)]

    def frames(self) -> list[bytes]:
        """Every record's own frame, in commit order."""
        return [record.data for record in self._records]

    def shared_slots(self) -> dict[tuple[bytes, int, int], frozenset[bytes]]:
        """The ids in each slot, (author, epoch, seq), that more than one id holds."""
        ids = {key: frozenset([each.id for each in holders]) for key, holders in self._holders.items()}
        return {key: found for key, found in ids.items() if len(found) > 1}

    def _add(self, record: Record) -> None:
        self._firsts.append(record.first_commit)
        self._records.append(record)
        self._items.append(StoredItem(record.first_commit, record.count, record.kind, record.data))
        self._ends_bytes.append((self._ends_bytes[-1] if self._ends_bytes else 0) + len(record.data))
        self.last_commit = record.first_commit + record.count - 1
        for commit_no, id_ in enumerate(record.ids, record.first_commit):
            self._numbers.setdefault(id_, commit_no)
        if record.count == 1:
            self._hold(record, record.first_seq, record.end_seq, 0)
            return
        for index in range(record.count):
            self._hold(record, record.first_seq + index, record.first_seq + index + 1, index)

    def _hold(self, record: Record, first_seq: int, end_seq: int, index: int) -> None:
        holder = Holder(first_seq, end_seq, record.ids[index], record.first_commit + index, record.sent)
        for seq in range(first_seq, end_seq):
            key = (record.author, record.epoch, seq)
            self._holders[key] = (*self._holders.get(key, ()), holder)

    def _holders_of(self, wanted: SlotRange) -> list[Holder]:
        found: dict[int, Holder] = {}
        for seq in range(wanted.first_seq, wanted.end_seq):
            for holder in self._holders.get((wanted.author, wanted.epoch, seq), ()):
                found[holder.commit_no] = holder
        return [found[commit_no] for commit_no in sorted(found)]

    def _mark_sent(self, commit_no: int) -> None:
        place = bisect_left(self._firsts, commit_no + 1) - 1
        record = self._records[place]
        index = commit_no - record.first_commit
        first = record.first_seq + index
        end = record.end_seq if record.count == 1 else first + 1
        for seq in range(first, end):
            key = (record.author, record.epoch, seq)
            self._holders[key] = tuple(
                [
                    Holder(each.first_seq, each.end_seq, each.id, each.commit_no, True)
                    if each.commit_no == commit_no
                    else each
                    for each in self._holders[key]
                ]
            )
