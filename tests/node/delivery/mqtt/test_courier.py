"""Messages on their way to one client: at once where it has room, else as it confirms; for who has gone nobody
listens."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import mqtt5
from mqtt5 import ConnectPacket, PubAckPacket, PublishPacket, SubscribePacket, TopicFilter

from pushmesh_node.delivery.cursor import Start
from pushmesh_node.delivery.mqtt.connection import Connection
from pushmesh_node.delivery.mqtt.courier import Courier
from pushmesh_node.delivery.mqtt.events import Authenticated, Close, Event, Open, Opened, Received, Send
from pushmesh_node.delivery.mqtt.limits import About, Limits
from pushmesh_node.delivery.mqtt.rendering import Renderer
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import WALLET, a_notification, a_principal
from support.mqtt_world import World, now_ms, until


class Sink(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


class Side:
    """A connection that is open and subscribed, and the courier of its inbox."""

    def __init__(self, world: World, *, window: int = 8, has_gone: bool = False) -> None:
        self.sink = Sink()
        self.ended: list[Reason] = []
        self.writable = asyncio.Event()
        self.writable.set()
        limits, about = Limits(write_timeout_s=0.01), About(b"\x0e" * 32, b"\x0f" * 32, b"\xab" * 16)
        self.connection = Connection(about, limits, Renderer(about.incarnation), assigned_id="x", now_ms=now_ms())
        name = display_account(WALLET)
        asked = ConnectPacket("phone", username=name, password=b"word", clean_start=True, receive_max=window)
        for event in (Received(asked.write()), Authenticated(a_principal()), Opened(None, ())):
            self.connection.handle(event, now_ms())
        order = Open(a_principal(), "phone", None, True)
        sink = None if has_gone else self.sink
        self.courier = Courier(
            order, Start(0), 0, self.connection, limits, world.ports(), self.handle, self._begin, sink, self.writable
        )

    def listen(self) -> None:
        self.connection.handle(Received(SubscribePacket(1, [TopicFilter("pushmesh/inbox")]).write()), now_ms())
        self.courier.listen(None)

    def handle(self, event: Event) -> None:
        for action in self.connection.handle(event, now_ms()):
            if isinstance(action, Send):
                self.sink.write(action.data)
            elif isinstance(action, Close):
                self.ended.append(action.reason)
        self.courier.moved()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)

    def publishes(self) -> list[PublishPacket]:
        packets, data = [], b"".join(self.sink.written)
        while data:
            packet, size = mqtt5.read(memoryview(data))
            data = data[size:]
            if isinstance(packet, PublishPacket):
                packets.append(packet)
        return packets


async def test_what_is_stored_comes_first_and_what_becomes_live_is_written_without_a_task() -> None:
    world = World()
    world.inboxes.commit(a_notification(1))
    side = Side(world)
    side.listen()
    await until(lambda: len(side.publishes()) == 1)
    (session,) = world.inboxes.listeners
    await until(lambda: getattr(session, "is_resting", False))
    world.inboxes.commit(a_notification(2))
    assert len(side.publishes()) == 2, "in the same turn of the loop"
    side.courier.close()
    assert (world.inboxes.listeners, len(world.consumers)) == ([], 0)
    assert side.courier.floor == 0


async def test_a_full_window_waits_for_what_is_confirmed() -> None:
    world = World()
    world.inboxes.commit(*[a_notification(number) for number in range(1, 6)])
    side = Side(world, window=2)
    side.listen()
    confirmed = 0
    while confirmed < 5:
        await until(lambda: len(side.publishes()) > confirmed)  # noqa: B023  # looked at before it changes
        assert len(side.publishes()) <= confirmed + 2
        packet = side.publishes()[confirmed]
        assert packet.packet_id is not None
        confirmed += 1
        side.handle(Received(PubAckPacket(packet.packet_id).write()))
    assert side.connection.room == 2
    side.courier.close()


async def test_a_client_that_takes_no_bytes_is_ended_with_the_reason() -> None:
    world = World()
    side = Side(world)
    side.writable.clear()
    world.inboxes.commit(a_notification(1))
    side.listen()
    await until(lambda: side.ended == [Reason.SLOW_CONSUMER])
    side.courier.close()


async def test_nobody_listens_for_a_client_that_went_while_it_was_let_in() -> None:
    world = World()
    gone = Side(world, has_gone=True)
    gone.listen()
    assert (world.inboxes.listeners, len(world.consumers)) == ([], 0)
    left = Side(world)
    left.courier.close()
    left.listen()
    assert (world.inboxes.listeners, len(world.consumers)) == ([], 0)
