"""What each wallet has read, in memory and on disk. What was read stays read; it never leaves this node."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import UnixMs

from ..delivery.wallet_state import MOST_MARKS, ReadState
from ..engine.answers import Denied, Permission, Principal
from ..engine.records import LeftBehind, ReadRecord
from ..storage.store import Store
from .devices import Group, group_of
from .gathered import Gathered
from .store_words import telling_of_the_store

MOST_AT_HAND: Final = 8_192
"""Wallets whose marks are remembered in memory."""

MOST_MARKS_AT_HAND: Final = 1_048_576
"""Of all of them together."""

MOST_WALLETS: Final = 262_144
"""In the store; beyond it those that were silent for longest go, and all of theirs is unread."""

COUNT_EACH: Final = 4_096
"""After so many writes the store counts them."""


class ReadMarks:
    """`end` is the highest commit number that was given."""

    def __init__(
        self,
        store: Store,
        end: Callable[[], int],
        clock: Callable[[], UnixMs],
        crashed: Callable[[BaseException], None],
    ) -> None:
        self._store = store
        self._end = end
        self._clock = clock
        self._states: OrderedDict[Group, ReadState] = OrderedDict()
        self._marks = 0
        self._written: Gathered[Group, ReadState] = Gathered(self._write, crashed)
        self._until_count = 0

    async def state(self, principal: Principal) -> ReadState:
        """What was read. Raises Denied where the store fails."""
        group = group_of(principal)
        if group not in self._states:
            with telling_of_the_store():
                (record,) = await self._store.reads([group])
            if group not in self._states:  # nor did anybody mark anything meanwhile
                self._remember(group, ReadState() if record is None else ReadState(record.commit_no, record.marks))
        self._states.move_to_end(group)
        return self._states[group]

    async def mark(self, principal: Principal, commit_no: int, marks: Sequence[int]) -> ReadState:
        """Everything up to a commit number was read, and these. Durable on return. Raises Denied."""
        if Permission.READ not in principal.permissions:
            raise Denied(Reason.FORBIDDEN, "this token may not read", "11.3")
        if max((commit_no, *marks)) > self._end():
            raise Denied(Reason.BAD_CURSOR, "the cursor lies past the end of this store")
        group = group_of(principal)
        before = await self.state(principal)
        state = before.after(commit_no, marks)
        if len(state.marks) > MOST_MARKS:
            raise Denied(Reason.BAD_REQUEST, f"at most {MOST_MARKS} are read one by one: say up to where all is read")
        if state != before:
            self._written.put(group, state)
            self._remember(group, state)
        await self._written.settled(group)
        return state

    async def close(self) -> None:
        """Write what is left, if the store takes it. Idempotent."""
        await self._written.close()

    def _remember(self, group: Group, state: ReadState) -> None:
        before = self._states.get(group, ReadState())
        self._states[group] = state
        self._marks += len(state.marks) - len(before.marks)
        while len(self._states) > MOST_AT_HAND or (self._marks > MOST_MARKS_AT_HAND and len(self._states) > 1):
            oldest, its_state = self._states.popitem(last=False)
            if oldest in self._written:
                self._states[oldest] = its_state
                break
            self._marks -= len(its_state.marks)

    async def _write(self, states: Mapping[Group, ReadState]) -> None:
        """Raises Denied where the store fails."""
        last, now_ms = self._store.last_commit, self._clock()  # a number that is not durable may yet be another's
        records = [
            ReadRecord(
                *group, min(state.commit_no, last), tuple([mark for mark in state.marks if mark <= last]), now_ms
            )
            for group, state in states.items()
        ]
        with telling_of_the_store():
            await self._store.commit(records)
        self._until_count -= len(states)
        if self._until_count > 0:
            return
        self._until_count = COUNT_EACH
        with telling_of_the_store():
            _, rows = await self._store.wallet_rows()
            if rows > MOST_WALLETS:
                await self._store.commit([LeftBehind(reads=rows - MOST_WALLETS)])
