"""The way in: what publishers, peers and catch-up hand over is opened, looked up and verified in lists, then
decided in order.

Two stages overlap: while one batch is verified in threads and its slots are looked up in the store, the one before
is decided."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from pushmesh_protocol.auth.verify import Claim
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.examine import cheap_failures, claim_of
from pushmesh_protocol.frames import Part
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import Account, UnixMs

from ..engine.events import Candidate, CaughtUp, Offer, Offered, Source
from ..engine.records import Holder, SlotRange
from ..storage.errors import StoreFailed
from ..storage.store import Store
from .verify import AT_ONCE, VerifyPool

LEAST_BATCH_ENVELOPES = 32
BATCH_ENVELOPES = 1_024
"""A batch takes its share of what waits, so that the stages overlap, but entries of at least and at most so many
envelopes."""

BATCHES_AHEAD = 4
"""Batches that may be verified before the oldest is decided."""

READ_TRIES, READ_AGAIN_S = 30, 1.0


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What is already known of a part when it comes in: the gossip process verified it (`verified`), with its own
    failures."""

    verified: bool = False
    failures: Sequence[Refusal | None] = ()
    known: Sequence[bool] = ()
    sizes: Sequence[int] = ()
    data: bytes | None = None


NOTHING = Finding()


class Entry(msgspec.Struct, frozen=True):
    """One frame, request or page on its way in; `envelopes` is how many envelopes it carries, at least 1."""

    source: Source
    parts: Sequence[Part]
    findings: Sequence[Finding]
    envelopes: int
    unreadable: Sequence[tuple[int, Refusal]] = ()
    decided: "asyncio.Future[None] | None" = None


def entry_of(
    source: Source,
    parts: Sequence[Part],
    findings: Sequence[Finding] | None = None,
    unreadable: Sequence[tuple[int, Refusal]] = (),
    decided: "asyncio.Future[None] | None" = None,
) -> Entry:
    """An entry; without `findings` nothing is known of its parts yet."""
    envelopes = sum([len(part.envelopes) for part in parts]) or 1
    return Entry(
        source, parts, findings if findings is not None else [NOTHING] * len(parts), envelopes, unreadable, decided
    )


