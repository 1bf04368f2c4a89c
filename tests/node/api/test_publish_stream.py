import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import hypothesis.strategies as st
import msgspec
import pytest
from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType
from hypothesis import given, settings

from pushmesh_node.api.app import ApiLimits
from pushmesh_node.api.publish_stream import StreamLimits
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.reasons import Reason
from support.doors import a_door
from support.fake_inboxes import a_notification
from support.fake_node import FakeNode, a_fake_node, frame_of, items_json, serving
from support.until import until

NOTES = [a_notification(number) for number in range(200)]


def ask(number: int) -> bytes:
    return msgspec.msgpack.encode([number, frame_of(NOTES[number])])


@asynccontextmanager
async def streaming(node: FakeNode, limits: StreamLimits | None = None) -> AsyncIterator[ClientWebSocketResponse]:
    api = ApiLimits(drain_s=2, stream=limits or StreamLimits())
    async with serving(node, api=api) as client, client.ws_connect("/v1/publish/stream", max_msg_size=0) as stream:
        yield stream


async def replies(stream: ClientWebSocketResponse, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        message = await stream.receive(timeout=10)
        assert message.type is WSMsgType.BINARY, message
        found += msgspec.msgpack.decode(message.data)
    return found


async def test_every_request_is_answered_under_its_number() -> None:
    node = a_fake_node()
    async with streaming(node) as stream:
        for number in range(50):
            await stream.send_bytes(ask(number))
        found = await replies(stream, 50)
    assert sorted(found) == [
        [number, [[NOTES[number].id, "durable", "ok", "", "", number + 1]]] for number in range(50)
    ]
    assert len(node.inboxes.messages) == 50


async def test_what_has_gathered_meanwhile_is_one_batch_and_one_reply() -> None:
    node = a_fake_node()
    node.publishing.gate.clear()
    async with streaming(node, StreamLimits(batches=1)) as stream:
        await stream.send_bytes(ask(0))
        await until(lambda: node.publishing.at_work == 1)
        for number in range(1, 40):
            await stream.send_bytes(ask(number))
        await stream.ping()
        node.publishing.gate.set()
        await replies(stream, 1)
        message = await stream.receive(timeout=10)
        assert len(msgspec.msgpack.decode(message.data)) == node.publishing.batches[1] > 1


async def test_batches_overlap_up_to_their_limit_and_no_further() -> None:
    node = a_fake_node()
    node.publishing.gate.clear()
    async with streaming(node, StreamLimits(batches=3)) as stream:
        for number in range(30):
            await stream.send_bytes(ask(number))
            await asyncio.sleep(0.002)
        await until(lambda: node.publishing.at_work == 3)
        node.publishing.gate.set()
        assert len(await replies(stream, 30)) == 30
    assert node.publishing.most_at_work == 3


async def test_beyond_its_window_the_node_stops_reading_and_goes_on_when_it_has_answered() -> None:
    node = a_fake_node()
    node.publishing.gate.clear()
    async with streaming(node, StreamLimits(window=10)) as stream:
        for number in range(60):
            await stream.send_bytes(ask(number))
        await until(lambda: sum(node.publishing.batches) == 10)
        await asyncio.sleep(0.05)
        assert sum(node.publishing.batches) == 10
        node.publishing.gate.set()
        assert len(await replies(stream, 60)) == 60


async def test_the_window_counts_bytes_too_but_one_request_is_always_taken() -> None:
    node = a_fake_node()
    async with streaming(node, StreamLimits(window_bytes=1)) as stream:
        for number in range(5):
            await stream.send_bytes(ask(number))
        assert len(await replies(stream, 5)) == 5
    assert node.publishing.batches == [1] * 5


async def test_a_publisher_that_the_node_does_not_read_is_slowed_by_tcp() -> None:
    node = a_fake_node()
    node.publishing.gate.clear()
    async with serving(node, api=ApiLimits(drain_s=0.2, stream=StreamLimits(window=4))):
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        head = "GET /v1/publish/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        request = msgspec.msgpack.encode([1, bytes(16_000)])
        message = b"\x82\xfe" + len(request).to_bytes(2, "big") + bytes(4) + request
        sent = 0
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    while sent < 200_000_000:
                        writer.write(message)
                        sent += len(message)
                        await writer.drain()
            assert sent < 50_000_000
            assert sum(node.publishing.batches) == 4
        finally:
            node.publishing.gate.set()
            writer.close()


async def test_the_text_form_is_answered_in_text() -> None:
    node = a_fake_node()
    async with streaming(node) as stream:
        await stream.send_json({"no": "a", **items_json(NOTES[1])})
        (reply,) = await stream.receive_json(timeout=10)
    assert reply["no"] == "a"
    assert reply["outcomes"][0]["id"] == NOTES[1].id.hex()
    assert reply["outcomes"][0]["level"] == "durable"


BAD_BINARY: list[tuple[bytes, Any, str]] = [
    (b"", None, "bad-request"),
    (b"\xc1", None, "bad-request"),
    (msgspec.msgpack.encode([1]), None, "bad-request"),
    (msgspec.msgpack.encode([-1, b"x"]), None, "bad-request"),
    (msgspec.msgpack.encode([2**32, b"x"]), None, "bad-request"),
    (msgspec.msgpack.encode([1, "text"]), None, "bad-request"),
    (msgspec.msgpack.encode([1, b"x", 2]), None, "bad-request"),
    (msgspec.msgpack.encode({"no": 1}), None, "bad-request"),
    (msgspec.msgpack.encode([7, b"not a frame"]), 7, "malformed"),
    (msgspec.msgpack.encode([8, bytes(2_097_153)]), 8, "oversize"),
]


@pytest.mark.parametrize(("data", "number", "reason"), BAD_BINARY)
async def test_a_bad_request_is_answered_and_the_stream_goes_on(data: bytes, number: Any, reason: str) -> None:
    node = a_fake_node()
    async with streaming(node) as stream:
        await stream.send_bytes(data)
        ((got, outcomes),) = await replies(stream, 1)
        assert (got, outcomes[0][0], outcomes[0][1], outcomes[0][2]) == (number, None, "refused", reason)
        assert node.inboxes.messages == []
        await stream.send_bytes(ask(3))
        assert (await replies(stream, 1))[0][0] == 3
    assert node.reports == []


@pytest.mark.parametrize(
    ("text", "number", "reason"),
    [
        ("{", None, "bad-request"),
        ("[]", None, "bad-request"),
        ('{"no":4}', 4, "oversize"),
        ('{"no":5,"items":[{}]}', 5, "malformed"),
        ('{"no":6,"frame":"!"}', 6, "malformed"),
    ],
)
async def test_a_bad_text_is_answered_too(text: str, number: Any, reason: str) -> None:
    node = a_fake_node()
    async with streaming(node) as stream:
        await stream.send_str(text)
        (reply,) = await stream.receive_json(timeout=10)
        assert reply["no"] == number
        assert reply["outcomes"][0]["reason"] == reason
        await stream.send_bytes(ask(3))
        assert (await replies(stream, 1))[0][0] == 3
    assert node.reports == []


async def test_good_and_bad_in_one_batch_keep_their_numbers() -> None:
    node = a_fake_node()
    node.publishing.gate.clear()
    async with streaming(node, StreamLimits(batches=1)) as stream:
        await stream.send_bytes(ask(0))
        await stream.send_bytes(b"\xc1")
        await stream.send_bytes(ask(1))
        await stream.send_json({"no": 2, **items_json(NOTES[2])})
        node.publishing.gate.set()
        found = await replies(stream, 2)
        message = await stream.receive(timeout=10)
        while message.type is WSMsgType.BINARY:
            found += msgspec.msgpack.decode(message.data)
            message = await stream.receive(timeout=10)
    assert {reply[0] for reply in found} <= {0, 1, None}
    assert set(node.publishing.known) == {NOTES[number].id for number in range(3)}


async def test_a_full_node_refuses_what_waits_and_the_stream_goes_on() -> None:
    node = a_fake_node()
    node.publishing.broken = Denied(Reason.QUEUE_FULL, "too much waits")
    async with streaming(node) as stream:
        await stream.send_bytes(ask(1))
        assert await replies(stream, 1) == [[1, [[None, "refused", "queue-full", "", "too much waits", None]]]]
        node.publishing.broken = None
        await stream.send_bytes(ask(1))
        assert (await replies(stream, 1))[0][1][0][1] == "durable"


async def test_what_there_is_no_room_for_is_refused_while_the_rest_still_waits() -> None:
    node = a_fake_node()
    node.publishing.door = a_door(most_units=3)
    node.publishing.gate.clear()
    async with streaming(node) as stream:
        for number in range(8):
            await stream.send_bytes(ask(number))
        await stream.send_json({"no": "text", **items_json(NOTES[2])})
        await stream.send_bytes(b"\xc1")
        binary: list[Any] = []
        text: list[Any] = []
        while len(binary) + len(text) < 7:
            message = await stream.receive(timeout=10)
            if message.type is WSMsgType.BINARY:
                binary += msgspec.msgpack.decode(message.data)
            else:
                text += msgspec.json.decode(message.data)
        assert {reply[0] for reply in binary} == {3, 4, 5, 6, 7, None}
        (row,) = next(reply[1] for reply in binary if reply[0] == 3)
        assert row[:4] == [None, "refused", "rate-limited", ""] and row[5] is None and row[6] > 0
        (said,) = text
        assert (said["no"], said["outcomes"][0]["reason"]) == ("text", "rate-limited")
        assert said["outcomes"][0]["retry_after_s"] > 0
        node.publishing.gate.set()
        assert sorted(reply[0] for reply in await replies(stream, 3)) == [0, 1, 2]
        await stream.send_bytes(ask(3))
        assert (await replies(stream, 1))[0][1][0][1] == "durable"
    assert node.publishing.door.admission.held_units == 0
    assert node.refused.count(Reason.RATE_LIMITED) == 6


async def test_what_cannot_be_read_or_waited_for_gives_its_room_back() -> None:
    node = a_fake_node()
    node.publishing.door = a_door(most_units=2)
    async with streaming(node) as stream:
        for _ in range(4):
            await stream.send_bytes(b"\xc1")
            await stream.send_bytes(msgspec.msgpack.encode([1, frame_of(NOTES[0]), ["durable", 1, 10]]))
            assert len(await replies(stream, 2)) == 2
    assert node.publishing.door.admission.held_units == 0


async def test_a_fault_of_the_node_is_reported_and_hidden_and_the_stream_goes_on() -> None:
    node = a_fake_node()
    node.publishing.broken = RuntimeError("secret of the house")
    async with streaming(node) as stream:
        await stream.send_bytes(ask(1))
        ((_, outcomes),) = await replies(stream, 1)
        assert outcomes[0][2] == "internal"
        assert "secret" not in str(outcomes)
        node.publishing.broken = None
        await stream.send_bytes(ask(1))
        assert (await replies(stream, 1))[0][1][0][1] == "durable"
    assert [where for _, where in node.reports] == ["publish stream"]


async def test_what_was_sent_before_leaving_is_published() -> None:
    node = a_fake_node()
    async with serving(node) as client:
        async with client.ws_connect("/v1/publish/stream") as stream:
            for number in range(20):
                await stream.send_bytes(ask(number))
        await until(lambda: len(node.inboxes.messages) == 20)


async def test_a_message_past_the_limit_ends_only_its_stream() -> None:
    node = a_fake_node()
    async with serving(node, api=ApiLimits(drain_s=1, api_batch_bytes=500)) as client:
        async with client.ws_connect("/v1/publish/stream") as stream:
            await stream.send_bytes(bytes(2_000))
            message = await stream.receive(timeout=10)
            assert (message.type, message.data) == (WSMsgType.CLOSE, WSCloseCode.MESSAGE_TOO_BIG)
        async with client.get("/healthz") as alive:
            assert alive.status == 200
    assert node.reports == []


async def test_a_node_that_stops_answers_what_it_took_and_says_good_bye() -> None:
    node = a_fake_node()
    node.publishing.gate.clear()
    served = serving(node)
    await served.__aenter__()
    async with aiohttp.ClientSession() as client:
        stream = await client.ws_connect(f"{node.url}/v1/publish/stream")
        for number in range(10):
            await stream.send_bytes(ask(number))
        await until(lambda: sum(node.publishing.batches) == 10)
        stopping = asyncio.create_task(served.__aexit__(None, None, None))
        await asyncio.sleep(0.05)
        node.publishing.gate.set()
        found = await replies(stream, 10)
        message = await stream.receive(timeout=10)
        await stopping
    assert sorted(reply[0] for reply in found) == list(range(10))
    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, WSCloseCode.GOING_AWAY, "draining")


async def test_no_stream_is_opened_for_a_plain_request() -> None:
    async with serving(a_fake_node()) as client, client.get("/v1/publish/stream") as response:
        assert (response.status, (await response.json())["reason"]) == (400, "bad-request")


@settings(max_examples=40)
@given(st.binary(max_size=60) | st.text(max_size=60) | st.integers().map(str))
def test_no_message_whatever_breaks_the_reader(data: bytes | str) -> None:
    asyncio.run(answer_alone(data))


async def answer_alone(data: bytes | str) -> None:
    node = a_fake_node()
    async with serving(node) as client, client.ws_connect("/v1/publish/stream") as stream:
        await (stream.send_bytes(data) if isinstance(data, bytes) else stream.send_str(data))
        message = await stream.receive(timeout=10)
        decode = msgspec.msgpack.decode if isinstance(data, bytes) else msgspec.json.decode
        assert len(decode(message.data)) == 1
    assert node.reports == []
    assert node.inboxes.messages == []
