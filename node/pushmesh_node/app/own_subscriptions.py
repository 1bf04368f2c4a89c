"""Tells wallets' streams what became of their own subscriptions. Obeys `delivery.following.OwnSubscriptions`.

A stream is woken by what may concern it and looks itself: nothing queues for it, however much changes.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import Account, UnixMs

from ..delivery.following import Change
from ..engine.answers import Principal
from ..engine.records import PrivateTopicRecord, Record, VoidMark, Write
from ..engine.state import State

DECIDE: Final = frozenset({Kind.SUBSCRIPTION, Kind.GRANT, Kind.REVOCATION})
"""Kinds that may change which of their author's subscriptions are in force."""


class _Follower:
    """See `delivery.following.Following`."""

    def __init__(self, principal: Principal, current: Callable[[Account], Mapping[Topic, Envelope]]) -> None:
        self.principal = principal
        self.ends_at: int | None = None
        """When the soonest of what was told expires."""
        self._current = current
        self._told: dict[Topic, Envelope] | None = None
        self._wake = asyncio.Event()
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    async def changes(self) -> Sequence[Change]:
        while True:
            await self._wake.wait()
            self._wake.clear()
            is_first, told = self._told is None, self._told or {}
            topics = self.principal.topics
            found = self._current(self.principal.account)
            now = {topic: each for topic, each in found.items() if topics is None or topic in topics}
            self._told = now
            self.ends_at = min([each.body.expires_at for each in now.values()], default=None)
            changes = [
                Change(topic, now.get(topic))
                for topic in sorted({*told, *now})
                if (told[topic].id if topic in told else None) != (now[topic].id if topic in now else None)
            ]
            if changes or is_first:
                return changes


class OwnSubscriptions:
    """Told what is stored, and the time."""

    def __init__(self, state: Callable[[], State], clock: Callable[[], UnixMs]) -> None:
        self._state = state
        self._clock = clock
        self._followers: defaultdict[Account, set[_Follower]] = defaultdict(set)
        self._voided = False

    @contextmanager
    def follow(self, principal: Principal) -> Iterator[_Follower]:
        """Of this wallet, and no more topics than the principal may read."""
        follower = _Follower(principal, self._current)
        self._followers[principal.account].add(follower)
        try:
            yield follower
        finally:
            self._followers[principal.account].discard(follower)
            if not self._followers[principal.account]:
                del self._followers[principal.account]

    def stored(self, writes: Sequence[Write]) -> None:
        """These are durable."""
        if not self._followers:
            return
        for write in writes:
            if isinstance(write, Record) and write.kind in DECIDE:
                self._wake(write.author)
            elif isinstance(write, PrivateTopicRecord):
                self._wake(write.account)
            elif isinstance(write, VoidMark):  # of whom is not said: all look, at the next tick
                self._voided = True

    def tick(self) -> None:
        """Once a second: some may have expired, or turned out void. Anybody can sign void pairs all day, so nobody is
        woken for each."""
        now_ms, voided = self._clock(), self._voided
        self._voided = False
        for followers in self._followers.values():
            for follower in followers:
                if voided or (follower.ends_at is not None and follower.ends_at <= now_ms):
                    follower.wake()

    def _wake(self, account: Account) -> None:
        for follower in self._followers.get(account, ()):
            follower.wake()

    def _current(self, account: Account) -> Mapping[Topic, Envelope]:
        subscriptions, now_ms = self._state().subscriptions, self._clock()
        topics = {each.topic for each in subscriptions.of(account, now_ms)} | subscriptions.private.topics(account)
        words = {topic: subscriptions.word(account, topic, now_ms) for topic in topics if topic is not None}
        return {topic: word for topic, word in words.items() if word is not None}
