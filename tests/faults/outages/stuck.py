"""Quick wallets beside stuck ones: over each way one takes no byte for a while. The quick ones have everything before
it moves again; it is told why it was cut, comes back and has everything."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from pushmesh_client.author import unix_ms
from pushmesh_client.compose import signed_envelope
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.kinds.notification import Sealed, SealedBox
from pushmesh_protocol.types import Account
from support.processes import frame_of
from support.wallets import LATER_MS, a_note

from ..history import Durable, Invoked
from .ways import WAYS
from .wire import Wire
from .world import TOPICS, Outcome, Say, World

STREAMS: Final = tuple(way for way in WAYS if way != "rest")
"""A page of REST is an answer of its own: who does not read it does not ask for the next, and nobody need be cut."""
WRITE_S: Final = 1.0
TOLD: Final = b"slow-consumer"
LARGE_BYTES: Final = 60_000
SLOTS: Final = 32
"""That one of them takes, at most."""
AT_A_TIME: Final = 4
LARGE: Final = 64
"""Together more than the system holds for who reads nothing, some 3 MB."""
MOST_HOLDS: Final = 6


class _Large:
    """Publishes notifications as large as they get, to all of these wallets by name."""

    def __init__(self, world: World, accounts: Sequence[Account]) -> None:
        self.ids: set[bytes] = set()
        self._world = world
        self._audience = sorted(bytes(each) for each in accounts)
        self._seq = 0

    async def publish(self, count: int) -> None:
        """Durable when it returns."""
        for _ in range(0, count, AT_A_TIME):
            await self._publish([self._next() for _ in range(AT_A_TIME)])

    async def _publish(self, envelopes: Sequence[Envelope]) -> None:
        world = self._world
        ids = tuple(each.id for each in envelopes)
        world.history.add(Invoked(world.name, TOPICS[0], ids, unix_ms() + LATER_MS))
        for outcome in await world.node.client.publish_frame(frame_of(*envelopes)):
            assert outcome.ok and outcome.id is not None and outcome.commit_no is not None, outcome
            world.history.add(Durable(world.name, outcome.id, outcome.commit_no, world.place.incarnation))
            self.ids.add(outcome.id)

    def _next(self) -> Envelope:
        self._seq += SLOTS
        random, wallet = self._world.random, self._world.publishers[0].wallet
        box = SealedBox(random.randbytes(32), random.randbytes(80))
        sealed = Sealed(random.randbytes(24), random.randbytes(LARGE_BYTES), [box])
        body = a_note(wallet, unix_ms(), self._seq, title=None, body=None, audience=self._audience, sealed=sealed)
        return signed_envelope(self._world.network, wallet.key, wallet.account, Kind.NOTIFICATION, body)


async def stuck_beside_quick(folder: Path, seed: int, say: Say) -> Outcome:
    """One stuck and one quick wallet a way. Who was not told, because it moved too early or too late, is held once
    more."""
    async with World("stuck", folder, seed, delivery__write_timeout_s=WRITE_S) as world, AsyncExitStack() as stack:
        quick = await world.listen(len(WAYS))
        wires: dict[str, Wire] = {}
        for way in WAYS:
            wires[way] = await stack.enter_async_context(Wire(world.port_of(way), narrow=True, look_for=TOLD))
            await world.listen(1, (way,), port=wires[way].port)
        stuck = world.clients[len(quick) :]
        large = _Large(world, [client.wallet.account for client in world.clients])
        await large.publish(AT_A_TIME)
        await world.until(lambda: all(large.ids <= each.got for each in world.clients), "the first of all")
        held, rounds = list(WAYS), 0
        while held and rounds < MOST_HOLDS:
            for way in held:
                wires[way].hold()
            await large.publish(LARGE)
            await world.until(lambda: all(large.ids <= each.got for each in quick), "everything at the quick ones")
            behind = {client.way for client in stuck if not large.ids <= client.got}
            assert behind >= set(held), "what a stuck wallet has not taken it cannot have"
            await asyncio.sleep(WRITE_S)  # how long they stand still beyond that: no wait for anything
            for way in held:
                wires[way].release()
            await world.until(lambda: all(large.ids <= each.got for each in stuck), "everything at the stuck ones")
            rounds += 1
            held = [way for way in STREAMS if not wires[way].found]
            say(f"stuck: after {rounds} rounds only {len(held)} of {len(STREAMS)} ways have not been told why")
        told = [way for way in STREAMS if wires[way].found]
        came_again = {client.way: client.connections - 1 for client in stuck}
        return await world.conclude(told=told, rounds=rounds, came_again=came_again)
