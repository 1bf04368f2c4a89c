"""How many notifications that a wallet gets it has not read: counted from its inbox, as it is curated now."""

import asyncio
from array import array
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
"""So long, or as long as it took, a wallet's inbox is not looked through again."""

SPARE: Final = 256
"""Counted beyond the most that is told, so that who reads one after the other is told without another count."""

PAGE: Final = 64
MOST_PAGES: Final = 256
"""That are looked through at most: a wallet may have muted nearly all that it gets."""

MOST_AT_HAND: Final = 4_096

Read = Callable[[Principal, int, int | None, int], Awaitable[Page]]


@dataclass(slots=True)
class _Count:
    """What lay above the read place from a time on, and until when (ms) that is told; `is_all` where nobody looks any
    farther."""

    commits: "array[int]"
    is_all: bool
    after: int
    from_ms: int
    until_ms: int


class Unread:
    """`read` gives pages of an inbox."""

    def __init__(self, read: Read, clock: Callable[[], UnixMs]) -> None:
        self._read = read
        self._clock = clock
        self._counts: OrderedDict[Group, _Count] = OrderedDict()
        self._turns: WeakValueDictionary[Group, asyncio.Lock] = WeakValueDictionary()

    async def count(self, principal: Principal, state: ReadState) -> int:
        """At most MOST_UNREAD; a second old, or as old as a count takes. Raises Denied where the store fails."""
        group = group_of(principal)
        async with self._turns.setdefault(group, asyncio.Lock()):  # who asks meanwhile is told the same
            known = self._counts.get(group)
            if known is None or not self._still_tells(known, state):
                known = await self._page_through(principal, state)
                self._remember(group, known)
        return min(_unread(known, state), MOST_UNREAD)

    def _still_tells(self, known: _Count, state: ReadState) -> bool:
        is_fresh = known.from_ms <= self._clock() < known.until_ms and known.after <= state.commit_no
        return is_fresh and (known.is_all or _unread(known, state) >= MOST_UNREAD)

    def _remember(self, group: Group, counted: _Count) -> None:
        self._counts[group] = counted
        self._counts.move_to_end(group)
        if len(self._counts) > MOST_AT_HAND:
            self._counts.popitem(last=False)

    async def _page_through(self, principal: Principal, state: ReadState) -> _Count:
        began_ms, marks = self._clock(), set(state.marks)
        commits = array("Q")
        after, more, pages = state.commit_no, True, 0
        while more and len(commits) < MOST_UNREAD + SPARE and pages < MOST_PAGES:
            page = await self._read(principal, after, None, PAGE)
            commits.extend(
                [
                    message.commit_no
                    for message in page.messages
                    if message.envelope.kind == Kind.NOTIFICATION and message.commit_no not in marks
                ]
            )
            after, more, pages = page.next_cursor, page.more, pages + 1
        ended_ms = self._clock()
        until_ms = ended_ms + max(FRESH_MS, ended_ms - began_ms)
        return _Count(commits, not more or pages == MOST_PAGES, state.commit_no, ended_ms, until_ms)


def _unread(counted: _Count, state: ReadState) -> int:
    marks = set(state.marks)
    return len([number for number in counted.commits if number > state.commit_no and number not in marks])
