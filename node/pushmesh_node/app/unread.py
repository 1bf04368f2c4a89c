"""How many notifications that a wallet gets it has not read: counted from its inbox, as it is curated now."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import UnixMs

from ..delivery.contract import Page
from ..delivery.wallet_state import MOST_UNREAD, ReadState
from ..engine.answers import Principal
from .devices import Group, group_of

FRESH_MS: Final = 1_000
"""So long a wallet's inbox is not looked through again."""

SPARE: Final = 256
"""Counted beyond the most that is told, so that who reads one after the other is told without another count."""

PAGE: Final = 64
MOST_AT_HAND: Final = 4_096

Read = Callable[[Principal, int, int | None, int], Awaitable[Page]]


@dataclass(slots=True)
class _Count:
    """What lay above the read place at a time; `is_all` where there is no more."""

    commits: list[int]
    is_all: bool
    at_ms: int
    after: int


class Unread:
    """`read` gives pages of an inbox."""

    def __init__(self, read: Read, clock: Callable[[], UnixMs]) -> None:
        self._read = read
        self._clock = clock
        self._counts: OrderedDict[Group, _Count] = OrderedDict()
        self._turns: WeakValueDictionary[Group, asyncio.Lock] = WeakValueDictionary()

    async def count(self, principal: Principal, state: ReadState) -> int:
        """At most MOST_UNREAD; up to a second old. Raises Denied where the store fails."""
        group = group_of(principal)
        async with self._turns.setdefault(group, asyncio.Lock()):  # who asks meanwhile is told the same
            known = self._counts.get(group)
            if known is None or not self._still_tells(known, state):
                known = await self._page_through(principal, state)
                self._remember(group, known)
        return min(_unread(known, state), MOST_UNREAD)

    def _still_tells(self, known: _Count, state: ReadState) -> bool:
        is_fresh = self._clock() - known.at_ms < FRESH_MS and known.after <= state.commit_no
        return is_fresh and (known.is_all or _unread(known, state) >= MOST_UNREAD)

    def _remember(self, group: Group, counted: _Count) -> None:
        self._counts[group] = counted
        self._counts.move_to_end(group)
        if len(self._counts) > MOST_AT_HAND:
            self._counts.popitem(last=False)

    async def _page_through(self, principal: Principal, state: ReadState) -> _Count:
        at_ms, marks = self._clock(), set(state.marks)
        commits: list[int] = []
        after, more = state.commit_no, True
        while more and len(commits) < MOST_UNREAD + SPARE:
            page = await self._read(principal, after, None, PAGE)
            commits += [
                message.commit_no
                for message in page.messages
                if message.envelope.kind == Kind.NOTIFICATION and message.commit_no not in marks
            ]
            after, more = page.next_cursor, page.more
        return _Count(commits, not more, at_ms, state.commit_no)


def _unread(counted: _Count, state: ReadState) -> int:
    marks = set(state.marks)
    return len([number for number in counted.commits if number > state.commit_no and number not in marks])
