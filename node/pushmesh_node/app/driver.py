"""Carries out the engine's effects in order: the one match over effects. What follows a Store waits until it is
durable."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from msgspec.structs import replace

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

LOST_SPANS = 1_024
"""Failed commits whose numbers are remembered while other work is under way that may speak of them."""


class Driver:
    """Owns the engine's turn: `handle` is synchronous up to the first Store; the rest of the effects runs when
    that is durable."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        hands: Hands,
        clock: Callable[[], UnixMs],
        monotonic_s: Callable[[], float],
    ) -> None:
        self.engine = engine
        self.failed_commits = 0
        """Whoever waits until what it handed in is durable compares this before and after."""
        self._store = store
        self._hands = hands
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._lost: deque[tuple[int, int]] = deque(maxlen=LOST_SPANS)

    def handle(self, event: Event) -> None:
        """Let the engine decide and carry out what it orders."""
        self.execute(self.engine.handle(event, self._clock()))

    def execute(self, effects: Sequence[Effect]) -> None:
        """Do at once what may be done at once; keep the order of everything behind a Store."""
        for place, effect in enumerate(effects):
            if isinstance(effect, StoreEffect) or _highest(effect) > self._store.last_commit:
                self._hands.decided([each for each in effects[place:] if isinstance(each, Answer)])
                task = asyncio.create_task(self._after_commit(effects[place:]))
                self._tasks[task] = _lowest(effect)
                task.add_done_callback(self._done)
                return
            self._do(effect)
        self._deliver(effects)

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
        if not self._tasks:
            self._lost.clear()  # the engine has forgotten these numbers, and nothing decided before that is left
        if not task.cancelled() and (error := task.exception()) is not None:
            self._hands.crashed(error)

    async def _after_commit(self, effects: Sequence[Effect]) -> None:
        first = effects[0]
        if isinstance(first, StoreEffect):
            if not await self._commit(first, effects[1:]):
                return
            effects = effects[1:]  # commits end in order, so all that these speak of is durable or lost
        else:
            await self._others(max(map(_highest, effects)))
        for effect in effects:
            self._do(effect)
        self._deliver(effects)

    def _deliver(self, effects: Sequence[Effect]) -> None:
        """All deliveries of a turn at once: whoever listens gets one list."""
        orders = [effect for effect in effects if isinstance(effect, Deliver)]
        if orders:
            self._hands.deliver(orders)

    async def _commit(self, store: StoreEffect, rest: Sequence[Effect]) -> bool:
        """Whether it is durable; if not, everybody who waits for it was told."""
        began_s = self._monotonic_s()
        try:
            await self._store.commit(store.writes)
        except StoreBusy:
            self._undo(store, rest, Reason.QUEUE_FULL, "the store's queue is full; try again later")
            return False
        except StoreFailure as failure:
            self._undo(store, rest, Reason.STORE_FAILED, str(failure))
            return False
        except Exception:  # a fault of ours is loud, but leaves no publisher waiting for ever
            self._undo(store, rest, Reason.INTERNAL, "the node failed to store it; its log says why")
            raise
        records = [write for write in store.writes if isinstance(write, Record)]
        self._hands.committed(records, self._monotonic_s() - began_s)
        self._hands.stored(store.writes)
        return True

    async def _others(self, commit_no: int) -> None:
        """Wait until the commits that hold the numbers up to this one have ended, well or not."""
        commits = [task for task, lowest in self._tasks.items() if 0 < lowest <= commit_no]
        if commits:
            await asyncio.wait(commits)

    def _undo(self, store: StoreEffect, rest: Sequence[Effect], reason: Reason, detail: str) -> None:
        """Nothing of a failed Store is acknowledged, relayed or delivered, also not to who asked for the same
        envelope."""
        self.failed_commits += 1
        records = [write for write in store.writes if isinstance(write, Record)]
        if records:  # numbered one after the other, by one turn
            self._lost.append((records[0].first_commit, records[-1].first_commit + records[-1].count))
        for effect in rest:
            if isinstance(effect, Answer):
                outcomes = [_failed(outcome, reason, detail) for outcome in effect.outcomes]
                self._do(Answer(effect.request, outcomes))
        self.execute(self.engine.handle(StoreFailed(store.writes), self._clock()))

    def _truly(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Without those that repeat an envelope whose commit failed since."""
        return [
            _refused(outcome, Reason.STORE_FAILED, "the commit that it was part of failed; try again")
            if any(first <= (outcome.commit_no or 0) < end for first, end in self._lost)
            else outcome
            for outcome in outcomes
        ]

    def _do(self, effect: Effect) -> None:
        hands = self._hands
        match effect:
            case Judge():
                hands.judge(effect)
            case Answer(request, outcomes):
                hands.answer(request, self._truly(outcomes) if self._lost else outcomes)
            case Relay(parts, grants):
                hands.relay(parts, grants)
            case Deliver():
                pass  # `_deliver` takes all of a turn together
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
    if outcome.level is Level.DURABLE and (outcome.reason is not Reason.DUPLICATE or outcome.commit_no is None):
        return _refused(outcome, reason, detail)
    return outcome


def _refused(outcome: Outcome, reason: Reason, detail: str) -> Outcome:
    return replace(outcome, level=Level.REFUSED, reason=reason, rule="", detail=detail, commit_no=None)


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
