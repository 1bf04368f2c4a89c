import asyncio
from typing import cast

import pytest

from pushmesh_node.api.app import ApiLimits
from pushmesh_node.engine.answers import Principal
from support.fake_node import a_fake_node, bearer, serving
from support.until import until
from support.ws_talk import HEAD, masked, read_frame, read_raw, text_frame

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upgrade": "websocket"},
        {"Upgrade": "h2c", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY},
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "short"},
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "8", "Sec-WebSocket-Key": KEY},
    ],
)
async def test_what_is_no_handshake_is_a_bad_request_and_the_connection_goes_on(headers: dict[str, str]) -> None:
    async with serving(a_fake_node()) as client:
        async with client.get("/v1/stream", headers={**headers, **bearer()}) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (400, "bad-request")
        async with client.get("/healthz") as answer:
            assert answer.status == 200


async def test_what_came_right_behind_the_handshake_is_heard() -> None:
    node = a_fake_node()
    async with serving(node):
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        login = text_frame({"type": "login", "auth": "wallet"})
        writer.write(HEAD % b"/v1/stream" + login + text_frame({"type": "ping", "no": 1}) + b"\x81")
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
        assert [(await read_frame(reader))["type"] for _ in range(2)] == ["welcome", "pong"]
        writer.write(text_frame({"type": "ping", "no": 2})[1:])
        assert (await read_frame(reader))["no"] == 2
        writer.close()
    assert node.reports == []


async def test_an_upgraded_connection_counts_at_the_gate_and_is_waited_for_at_the_end() -> None:
    node = a_fake_node()
    async with serving(node):
        assert node.api is not None
        gate = node.api.gate
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(HEAD % b"/v1/stream?auth=wallet")
        await reader.readuntil(b"\r\n\r\n")
        assert (await read_frame(reader))["type"] == "welcome"
        assert gate.connections == 1
        leaving = asyncio.create_task(_goodbye(reader, writer))
    assert gate.connections == 0, "the server ended before its connections did"
    assert await leaving == ["draining", (1001).to_bytes(2, "big") + b"draining"]


async def test_an_upgraded_connection_that_does_not_close_is_cut_when_the_node_has_waited_long_enough() -> None:
    node = a_fake_node()
    async with serving(node, api=ApiLimits(drain_s=0.1)):
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(HEAD % b"/v1/stream?auth=wallet")
        await reader.readuntil(b"\r\n\r\n")
    assert node.api is not None and node.api.gate.connections <= 1
    async with asyncio.timeout(10):
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            while True:
                await reader.readexactly(1_000)
    writer.close()


async def _goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[object]:
    """What the node says when it stops, to a client that answers the close in its own time."""
    word = await read_frame(reader)
    opcode, payload = await read_raw(reader)
    await asyncio.sleep(0.05)
    writer.write(masked(opcode, payload))
    assert await reader.read() == b""
    writer.close()
    return [word["reason"], payload]


async def test_a_client_that_is_gone_before_the_answer_leaves_nothing_behind() -> None:
    node = a_fake_node()
    slow = asyncio.Event()
    judged = asyncio.Event()
    authenticate = node.authenticate

    async def takes_long(credential: str, address: str) -> object:
        judged.set()
        await slow.wait()
        return await authenticate(credential, address)

    node.authenticate = takes_long  # type: ignore[method-assign,assignment]  # a door that takes its time
    async with serving(node):
        _, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(HEAD % b"/v1/stream?auth=wallet")
        await judged.wait()
        writer.close()
        await writer.wait_closed()
        assert node.api is not None
        gate = node.api.gate
        await until(lambda: not gate.connections)
        slow.set()
    assert node.reports == []
    assert not node.consumers._connections


async def test_who_sent_so_much_behind_the_handshake_that_it_was_not_read_is_heard_again() -> None:
    node = a_fake_node()
    authenticate, connections = node.authenticate, list[asyncio.Transport]()

    async def takes_long(credential: str, address: str) -> Principal:
        await until(lambda: not connections[-1].is_reading())
        return await authenticate(credential, address)

    node.authenticate = takes_long  # type: ignore[method-assign]  # a door that takes its time
    async with serving(node):
        assert node.api is not None
        gate = node.api.gate
        started = gate.started

        def notice(transport: asyncio.BaseTransport | None) -> None:
            connections.append(cast(asyncio.Transport, transport))
            started(transport)

        gate.started = notice  # type: ignore[method-assign]  # to see the connection before it is upgraded
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(HEAD % b"/v1/stream?auth=wallet")
        word = b'{"type":"ping","no":"' + b"x" * 300_000 + b'"}'
        parts = [masked(1 if at == 0 else 0, word[at : at + 60_000]) for at in range(0, len(word), 60_000)]
        writer.write(b"".join([bytes((part[0] & 0x7F,)) + part[1:] for part in parts[:-1]]) + parts[-1])
        await reader.readuntil(b"\r\n\r\n")
        assert (await read_frame(reader))["type"] == "welcome"
        assert (await read_frame(reader))["no"] == "x" * 300_000
        writer.close()