@dataclass(slots=True)
class _Queue:
    entries: deque[Entry] = field(default_factory=deque)
    envelopes: int = 0


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
    ) -> None:
        self._network = network
        self._store = store
        self._verify = verify
        self._decide = decide
        self._clock = clock
        self._max_envelopes = max_envelopes
        self._queue = _Queue()
        self._under_way = 0
        self._came = asyncio.Event()
        self._left = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._pauses = 0
        self._ahead: asyncio.Queue[tuple[list[Entry], int, asyncio.Task[Offered]]] = asyncio.Queue(BATCHES_AHEAD)

    def room(self) -> bool:
        """Whether anything more may come in now."""
        return self._queue.envelopes + self._under_way < self._max_envelopes

    async def wait_for_room(self) -> None:
        """For those who can wait: returns when something may come in."""
        while not self.room():
            self._left.clear()
            await self._left.wait()

    def take(self, entry: Entry) -> None:
        """Queue an entry; it is decided after all that came before it."""
        self._queue.entries.append(entry)
        self._queue.envelopes += entry.envelopes
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
        while True:
            await self._came.wait()
            batch = self._next_batch()
            await self._ahead.put((batch, self._pauses, group.create_task(self._prepare(batch))))

    def _next_batch(self) -> list[Entry]:
        batch: list[Entry] = []
        envelopes = 0
        entries = self._queue.entries
        share = self._queue.envelopes // BATCHES_AHEAD
        most = min(BATCH_ENVELOPES, max(LEAST_BATCH_ENVELOPES, share))
        while entries and (not batch or envelopes + entries[0].envelopes <= most):
            entry = entries.popleft()
            envelopes += entry.envelopes
            batch.append(entry)
        self._queue.envelopes -= envelopes
        self._under_way += envelopes
        if not entries:
            self._came.clear()
        return batch

    async def _decide_all(self) -> None:
        while True:
            batch, pauses, task = await self._ahead.get()
            offered = await task
            await self._open.wait()
            while pauses != self._pauses:  # an engine that was made new since knows only what was durable then
                pauses = self._pauses
                offered = await self._prepare(batch)
                await self._open.wait()
            self._decide(offered)
            self._left.set()
            for entry in batch:
                self._under_way -= entry.envelopes
                if entry.decided is not None and not entry.decided.done():
                    entry.decided.set_result(None)

    async def _prepare(self, batch: Sequence[Entry]) -> Offered:
        """Clock, slots and work first; then store look-ups and signatures side by side."""
        now_ms = self._clock()
        seen_commit = self._store.last_commit
        pairs = [
            (entry, part, finding) for entry in batch for part, finding in zip(entry.parts, entry.findings, strict=True)
        ]
        failures = [
            finding.failures
            if finding.verified and not any(finding.known)
            else _join(
                finding.failures,
                cheap_failures(self._network, part, now_ms, by_sync=isinstance(entry.source, CaughtUp)),
            )
            for entry, part, finding in pairs
        ]
        ranges = [_slots_of(self._network, part) for _, part, _ in pairs]
        held: Sequence[Sequence[Holder]] = [()] * len(pairs)
        by_sync = any(isinstance(entry.source, CaughtUp) for entry in batch)
        if by_sync:
            held = await self._holders(ranges)
        due = [
            place
            for place, (entry, part, finding) in enumerate(pairs)
            if not finding.verified
            and not (failures[place] and all(failures[place]))
            and not (isinstance(entry.source, CaughtUp) and _all_held(part, held[place]))
        ]
        claims, checked_by = _claims_of(self._network, [pairs[place][1] for place in due])
        answers: Sequence[Refusal | None]
        if by_sync:
            answers = await self._verify.verify(claims)
        else:
            answers, held = await self._both(claims, ranges)
        for place, number in zip(due, checked_by, strict=True):
            refusal = answers[number]
            if refusal is not None:
                failures[place] = [refusal] * len(pairs[place][1].envelopes)
        return _offered(batch, failures, held, seen_commit)

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

    async def _holders(self, ranges: Sequence[SlotRange]) -> Sequence[Sequence[Holder]]:
        """Nothing can be decided without it: a disk that fails is asked again, and at last the node ends loudly."""
        for _ in range(READ_TRIES - 1):
            try:
                return await self._store.holders(ranges)
            except StoreFailed:
                await asyncio.sleep(READ_AGAIN_S)
        return await self._store.holders(ranges)


def _join(failures: Sequence[Refusal | None], more: Sequence[Refusal | None]) -> Sequence[Refusal | None]:
    """Both lists as one. The gossip process passes a known item whatever the clock says, though this node may not
    hold it any more; without this everybody could bring what is over back as new."""
    if not failures or not more:
        return failures or more
    return [one or other for one, other in zip(failures, more, strict=True)]


def _claims_of(network: Network, parts: Sequence[Part]) -> tuple[list[Claim], list[int]]:
    """What is to be verified, and for each part the place of its claim: runs of one batch in a frame share
    their statement, and so its check."""
    claims: list[Claim] = []
    numbers: list[int] = []
    first_seen: dict[int, int] = {}
    for part in parts:
        number = len(claims)
        if part.statement is not None:
            number = first_seen.setdefault(id(part.statement), number)
        if number == len(claims):
            claims.append(claim_of(network, part))
        numbers.append(number)
    return claims, numbers


def _slots_of(network: Network, part: Part) -> SlotRange:
    first, last = part.envelopes[0], part.envelopes[-1]
    epoch = network.epoch(first.body.issued_at)
    return SlotRange(Account(first.author), epoch, first.body.seq, last.body.seq + last.cost)


def _all_held(part: Part, holders: Sequence[Holder]) -> bool:
    """What catch-up brings again needs no signature check: it changes nothing."""
    held = {holder.id for holder in holders}
    return all(envelope.id in held for envelope in part.envelopes)


def _offered(
    batch: Sequence[Entry],
    failures: Sequence[Sequence[Refusal | None]],
    held: Sequence[Sequence[Holder]],
    seen_commit: int,
) -> Offered:
    place = 0
    offers = []
    for entry in batch:
        candidates = []
        for part, finding in zip(entry.parts, entry.findings, strict=True):
            candidates.append(Candidate(part, failures[place], held[place], finding.known, finding.sizes, finding.data))
            place += 1
        offers.append(Offer(entry.source, candidates, entry.unreadable))
    return Offered(offers, seen_commit)
