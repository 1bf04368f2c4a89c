"""Carries out the engine's effects in order: the one match over effects. What follows a Store waits until it is
durable."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import UnixMs

from ..engine.answers import Level, Outcome
from ..engine.core import Engine
from ..engine.effects import (
    Answer,
    Deliver,
    Effect,
    EndAccess,
    Judge,
    Relay,
    Reload,
    Reoffer,
    Store as StoreEffect,
    Tally,
)
from ..engine.events import Event, StoreFailed
from ..engine.records import Record
from ..storage.errors import StoreBusy, StoreFailed as StoreFailure
from ..storage.store import Store
from .hands import Hands


class Driver:
    """Owns the engine's turn: `handle` is synchronous up to the first Store; the rest of the effects runs when
    that is durable."""

    def __init__(self, engine: Engine, store: Store, hands: Hands, clock: Callable[[], UnixMs]) -> None:
        self.engine = engine
        self._store = store
        self._hands = hands
        self._clock = clock
        self._tasks: dict[asyncio.Task[None], int] = {}

    def handle(self, event: Event) -> None:
        """Let the engine decide and carry out what it orders."""
        self.execute(self.engine.handle(event, self._clock()))

    def execute(self, effects: Sequence[Effect]) -> None:
        """Do at once what may be done at once; keep the order of everything behind a Store."""
        for place, effect in enumerate(effects):
            if isinstance(effect, StoreEffect) or _highest(effect) > self._store.last_commit:
                task = asyncio.create_task(self._after_commit(effects[place:]))
                self._tasks[task] = _lowest(effect)
                task.add_done_callback(self._done)
                return
            self._do(effect)

    async def settled(self, commit_no: int) -> None:
        """Wait until nothing up to this commit number is under way: it is durable, or it failed and never will be."""
        pending = [task for task, lowest in self._tasks.items() if lowest <= commit_no]
        if pending:
            await asyncio.wait(pending)

    async def settle(self) -> None:
        """Wait until everything that was ordered is done; for an orderly end."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._hands.crashed(error)

    async def _after_commit(self, effects: Sequence[Effect]) -> None:
        first = effects[0]
        if isinstance(first, StoreEffect):
            try:
                await self._store.commit(first.writes)
            except StoreBusy:
                self._undo(first, effects[1:], Reason.QUEUE_FULL, "the store's queue is full; try again later")
                return
            except StoreFailure as failure:
                self._undo(first, effects[1:], Reason.STORE_FAILED, str(failure))
                return
            effects = effects[1:]  # commits end in order, so all that these speak of is durable
        else:
            await self._store.durable(max(map(_highest, effects)))
        for effect in effects:
            self._do(effect)

    def _undo(self, store: StoreEffect, rest: Sequence[Effect], reason: Reason, detail: str) -> None:
        """Nothing of a failed Store is acknowledged, relayed or delivered."""
        for effect in rest:
            if isinstance(effect, Answer):
                self._do(Answer(effect.request, [_failed(outcome, reason, detail) for outcome in effect.outcomes]))
        self.execute(self.engine.handle(StoreFailed(store.writes), self._clock()))

    def _do(self, effect: Effect) -> None:
        hands = self._hands
        match effect:
            case Judge():
                hands.judge(effect)
            case Answer(request, outcomes):
                hands.answer(request, outcomes)
            case Relay(parts, grants):
                hands.relay(parts, grants)
            case Deliver():
                hands.deliver(effect)
            case EndAccess(grant_ids):
                hands.end_access(grant_ids)
            case Reoffer(parts):
                hands.reoffer(parts)
            case Tally():
                hands.tally(effect)
            case Reload():
                hands.reload()
            case StoreEffect():
                raise AssertionError("a turn has one Store")


def _failed(outcome: Outcome, reason: Reason, detail: str) -> Outcome:
    if outcome.level is Level.DURABLE and outcome.reason is not Reason.DUPLICATE:
        return replace(outcome, level=Level.REFUSED, reason=reason, rule="", detail=detail, commit_no=None)
    return outcome


def _lowest(effect: Effect) -> int:
    """The first commit number that a waiting effect is about; 0 where it has none."""
    if isinstance(effect, StoreEffect):
        return min((write.first_commit for write in effect.writes if isinstance(write, Record)), default=0)
    return 0


def _highest(effect: Effect) -> int:
    """The highest commit number that an effect speaks of: an answer may repeat one whose commit is still under way."""
    if isinstance(effect, Answer):
        return max([outcome.commit_no or 0 for outcome in effect.outcomes], default=0)
    return effect.commit_no if isinstance(effect, Deliver) else 0
