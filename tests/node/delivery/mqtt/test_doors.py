"""The doors of the endpoint over real sockets: under TLS, and while the node drains."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import mqtt5
import pytest
import uvloop
from mqtt5 import (
    AuthPacket,
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectReasonCode as Code,
    Packet,
    PingReqPacket,
    PingRespPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_node.delivery.mqtt import Limits, MqttEndpoint, Redirect
from pushmesh_node.delivery.mqtt.doors import TlsDoor
from pushmesh_node.delivery.mqtt.link import Link
from support.certificates import shown, trusting, write_certificate
from support.fake_inboxes import a_notification
from support.mqtt_talk import connected, last_words
from support.mqtt_world import RawClient, World, a_connect, a_frame, a_token, hanging_up, running, until

ELSEWHERE = Redirect("other.example.org:1883 third.example.org:1883")
SINGLE = Limits(acknowledge_after_s=0.0, connections=2)


@pytest.fixture
def folder(requires: Callable[[str], Path], tmp_path: Path) -> Path:
    """With a certificate in it."""
    write_certificate(requires("openssl"), tmp_path)
    return tmp_path


async def secured(endpoint: MqttEndpoint, folder: Path) -> int:
    return await endpoint.listen("127.0.0.1", 0, shown(folder))


async def answer_to(client: RawClient, connect: ConnectPacket | None = None) -> ConnAckPacket:
    await client.send(a_connect() if connect is None else connect)
    answer = await client.read()
    assert isinstance(answer, ConnAckPacket)
    return answer


@pytest.mark.integration
async def test_a_client_under_tls_is_served_like_any_other(folder: Path) -> None:
    world = World()
    async with running(world) as endpoint:
        client = await RawClient.dial(await secured(endpoint, folder), trusting(folder))
        assert (await answer_to(client)).reason_code == ConnAckReasonCode.SUCCESS
        await client.send(PingReqPacket())
        assert isinstance(await client.read(), PingRespPacket)
        await client.close()
        await until(lambda: endpoint.connections == 0)
    assert world.addresses == ["127.0.0.1"]


@pytest.mark.integration
async def test_who_speaks_no_tls_there_or_nothing_is_sent_away_and_gives_its_place_back(folder: Path) -> None:
    world = World()
    limits = Limits(connections=2, connect_timeout_s=0.3)
    async with running(world, limits) as endpoint:
        port = await secured(endpoint, folder)
        plain, silent = await RawClient.dial(port), await RawClient.dial(port)
        await plain.send(a_connect())
        assert not (await plain.raw()).startswith(b"\x20"), "no CONNACK in the clear"
        assert await silent.raw() == b""
        await until(lambda: endpoint.connections == 0)
        assert world.seen == [("connect", "bad-request")] * 2, "no connection ended, for none had begun"
        client = await RawClient.dial(port, trusting(folder))
        assert (await answer_to(client)).reason_code == ConnAckReasonCode.SUCCESS


@pytest.mark.integration
async def test_handshakes_take_places_so_that_no_flood_of_them_is_endless(folder: Path) -> None:
    world = World()
    async with running(world, SINGLE) as endpoint:
        port = await secured(endpoint, folder)
        waiting = [await RawClient.dial(port) for _ in range(2)]
        await until(lambda: endpoint.connections == 2)
        third = await RawClient.dial(port)
        assert await third.raw() == b""
        assert ("connect", "too-many-connections") in world.seen
        for client in waiting:
            await client.close()
        await until(lambda: endpoint.connections == 0)


@pytest.mark.integration
async def test_a_link_that_got_its_transport_is_told_of_the_end_by_that_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Recorder(asyncio.Protocol):
        has_begun = False
        ends = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.has_begun = True

        def connection_lost(self, exc: Exception | None) -> None:
            self.ends += 1

    through, never, loop = Recorder(), Recorder(), asyncio.get_running_loop()
    links, accept = iter([through, never]), loop.connect_accepted_socket

    async def cut_at_the_last_moment(*given: Any, **named: Any) -> None:
        if not through.has_begun:
            transport, _ = await accept(*given, **named)
            transport.abort()
        raise ConnectionResetError

    monkeypatch.setattr(loop, "connect_accepted_socket", cut_at_the_last_moment)
    door = await TlsDoor.open(
        "127.0.0.1", 0, lambda _: cast(Link, next(links)), shown(folder), 5.0, lambda _what, _reason: None
    )
    async with hanging_up():
        with suppress(ConnectionError):
            await RawClient.dial(door.port, trusting(folder))
        await until(lambda: through.ends > 0)
        await RawClient.dial(door.port)
        await until(lambda: never.ends > 0)
        await door.close()
    assert (through.ends, never.ends) == (1, 1)


@pytest.mark.integration
async def test_a_drain_does_not_wait_for_handshakes_that_never_end(folder: Path) -> None:
    world = World()
    async with running(world, Limits(connect_timeout_s=600)) as endpoint:
        client = await RawClient.dial(await secured(endpoint, folder))
        await until(lambda: endpoint.connections == 1)
        async with asyncio.timeout(5):
            await endpoint.close()
        assert endpoint.connections == 0
        assert await client.raw() == b""


@pytest.mark.integration
async def test_a_client_that_trusts_others_only_hangs_up(folder: Path) -> None:
    world = World()
    async with running(world) as endpoint:
        port = await secured(endpoint, folder)
        with pytest.raises(ssl.SSLCertVerificationError):
            await RawClient.dial(port, ssl.create_default_context())
        await until(lambda: endpoint.connections == 0)


@pytest.mark.parametrize(("for_good", "code"), [(False, Code.USE_ANOTHER_SERVER), (True, Code.SERVER_MOVED)])
async def test_a_draining_node_names_the_others(for_good: bool, code: Code) -> None:
    world, redirect = World(), Redirect(ELSEWHERE.servers, for_good=for_good)
    async with running(world, redirect=redirect) as endpoint:
        client = await connected(endpoint)
        await endpoint.close()
        words = await last_words(client)
        assert (words.reason_code, words.server_reference) == (code, ELSEWHERE.servers)
        assert dict(words.user_properties) == {"reason": "draining"}


async def test_who_is_just_logging_in_is_sent_there_too() -> None:
    world = World()
    async with running(world, redirect=ELSEWHERE) as endpoint:
        client = await RawClient.dial(endpoint.port)
        await client.send(ConnectPacket("phone", authentication_method="pushmesh-login"))
        assert isinstance(await client.read(), AuthPacket)
        await endpoint.close()
        answer = await client.read()
        assert isinstance(answer, ConnAckPacket)
        assert answer.reason_code == ConnAckReasonCode.USE_ANOTHER_SERVER
        assert answer.server_reference == ELSEWHERE.servers


async def test_who_comes_while_the_node_drains_learns_where_to_go_without_being_looked_at() -> None:
    world = World()
    async with running(world, redirect=ELSEWHERE) as endpoint:
        older, port = await connected(endpoint), endpoint.port
        closing = asyncio.create_task(endpoint.close())
        await asyncio.sleep(0)
        late = await RawClient.dial(endpoint.port)
        answer = await answer_to(late, a_connect(password=a_token().encode()))
        assert (answer.reason_code, answer.server_reference) == (
            ConnAckReasonCode.USE_ANOTHER_SERVER,
            ELSEWHERE.servers,
        )
        await last_words(older)
        await closing
        assert len(world.addresses) == 1
        with pytest.raises(ConnectionRefusedError):
            await RawClient.dial(port)


async def test_only_a_drain_sends_clients_away() -> None:
    world = World()
    async with running(world, redirect=ELSEWHERE) as endpoint:
        client = await RawClient.dial(endpoint.port)
        answer = await answer_to(client, a_connect(password=b"nonsense"))
        assert answer.reason_code == ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD
        assert answer.server_reference is None


@pytest.mark.integration
def test_no_handshake_is_lost_however_soon_a_client_speaks(folder: Path) -> None:
    """On the loop that nodes run on: there a connection is read before anybody may stop it."""

    async def dial_many() -> None:
        world = World()
        async with running(world) as endpoint:
            port = await secured(endpoint, folder)
            for _ in range(5):
                clients = await asyncio.gather(*[RawClient.dial(port, trusting(folder)) for _ in range(20)])
                for client in clients:
                    assert (await answer_to(client, a_connect(""))).reason_code == ConnAckReasonCode.SUCCESS
                    await client.close()
            await until(lambda: endpoint.connections == 0)
        assert ("connect", "bad-request") not in world.seen

    uvloop.run(dial_many())


class HalfClosing:
    """A client under TLS that can say that it says no more, and read on: those of the library only end both ways at
    once. It blocks."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._done(self._tls.do_handshake)

    def say(self, *packets: Packet) -> None:
        self._tls.write(b"".join([packet.write() for packet in packets]))
        self._connection.sendall(self._outgoing.read())

    def hear(self, last: type[Packet]) -> None:
        """Everything up to a packet of this kind."""
        heard = b""
        while not any(isinstance(packet, last) for packet in packets_of(heard)):
            heard += self._done(lambda: self._tls.read(65_536)) or b""

    def say_no_more(self, *packets: Packet) -> None:
        """These are the last: then both TLS and TCP are closed this way."""
        self._tls.write(b"".join([packet.write() for packet in packets]))
        with suppress(ssl.SSLWantReadError):  # the other side has still to say so
            self._tls.unwrap()
        self._connection.sendall(self._outgoing.read())
        self._connection.shutdown(socket.SHUT_WR)

    def ends_orderly(self) -> bool:
        """Whether the server says at the end that it was all."""
        with self._connection:
            while True:
                try:
                    if not self._done(lambda: self._tls.read(65_536)):
                        return True
                except ssl.SSLZeroReturnError:
                    return True
                except (ssl.SSLEOFError, ConnectionResetError):
                    return False

    def _done(self, step: Callable[[], bytes | None]) -> bytes | None:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                if self._outgoing.pending:
                    self._connection.sendall(self._outgoing.read())
                data = self._connection.recv(65_536)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()


def packets_of(data: bytes) -> list[Packet]:
    """Those that are whole."""
    found: list[Packet] = []
    while data:
        try:
            packet, size = mqtt5.read(memoryview(data))
        except IndexError:
            break
        found.append(packet)
        data = data[size:]
    return found


@pytest.mark.integration
async def test_a_client_that_says_no_more_is_heard_to_its_last_word_and_gets_an_orderly_end(folder: Path) -> None:
    world = World()
    everything = SubscribePacket(1, [TopicFilter("pushmesh/inbox", max_qos=QoS.AT_LEAST_ONCE)])
    last = PublishPacket("pushmesh/publish", a_frame(a_notification(7)), qos=QoS.AT_LEAST_ONCE, packet_id=2)
    async with running(world) as endpoint:
        port = await secured(endpoint, folder)
        client = await asyncio.to_thread(HalfClosing, port, trusting(folder))
        await asyncio.to_thread(client.say, a_connect(), everything)
        await asyncio.to_thread(client.hear, SubAckPacket)
        await asyncio.to_thread(client.say_no_more, last)
        assert await asyncio.to_thread(client.ends_orderly)
        await until(lambda: endpoint.connections == 0)
        assert [envelope.id for envelope in world.published] == [a_notification(7).id]
