"""One wallet a way that reconnects again and again while notifications flow: cut wherever it hurts."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

from pushmesh_client import Unreachable
from pushmesh_client.transports import Delivery, Transport

from .ways import WAYS
from .wire import Wire
from .world import Outcome, Say, World

WELCOME_BYTES: Final = 400
MESSAGE_BYTES: Final = 1_500
AFTER: Final = (0, 1, 1, 2, 5, 20)
"""So many messages come first; most connections are short."""
SPARE: Final = 1_000


class Cut(StrEnum):
    """Where a connection is cut."""

    WELCOME = "before the welcome"
    MIDDLE = "in the middle of a message"
    UNACKNOWLEDGED = "before the acknowledgement"
    ACKNOWLEDGED = "after the acknowledgement"


class Cutter:
    """Cuts so many connections of one client, as often in each way as in the others, and then lets it be."""

    def __init__(self, wire: Wire, random: Random, times: int) -> None:
        self.left = times
        self.cuts: Counter[Cut] = Counter()
        self._wire = wire
        self._random = random
        self._deck: list[Cut] = []
        self._cut: Cut | None = None
        self._after = 0
        self._cuts_before = 0

    def opening(self) -> None:
        """Choose for this connection."""
        self._wire.cut_after(None)
        self._cuts_before = self._wire.cuts
        self._cut = self._next() if self.left else None
        self._after = self._random.choice(AFTER)
        if self._cut is Cut.WELCOME:
            self._wire.cut_after(self._random.randrange(WELCOME_BYTES))

    def _next(self) -> Cut:
        self.left -= 1
        self._deck = self._deck or self._random.sample(list(Cut), len(Cut))
        cut = self._deck.pop()
        self.cuts[cut] += 1
        return cut

    async def taken(self, transport: Transport, delivery: Delivery) -> None:
        """Cut now, or after some more. Raises Unreachable then: plain requests would not notice by themselves."""
        self._after -= 1
        if self._wire.cuts > self._cuts_before:
            raise Unreachable("the wire was cut")
        if self._after > 0:
            return
        if self._cut is Cut.MIDDLE:
            self._wire.cut_after(self._random.randrange(1, MESSAGE_BYTES))
            self._cut = None
        elif self._cut in (Cut.UNACKNOWLEDGED, Cut.ACKNOWLEDGED):
            if self._cut is Cut.ACKNOWLEDGED:
                await transport.acknowledge(delivery.cursor, None)
                await asyncio.sleep(0.002)  # so that it is on its way to the node, mostly
            self._wire.cut()
            raise Unreachable("the wire was cut")


async def reconnect(folder: Path, seed: int, say: Say, times: int, rate: float = 20.0) -> Outcome:
    """`times` reconnects over each way; `rate` is that of each publisher."""
    async with World("reconnects", folder, seed, rate=rate, patience_s=60 + times) as world, AsyncExitStack() as stack:
        cutters: dict[str, Cutter] = {}
        for way in WAYS:
            wire = await stack.enter_async_context(Wire(world.port_of(way)))
            cutters[way] = Cutter(wire, world.dice(way), times)
            keys = {"port": wire.port, "trouble": cutters[way], "at_once": times + SPARE}
            await world.listen(1, (way,), **keys)
        world.publish()
        told = 0

        def over() -> bool:
            nonlocal told
            if (done := sum([each.cuts.total() for each in cutters.values()])) >= told + 1_000:
                told = done
                say(f"reconnects: {done} cuts, {world.durable} durable answers")
            return all(client.connections > times for client in world.clients)

        await world.until(over, "all reconnects")
        made = {way: {str(cut): count for cut, count in sorted(each.cuts.items())} for way, each in cutters.items()}
        return await world.conclude(cuts=made)
