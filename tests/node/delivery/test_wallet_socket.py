import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from pushmesh_node.delivery import wallet_socket as room
from pushmesh_node.delivery.service import HttpLimits
from pushmesh_node.delivery.session import SessionLimits
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import DAPP, a_notification, a_principal
from support.fake_node import FakeNode, a_fake_node, serving
from support.ws_talk import HEAD, masked, read_frame, read_raw, text_frame

STORE = "ab" * 16
Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def dial(node: FakeNode, path: bytes = b"/v1/stream?auth=wallet") -> Link:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port, limit=1_024)
    writer.write(HEAD % path)
    await reader.readuntil(b"\r\n\r\n")
    if b"auth" in path:
        assert (await read_frame(reader))["type"] == "welcome"
    return reader, writer


async def listening(node: FakeNode, **word: Any) -> Link:
    reader, writer = await dial(node)
    writer.write(text_frame({"type": "listen", "cursor": "now", **word}))
    assert (await read_frame(reader))["type"] == "live"
    return reader, writer


async def rest_of(reader: asyncio.StreamReader) -> list[dict[str, Any]]:
    """Every word up to the close."""
    words = []
    while (found := await read_raw(reader))[0] != 8:
        words.append(json.loads(found[1]))
    return words


async def until_nobody_listens(node: FakeNode, *, busy: bool) -> None:
    async with asyncio.timeout(20):
        while node.inboxes.listeners:
            if busy:
                node.inboxes.commit(*[a_notification(1, text="x" * 200)] * 200)
            await asyncio.sleep(0.002)


@asynccontextmanager
async def a_node(**limits: Any) -> AsyncIterator[FakeNode]:
    node = a_fake_node()
    http = HttpLimits(**{key: value for key, value in limits.items() if key != "write_s"})
    async with serving(node, sessions=SessionLimits(write_s=limits.get("write_s", 20.0)), http=http):
        yield node
    assert node.reports == []


async def test_live_messages_are_written_without_a_task_and_counted() -> None:
    async with a_node() as node:
        reader, writer = await listening(node)
        tasks = asyncio.all_tasks()
        node.inboxes.commit(a_notification(1), a_notification(2))
        assert asyncio.all_tasks() == tasks
        assert [(await read_frame(reader))["cursor"] for _ in range(2)] == [f"{STORE}.1", f"{STORE}.2"]
        assert [transport for transport, _ in node.inboxes.handed_over] == ["websocket"] * 2
        writer.close()


@pytest.mark.parametrize("format", ["json", "frames"])
async def test_the_bytes_are_the_same_from_the_store_from_the_queue_and_at_once(format: str) -> None:
    async with a_node() as node:
        direct, first = await listening(node, format=format)
        queued, second = await listening(node, format=format)
        node.inboxes.listeners[1]._resting = False  # type: ignore[attr-defined]  # as if a task were at work
        node.inboxes.commit(a_notification(1))
        at_once = await read_raw(direct)
        node.inboxes.listeners[1]._resting = True  # type: ignore[attr-defined]
        node.inboxes.listeners[1]._rouse()  # type: ignore[attr-defined]
        assert await read_raw(queued) == at_once
        stored, third = await dial(node)
        third.write(text_frame({"type": "listen", "cursor": f"{STORE}.0", "format": format}))
        assert await read_raw(stored) == at_once
        if format == "frames":
            assert msgspec.msgpack.decode(at_once[1])[0][0] == 1
        for writer in (first, second, third):
            writer.close()


async def test_a_slow_client_hears_why_it_ends_once_it_reads_on() -> None:
    async with a_node(write_s=0.1, close_s=20.0) as node:
        reader, writer = await listening(node)
        await until_nobody_listens(node, busy=True)
        *earlier, last = await rest_of(reader)
        given = [int(word["cursor"].split(".")[1]) for word in earlier if word["type"] == "message"]
        assert (last["type"], last["reason"]) == ("end", "slow-consumer")
        assert given == list(range(1, len(given) + 1))
        assert last["cursor"] == f"{STORE}.{given[-1]}"
        writer.close()


async def test_a_slow_client_that_never_read_on_is_cut_and_hears_why_when_it_comes_again() -> None:
    async with a_node(write_s=0.1, close_s=0.1) as node:
        reader, writer = await listening(node)
        await until_nobody_listens(node, busy=True)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            while True:
                await reader.readexactly(1_000_000)
        writer.close()
        told = []
        for _ in range(2):
            again, writer = await asyncio.open_connection("127.0.0.1", node.port)
            writer.write(HEAD % b"/v1/stream?auth=wallet")
            await again.readuntil(b"\r\n\r\n")
            told.append((await read_frame(again)).get("cut"))
            writer.close()
        assert told == ["slow-consumer", None]


