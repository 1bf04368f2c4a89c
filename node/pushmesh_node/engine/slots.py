"""Who holds which slot, for what was decided lately: the part of the slot table that a look-up in the store may have
missed (SPEC 6.5)."""

from collections import deque
from collections.abc import Iterable, Sequence

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.types import EnvelopeId

from .records import Holder

Key = tuple[bytes, int, int]

SHARE = 8
"""Forgotten at once is this part of the capacity: what is remembered does not swing by much then."""


class RecentSlots:
    """Holders of the last `capacity` slots at least, and of all that no look-up has seen, however much that is: the
    queue of the store bounds it. Of what was seen about an eighth more than the capacity is kept at most."""

    def __init__(self, capacity: int = 65_536) -> None:
        self._capacity = capacity
        self._new: dict[Key, tuple[Holder, ...]] = {}
        self._generations = deque([self._new])  # the newest is first
        self._lasts: deque[int] = deque()  # of each but the newest: no holder in it has a higher commit number

    def let_go(self, seen_commit: int, last_commit: int) -> None:
        """Forget the oldest where the look-ups of all that is decided from now on saw it: they began when everything
        up to `seen_commit` was durable. `last_commit` is the highest number given so far. Once for each batch."""
        if len(self._new) > self._capacity // SHARE:
            self._new = {}
            self._generations.appendleft(self._new)
            self._lasts.appendleft(last_commit)
        surplus = sum(map(len, self._generations)) - self._capacity
        while self._lasts and self._lasts[-1] <= seen_commit and len(self._generations[-1]) <= surplus:
            surplus -= len(self._generations.pop())
            self._lasts.pop()

    def add(self, author: bytes, epoch: int, holder: Holder) -> None:
        """Remember that an envelope holds its slots; what was remembered of the same envelope is replaced."""
        for seq in range(holder.first_seq, holder.end_seq):
            key = (author, epoch, seq)
            known = self._find(key)
            self._new[key] = (*(one for one in known if one.id != holder.id), holder)

    def add_new(self, author: bytes, epoch: int, holders: Iterable[Holder]) -> None:
        """The same where nobody was found in any of their slots, and they do not share any."""
        self._new.update(
            [((author, epoch, seq), (holder,)) for holder in holders for seq in range(holder.first_seq, holder.end_seq)]
        )

    def find(self, author: bytes, epoch: int, first_seq: int, end_seq: int) -> Sequence[Holder]:
        """The remembered holders of any of these slots, some more than once."""
        if end_seq == first_seq + 1:  # by far the most common
            return self._find((author, epoch, first_seq))
        found: list[Holder] = []
        for seq in range(first_seq, end_seq):
            found += self._find((author, epoch, seq))
        return found

    def forget(self, author: bytes, epoch: int, first_seq: int, end_seq: int, ids: Iterable[EnvelopeId]) -> None:
        """Unlearn envelopes whose commit failed, in the slots that they held."""
        gone = frozenset(ids)
        for seq in range(first_seq, end_seq):
            key = (author, epoch, seq)
            kept = tuple(holder for holder in self._find(key) if holder.id not in gone)
            for generation in self._generations:
                generation.pop(key, None)
            if kept:
                self._new[key] = kept

    def _find(self, key: Key) -> tuple[Holder, ...]:
        for generation in self._generations:
            found = generation.get(key)
            if found:
                return found
        return ()


def held_by_same(envelope_id: bytes, holders: Sequence[Holder]) -> Holder | None:
    """The holder that is the envelope itself, if it is already known."""
    for holder in holders:
        if holder.id == envelope_id:
            return holder
    return None


def rivals(envelope: Envelope, holders: Sequence[Holder]) -> tuple[bool, list[Holder]]:
    """Whether the envelope is surplus (every slot of it already has two ids), and the other ids that share a slot
    with it."""
    others = {holder.id: holder for holder in holders if holder.id != envelope.id}
    if not others:
        return False, []
    seqs = range(envelope.body.seq, envelope.body.seq + envelope.cost)
    full = all(sum(other.first_seq <= seq < other.end_seq for other in others.values()) >= 2 for seq in seqs)
    return full, list(others.values())
