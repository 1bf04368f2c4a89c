"""The way in: what publishers, peers and sync hand over is opened, looked up and verified in lists, then
decided in order.

Each source has a lane of its own. Two stages overlap: while one batch is verified in threads and its slots are looked
up in the store, the one before is decided."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol, TypeVar

from pushmesh_protocol.auth.verify import Claim
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import UnixMs

from ..engine.events import CaughtUp, Offered
from ..engine.records import Holder, SlotRange, Target
from ..storage.errors import StoreFailed
from ..storage.store import Store
from .lanes import BATCHES_AHEAD, Lane, Lanes
from .offers import Entry, all_held, claims_of, failures_of, join_failures, offered_of, slots_of
from .opened import Opener
from .targets import targets_of
from .verify import AT_ONCE, VerifyPool

READ_TRIES, READ_AGAIN_S = 30, 1.0

T = TypeVar("T")

FEW_ENVELOPES = 32
"""While fewer wait, no batch is begun beside one that is being prepared, which is decided first anyway, nor while the
way in rests after it: each costs the same turns of loop, threads and processes, however little is in it."""

SEVERAL_ENTRIES, REST_SHARE, LONGEST_REST_S = 5, 4, 0.010


class Admission(Protocol):
    """What the store can take now."""

    @property
    def is_open(self) -> bool:
        """Whether it takes everything."""

    def refusal(self, part: Part) -> Refusal | None:
        """Why it does not take this."""


class _Open:
    is_open = True

    def refusal(self, part: Part) -> Refusal | None:
        return None


OPEN: Admission = _Open()


def rest_s(took_s: float, entries: int) -> float:
    """How long few envelopes wait for more after a batch of so many entries that took so long to prepare.

    On an idle machine next to nothing; where processors are short, small batches take a fifth of the time at most, and
    a node whose publishers send one by one is spared a third of its processor time. A few who each send one and wait
    for its answer are never kept waiting: their batches have few entries."""
    return min(LONGEST_REST_S, REST_SHARE * took_s) if entries >= SEVERAL_ENTRIES else 0.0


class Ingest:
    """`take` never waits; the caller asks `room` first and refuses where there is none."""

    def __init__(
        self,
        network: Network,
        store: Store,
        verify: VerifyPool,
        decide: Callable[[Offered], None],
        clock: Callable[[], UnixMs],
        *,
        max_envelopes: int,
        admission: Admission = OPEN,
    ) -> None:
        self._network = network
        self._store = store
        self._verify = verify
        self._decide = decide
        self._clock = clock
        self._admission = admission
        self._opener = Opener(network)
        self._lanes = Lanes(max_envelopes)
        self._came = asyncio.Event()
        self._left = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._pauses = 0
        self._latest: asyncio.Task[Offered] | None = None
        self._ahead: asyncio.Queue[tuple[list[Entry], int, asyncio.Task[Offered]]] = asyncio.Queue(BATCHES_AHEAD)

    def room(self, lane: Lane) -> bool:
        """Whether anything more may come in on this lane now."""
        return self._lanes.room(lane)

    async def wait_for_room(self, lane: Lane) -> None:
        """For those who can wait: returns when something may come in."""
        while not self.room(lane):
            self._left.clear()
            await self._left.wait()

    def take(self, entry: Entry) -> None:
        """Queue an entry; it is decided after all on its lane that was due before it."""
        self._lanes.put(entry)
        self._came.set()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """While it lasts nothing is decided; what comes in waits, and what was looked up before is looked up again."""
        self._open.clear()
        try:
            yield
        finally:
            self._pauses += 1
            self._open.set()

    async def opened(self) -> None:
        """Returns when something may be decided."""
        await self._open.wait()

    async def run(self) -> None:
        """Both stages, until cancelled; nothing of either goes on after it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._prepare_all(group), name="ingest-prepare")
            group.create_task(self._decide_all(), name="ingest-decide")

    async def _prepare_all(self, group: asyncio.TaskGroup) -> None:
        now_s = asyncio.get_running_loop().time
        while True:
            await self._came.wait()
            if not self._lanes or (self._latest is not None and self._lanes.waiting < FEW_ENVELOPES):
                self._came.clear()  # whatever comes sets it again, and so does the end of a rest
                continue
            batch = self._lanes.next_batch()
            self._latest = group.create_task(self._prepare(batch))
            self._latest.add_done_callback(partial(self._rest, now_s(), len(batch)))
            await self._ahead.put((batch, self._pauses, self._latest))

    def _rest(self, began_s: float, entries: int, prepared: asyncio.Task[Offered]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(rest_s(loop.time() - began_s, entries), self._end_rest, prepared)

    def _end_rest(self, prepared: asyncio.Task[Offered]) -> None:
        if self._latest is prepared:
            self._latest = None
        self._came.set()

    async def _decide_all(self) -> None:
        while True:
            batch, pauses, task = await self._ahead.get()
            offered = await task
            await self._store.caught_up()  # what waits for the disk waits here, where every source has its share
            await self._open.wait()
            while pauses != self._pauses:  # an engine that was made new since knows only what was durable then
                pauses = self._pauses
                offered = await self._prepare(batch)
                await self._open.wait()
            self._decide(offered)
            self._lanes.decided(batch)
            self._left.set()
            for entry in batch:
                if entry.decided is not None and not entry.decided.done():
                    entry.decided.set_result(None)

    async def _prepare(self, batch: Sequence[Entry]) -> Offered:
        """Clock, slots and work first; then store look-ups and signatures side by side."""
        now_ms = self._clock()
        seen_commit = self._store.last_commit
        pairs = [
            (entry, part, finding) for entry in batch for part, finding in zip(entry.parts, entry.findings, strict=True)
        ]
        failures = [failures_of(self._network, entry.source, part, finding, now_ms) for entry, part, finding in pairs]
        if not self._admission.is_open:
            failures = [self._admit(part, found) for (_, part, _), found in zip(pairs, failures, strict=True)]
        ranges = [slots_of(self._network, part) for _, part, _ in pairs]
        held: Sequence[Sequence[Holder]] = [()] * len(pairs)
        by_sync = any(isinstance(entry.source, CaughtUp) for entry in batch)
        if by_sync:
            held = await self._holders(ranges)
        due = [
            place
            for place, (entry, part, finding) in enumerate(pairs)
            if not finding.verified
            and not (failures[place] and all(failures[place]))
            and not (isinstance(entry.source, CaughtUp) and all_held(part, held[place]))
        ]
        claims, checked_by = claims_of(self._network, [pairs[place][1] for place in due])
        answers: Sequence[Refusal | None]
        if by_sync:
            answers = await self._verify.verify(claims)
        else:
            answers, held = await self._both(claims, ranges)
        for place, number in zip(due, checked_by, strict=True):
            refusal = answers[number]
            if refusal is not None:
                failures[place] = [refusal] * len(pairs[place][1].envelopes)
        passed = [part for (_, part, _), found in zip(pairs, failures, strict=True) if not (found and all(found))]
        targets = await self._targets(passed)
        return offered_of(batch, failures, held, seen_commit, targets)

    def _admit(self, part: Part, failures: Sequence[Refusal | None]) -> Sequence[Refusal | None]:
        """What the store has no room for fails by that, but for what fails anyhow; what is held is answered as such."""
        refusal = self._admission.refusal(part)
        return failures if refusal is None else join_failures(failures, [refusal] * len(part.envelopes))

    async def _both(
        self, claims: Sequence[Claim], ranges: Sequence[SlotRange]
    ) -> tuple[Sequence[Refusal | None], Sequence[Sequence[Holder]]]:
        """Signatures and slots side by side. A short list of signatures is checked on the loop, so the store is asked
        before; a long one goes to processes, takes the longest, and is sent first."""
        if len(claims) <= AT_ONCE:
            held, answers = await asyncio.gather(self._holders(ranges), self._verify.verify(claims))
        else:
            answers, held = await asyncio.gather(self._verify.verify(claims), self._holders(ranges))
        return answers, held

    async def _targets(self, parts: Sequence[Part]) -> dict[bytes, Target]:
        """What verified retractions take back; a look-up of what is not there walks all hours, so no others' are
        looked up."""
        taking = [part for part in parts if part.envelopes[0].kind == Kind.RETRACTION]
        if not taking:
            return {}
        envelopes = [envelope for part in taking for envelope in part.envelopes]
        return await self._reading(lambda: targets_of(self._store, self._opener, envelopes))

    async def _holders(self, ranges: Sequence[SlotRange]) -> Sequence[Sequence[Holder]]:
        """Nothing can be decided without it: a disk that fails is asked again, and at last the node ends loudly."""
        return await self._reading(lambda: self._store.holders(ranges))

    async def _reading(self, ask: Callable[[], Awaitable[T]]) -> T:
        for _ in range(READ_TRIES - 1):
            try:
                return await ask()
            except StoreFailed:
                await asyncio.sleep(READ_AGAIN_S)
        return await ask()