async def test_others_get_everything_beside_one_that_takes_no_bytes() -> None:
    async with a_node(write_s=0.1, close_s=0.1) as node:
        _, stuck = await listening(node)
        others = [await listening(node) for _ in range(20)]
        commits = 0
        async with asyncio.timeout(40):
            while len(node.inboxes.listeners) > len(others):
                node.inboxes.commit(*[a_notification(1, text="x" * 200)] * 20)
                commits += 20
                for reader, _ in others:
                    for _ in range(20):
                        await read_raw(reader)
        node.inboxes.commit(a_notification(2))
        for reader, writer in others:
            assert (await read_frame(reader))["cursor"] == f"{STORE}.{commits + 1}"
            writer.close()
        stuck.close()


async def test_an_idle_stream_says_so_and_one_that_does_not_listen_is_pinged() -> None:
    async with a_node(heartbeat_s=0.05) as node:
        reader, writer = await listening(node)
        assert await read_frame(reader) == {"type": "idle", "cursor": f"{STORE}.0"}
        silent, other = await dial(node)
        assert await read_raw(silent) == (9, b"")
        for each in (writer, other):
            each.close()


async def test_a_ping_is_answered_and_a_close_is_returned() -> None:
    async with a_node() as node:
        reader, writer = await dial(node)
        writer.write(masked(9, b"are you there?"))
        assert await read_raw(reader) == (10, b"are you there?")
        writer.write(masked(8, (1000).to_bytes(2, "big") + b"bye"))
        assert await read_raw(reader) == (8, (1000).to_bytes(2, "big"))
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (masked(1, b"\xff\xfe"), 1007),
        (b"\x81\x05hello", 1002),
        (masked(0, b"of nothing"), 1002),
        (b"\x81\xff" + (2**40).to_bytes(8, "big"), 1009),
    ],
)
async def test_a_client_that_breaks_the_framing_is_told_with_a_code_and_closed(data: bytes, code: int) -> None:
    async with a_node() as node:
        reader, writer = await listening(node)
        writer.write(data)
        opcode, payload = await read_raw(reader)
        assert (opcode, int.from_bytes(payload[:2], "big")) == (8, code)
        await until_nobody_listens(node, busy=False)
        writer.write(masked(8, payload))
        assert await reader.read() == b""
        writer.close()


async def test_many_words_at_once_are_answered_in_order_and_no_more_are_read_than_wait() -> None:
    async with a_node() as node:
        reader, writer = await dial(node)
        many = 20 * room.MOST_WORDS
        writer.write(b"".join([text_frame({"type": "ping", "no": number}) for number in range(many)]))
        assert [(await read_frame(reader))["no"] for _ in range(many)] == list(range(many))
        writer.close()


async def test_a_log_in_that_does_not_come_in_time_ends_the_connection() -> None:
    async with a_node(login_s=0.05) as node:
        reader, writer = await dial(node, b"/v1/stream")
        assert (await read_frame(reader))["reason"] == "timeout"
        assert (await read_raw(reader))[0] == 8
        writer.close()


async def test_a_log_in_in_time_has_no_time_left_that_could_end() -> None:
    async with a_node() as node:
        reader, writer = await dial(node, b"/v1/stream")
        writer.write(text_frame({"type": "login", "auth": "wallet"}))
        assert (await read_frame(reader))["type"] == "welcome"
        (socket,) = node.consumers._connections
        assert isinstance(socket, room.WalletSocket) and socket._timer is None
        writer.write(text_frame({"type": "ping", "no": 1}))
        assert (await read_frame(reader))["type"] == "pong"
        writer.close()


async def test_a_client_that_vanishes_while_a_word_is_at_work_leaves_nothing_behind() -> None:
    async with a_node() as node:
        node.publishing.gate.clear()
        _, writer = await listening(node)
        writer.write(text_frame({"type": "publish", "no": 1, "items": []}) + text_frame({"type": "ping"}))
        writer.transport.abort()
        await until_nobody_listens(node, busy=False)
        node.publishing.gate.set()
        assert len(node.consumers) == 0


async def test_each_wallet_has_its_own_connection_and_end() -> None:
    async with a_node() as node:
        mine, first = await listening(node)
        theirs, second = await dial(node, b"/v1/stream?auth=dapp")
        node.consumers.end(lambda who: who.account == DAPP, Reason.GRANT_REVOKED, "the key was revoked")
        assert (await read_frame(theirs))["reason"] == "grant-revoked"
        node.inboxes.commit(a_notification(1))
        assert (await read_frame(mine))["type"] == "message"
        assert node.inboxes.listeners[0].principal == a_principal()
        for writer in (first, second):
            writer.close()
