import asyncio
import json
import socket

import pytest

from pushmesh_node.api.app import ApiLimits
from pushmesh_node.api.gate import Gate, GateLimits
from pushmesh_protocol.reasons import Reason
from support.fake_node import FakeNode, a_fake_node, bearer, serving
from support.until import until

LONG_PATH = b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\n\r\n"
LONG_HEADER = b"GET / HTTP/1.1\r\nX: " + b"a" * 5_000
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def dial(node: FakeNode) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", node.port)


async def head(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        return await reader.readuntil(b"\r\n\r\n")


def gate_of(node: FakeNode) -> Gate:
    assert node.api is not None
    return node.api.gate


def with_gate(limits: GateLimits) -> ApiLimits:
    return ApiLimits(drain_s=1, gate=limits)


async def test_a_connection_too_many_is_told_so_and_the_next_one_after_a_leave_is_let_in() -> None:
    node = a_fake_node()
    async with serving(node, api=with_gate(GateLimits(connections=2))):
        first, second = await dial(node), await dial(node)
        await until(lambda: gate_of(node).connections == 2)
        reader, writer = await dial(node)
        async with asyncio.timeout(10):
            said = await reader.read()
        status, _, body = said.partition(b"\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 429 ")
        assert json.loads(body)["reason"] == "too-many-connections"
        writer.close()

        first[1].close()
        await until(lambda: gate_of(node).connections == 1)
        reader, writer = await dial(node)
        writer.write(REQUEST)
        assert (await head(reader)).startswith(b"HTTP/1.1 200 ")
        for each in (writer, second[1]):
            each.close()
        await until(lambda: gate_of(node).connections == 0)
        assert node.refused == [Reason.TOO_MANY_CONNECTIONS]


async def test_one_address_may_not_take_all_the_room() -> None:
    node = a_fake_node()
    async with serving(node, api=with_gate(GateLimits(per_place=1, exempt_loopback=False))):
        _, first = await dial(node)
        await until(lambda: gate_of(node).connections == 1)
        reader, second = await dial(node)
        assert (await head(reader)).startswith(b"HTTP/1.1 429 ")
        first.close()
        second.close()


async def test_a_proxy_on_this_machine_may_have_more() -> None:
    node = a_fake_node()
    async with serving(node, api=with_gate(GateLimits(per_place=1))):
        writers = [(await dial(node))[1] for _ in range(3)]
        await until(lambda: gate_of(node).connections == 3)
        for writer in writers:
            writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_client_that_never_sends_a_whole_head_is_cut(sent: bytes) -> None:
    node = a_fake_node()
    async with serving(node, api=with_gate(GateLimits(header_s=0.05))):
        reader, writer = await dial(node)
        writer.write(sent)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await head(reader)
        writer.close()
        await until(lambda: gate_of(node).connections == 0)
        assert node.refused == [Reason.TIMEOUT]


class Flood(asyncio.Protocol):
    """Answers at once, with more than any socket holds."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(bytes(32 << 20))


async def test_a_client_that_takes_nothing_of_its_answer_is_cut() -> None:
    gate = Gate(GateLimits(stuck_s=0.2, header_s=60))
    server = await asyncio.get_running_loop().create_server(gate.wrap(Flood), "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        await until(lambda: gate.connections == 1)
        client.setblocking(False)  # and it is never read from
        await until(lambda: gate.connections == 0)
    server.close()


async def test_a_stream_has_no_time_for_its_head_left_to_wait_for() -> None:
    node = a_fake_node()
    async with serving(node) as client:
        async with client.ws_connect("/v1/stream", headers=bearer()) as stream:
            assert (await stream.receive_json(timeout=10))["type"] == "welcome"
            assert gate_of(node)._waiting == {}
            await stream.send_json({"type": "ping", "no": 1})
            assert (await stream.receive_json(timeout=10))["type"] == "pong"
        assert node.refused == []


async def test_an_idle_connection_is_closed_between_requests() -> None:
    node = a_fake_node()
    async with serving(node, api=ApiLimits(drain_s=1, idle_s=0.1)):
        reader, writer = await dial(node)
        writer.write(REQUEST)
        await head(reader)
        async with asyncio.timeout(10):
            await reader.read()
            assert await reader.read() == b""
        writer.close()


async def test_a_body_that_does_not_come_is_given_up() -> None:
    node = a_fake_node()
    async with serving(node, api=ApiLimits(drain_s=1, body_timeout_s=0.05)):
        reader, writer = await dial(node)
        writer.write(b"POST /v1/publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/msgpack\r\n")
        writer.write(b"Content-Length: 100\r\n\r\nslow")
        assert (await head(reader)).startswith(b"HTTP/1.1 503 ")
        async with asyncio.timeout(10):
            assert b'"timeout"' in await reader.readuntil(b"}")
        writer.close()
    assert node.publishing.batches == []


async def test_a_head_past_its_limit_is_refused_and_the_server_lives() -> None:
    node = a_fake_node()
    async with serving(node, api=ApiLimits(drain_s=1, header_bytes=4_096)) as client:
        for head_bytes in (LONG_PATH, LONG_HEADER, b"\x16\x03\x01 this is not HTTP\r\n\r\n"):
            reader, writer = await dial(node)
            writer.write(head_bytes)
            assert (await head(reader)).split()[1] == b"400"
            writer.close()
        async with client.get("/healthz") as alive:
            assert alive.status == 200
    assert node.reports == [], "what a stranger sends is no fault of the node's"
