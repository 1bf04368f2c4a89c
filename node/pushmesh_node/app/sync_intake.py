"""Frames that peers send in sync, on their common way in, with the answer to each envelope (SPEC 9.10)."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, open_frame
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Outcome
from ..engine.events import CaughtUp
from ..metrics import Metrics
from .ingest import Ingest
from .lanes import Lane
from .offers import Finding, entry_of, parts_of

ENTRY_ENVELOPES: Final = 256
"""Of one entry, unless a single run has more: others have their turn between two."""

DECIDED_S: Final = 60.0


class SyncIntake:
    """Numbers what it hands in, from -1 down, and waits until it is answered."""

    def __init__(self, network: Network, ingest: Ingest, metrics: Metrics) -> None:
        self._network = network
        self._ingest = ingest
        self._metrics = metrics
        self._numbers = count(-1, -1)
        self._waiting: dict[int, asyncio.Future[Sequence[Outcome]]] = {}

    def answer(self, request: int, outcomes: Sequence[Outcome]) -> None:
        """The driver's hand: these are durable, or refused."""
        waiting = self._waiting.pop(request, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(outcomes)

    async def take(self, node_id: bytes, frames: Sequence[bytes]) -> list[tuple[bytes, Reason]]:
        """What became of each envelope; a frame that cannot be opened says nothing. Raises TimeoutError where the node
        has too much to do."""
        answers = []
        for parts in self._entries(frames):
            async with asyncio.timeout(DECIDED_S):
                await self._ingest.wait_for_room(Lane.SYNCED)
            number = next(self._numbers)
            answers.append(asyncio.get_running_loop().create_future())
            self._waiting[number] = answers[-1]
            findings = [Finding(data=data) for _, data in parts]
            self._ingest.take(entry_of(CaughtUp(node_id, number), [part for part, _ in parts], findings))
            await asyncio.sleep(0)
        if not answers:
            return []
        async with asyncio.timeout(DECIDED_S):
            outcomes = await asyncio.gather(*answers)
        return [(bytes(each.id), each.reason) for some in outcomes for each in some if each.id is not None]

    def _entries(self, frames: Sequence[bytes]) -> Iterator[list[tuple[Part, bytes | None]]]:
        entry: list[tuple[Part, bytes | None]] = []
        envelopes = 0
        for data in frames:
            parts = self._open(data)
            size = sum([len(part.envelopes) for part in parts])
            if entry and envelopes + size > ENTRY_ENVELOPES:
                yield entry
                entry, envelopes = [], 0
            alone = data if len(parts) == 1 else None
            entry += [(part, alone) for part in parts]
            envelopes += size
        if entry:
            yield entry

    def _open(self, data: bytes) -> list[Part]:
        try:
            frame = open_frame(self._network, data)
        except Refusal as refusal:
            self._metrics.judged("caught-up", refusal.verdict, refusal.reason, 1)
            return []
        parts, unreadable = parts_of(frame)
        for _, why in unreadable:
            self._metrics.judged("caught-up", why.verdict, why.reason, 1)
        self._metrics.caught_up(sum([len(part.envelopes) for part in parts]))
        return parts
