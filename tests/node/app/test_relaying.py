import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from pushmesh_client.compose import signed_envelope
from pushmesh_node.app import relaying as relaying_room
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.relaying import Relaying
from pushmesh_node.gossip.frames.packer import Packer
from pushmesh_node.ipc import Publish
from pushmesh_node.metrics import Metrics
from pushmesh_protocol.frames import Part, gossip_topic_of, open_frame
from pushmesh_protocol.kinds import Kind
from support.app_world import NETWORK, a_grant_now, a_note_now
from support.until import until
from support.wallets import a_note, a_wallet

WALLET = a_wallet(1)


class Process:
    """The other side: takes frames while `takes` says so."""

    def __init__(self) -> None:
        self.taken: list[Publish] = []
        self.takes = True
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, messages: Sequence[Publish]) -> bool:
        await self.open.wait()
        self.taken += messages if self.takes else []
        return self.takes


class World:
    def __init__(self) -> None:
        self.process, self.metrics = Process(), Metrics()
        self.relaying = Relaying(Packer(NETWORK), self.process.send, self.metrics, now_ms)

    def relay(self, seq: int) -> Part:
        part = Part((a_note_now(WALLET, seq),))
        self.relaying.relay([part], [])
        return part

    def carried(self) -> list[bytes]:
        frames = [open_frame(NETWORK, publish.data, gossip_topic=publish.topic) for publish in self.process.taken]
        return [envelope.id for frame in frames for envelope in frame.envelopes()]

    def dropped(self, reason: str) -> float:
        labels = {"queue": "relay", "reason": reason}
        return self.metrics.registry.get_sample_value("pushmesh_queue_drops_total", labels) or 0.0


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    running = asyncio.create_task(world.relaying.run())
    yield world
    running.cancel()
    await asyncio.wait((running,))


async def test_the_first_of_an_idle_topic_leaves_at_once_and_the_next_soon_after(world: World) -> None:
    first = world.relay(1)
    await until(lambda: world.carried() == [first.envelopes[0].id])
    more = [world.relay(seq) for seq in (2, 3)]
    await until(lambda: len(world.carried()) == 3)
    assert world.carried()[1:] == [part.envelopes[0].id for part in more]
    assert len(world.process.taken) == 2
    assert {publish.topic for publish in world.process.taken} == {gossip_topic_of(NETWORK, first.envelopes[0])}


async def test_the_grant_of_a_session_item_rides_along(world: World) -> None:

    session = a_grant_now(WALLET, (5,))
    body = a_note(WALLET, now_ms(), session.body.first_seq)
    note = signed_envelope(NETWORK, session.key, WALLET.account, Kind.NOTIFICATION, body)
    world.relaying.relay([Part((note,))], [session.grant])
    await until(lambda: world.process.taken)
    assert world.carried() == [session.grant.id, note.id]


async def test_frames_that_no_process_takes_are_counted_and_the_next_ones_go_out(world: World) -> None:
    world.process.takes = False
    world.relay(1)
    await until(lambda: world.dropped("not-ready") == 1)
    world.process.takes = True
    last = world.relay(2)
    await until(lambda: world.carried() == [last.envelopes[0].id])


async def test_behind_a_process_that_stands_still_frames_wait_up_to_a_bound(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying_room, "WAITING_FRAMES", 2)
    world.process.open.clear()
    for seq in range(8):
        world.relay(seq)
        await asyncio.sleep(0.15)  # so that the packer closes a frame each time
    await until(lambda: world.dropped("queue-full") > 0)
    world.process.open.set()
    await until(lambda: len(world.process.taken) >= 3)
    assert len(world.process.taken) + world.dropped("queue-full") == 8
