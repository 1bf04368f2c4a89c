"""Ends that a client delays, floods or races: nothing is kept, nothing grows, nothing outlives its log-in."""

import asyncio
from collections.abc import Sequence

import pytest

from pushmesh_node.delivery import ws_frames
from pushmesh_node.delivery.consumers import Consumers
from pushmesh_node.delivery.contract import Page
from pushmesh_node.delivery.service import HttpLimits
from pushmesh_node.delivery.session import SessionLimits
from pushmesh_node.delivery.wallet_socket import MOST_WORDS, WalletSocket
from pushmesh_node.delivery.ws_frames import Opcode, frame
from pushmesh_node.engine.answers import Denied, Principal
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.vouchers import Voucher
from support.fake_inboxes import a_notification
from support.fake_node import FakeNode, a_fake_node, serving
from support.mqtt_world import until
from support.ws_talk import HEAD, masked, read_frame, read_raw, text_frame

Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LATER = SessionLimits(write_s=60.0)
"""Longer than any test waits: what ends is not ended as a slow consumer."""


async def dial(node: FakeNode, path: bytes = b"/v1/stream?auth=wallet") -> Link:
    """Reads no more than it is asked to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port, limit=1_024)
    writer.write(HEAD % path)
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def connection_of(node: FakeNode) -> WalletSocket:
    (connection,) = node.consumers._connections
    assert isinstance(connection, WalletSocket)
    return connection


async def stuck(node: FakeNode) -> tuple[WalletSocket, asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream whose client takes no bytes."""
    reader, writer = await dial(node)
    await read_frame(reader)
    writer.write(text_frame({"type": "listen", "cursor": "now"}))
    assert (await read_frame(reader))["type"] == "live"
    connection = connection_of(node)
    while connection._writable is None:
        node.inboxes.commit(*[a_notification(1, text="x" * 200)] * 200)
        await asyncio.sleep(0)
    return connection, reader, writer


async def test_of_a_flood_of_pings_whose_answers_nobody_takes_the_last_is_answered() -> None:
    node = a_fake_node()
    async with serving(node):
        reader, writer = await dial(node)
        await read_frame(reader)
        connection, flood = connection_of(node), masked(9, b"x" * 125) * 1_000
        while connection._writable is None:
            writer.write(flood)
            await writer.drain()
            await asyncio.sleep(0)
        for _ in range(30):
            writer.write(flood)
            await writer.drain()
        writer.write(masked(9, b"last"))
        await until(lambda: connection._ping == b"last")
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_size() < 1_000_000, "of 4 million bytes of pings and more"
        tail = b""
        while not tail.endswith(frame(Opcode.PONG, b"last")):
            async with asyncio.timeout(20):
                tail = tail[-1_000:] + await reader.read(1 << 20)
        assert connection._ping is None
        writer.close()


@pytest.mark.parametrize("close", [masked(8, (1000).to_bytes(2, "big")), b""])
async def test_who_says_goodbye_or_no_more_and_takes_no_bytes_is_cut_after_a_grace(close: bytes) -> None:
    node = a_fake_node()
    async with serving(node, sessions=LATER, http=HttpLimits(close_s=0.05)):
        _, _, writer = await stuck(node)
        if close:
            writer.write(close)
        else:
            writer.write_eof()
        await until(lambda: not node.consumers._connections)
        assert node.inboxes.listeners == [] and len(node.consumers) == 0
        writer.close()


async def test_a_log_in_that_is_judged_when_its_time_is_over_keeps_nothing() -> None:
    node, late = a_fake_node(), asyncio.Event()
    authenticate = node.authenticate

    async def takes_long(credential: str, address: str) -> Principal:
        await late.wait()
        return await authenticate(credential, address)

    node.authenticate = takes_long  # type: ignore[method-assign]  # a door that takes its time
    async with serving(node, http=HttpLimits(login_s=0.05, close_s=0.2)):
        reader, writer = await dial(node, b"/v1/stream")
        writer.write(text_frame({"type": "login", "auth": "wallet"}))
        assert (await read_frame(reader))["reason"] == "timeout"
        late.set()
        assert (await read_raw(reader))[0] == Opcode.CLOSE
        await until(lambda: not node.consumers._connections)  # though the client never closes
        writer.close()


async def test_who_comes_while_the_node_stops_is_told_and_cut() -> None:
    node = a_fake_node()
    async with serving(node, http=HttpLimits(close_s=0.05)):
        node.consumers.drain()
        reader, writer = await dial(node)
        assert (await read_frame(reader))["reason"] == "draining"
        await until(lambda: not node.consumers._connections)
        writer.close()


async def test_a_log_in_that_ends_while_the_welcome_is_made_is_ended() -> None:
    node, asked, told = a_fake_node(), asyncio.Event(), asyncio.Event()

    async def last_vouchers(principal: Principal) -> Sequence[Voucher]:
        asked.set()
        await told.wait()
        return ()

    node.inboxes.last_vouchers = last_vouchers  # type: ignore[method-assign]  # a store that takes its time
    async with serving(node):
        reader, writer = await dial(node, b"/v1/stream")
        writer.write(text_frame({"type": "login", "auth": "wallet"}))
        await asked.wait()
        node.consumers.end(lambda _: True, Reason.GRANT_REVOKED, "the key was revoked")
        told.set()
        assert (await read_frame(reader))["reason"] == "grant-revoked"
        writer.write(masked(8, b""))
        writer.close()


async def test_a_log_in_that_ended_while_it_was_judged_opens_nothing() -> None:
    node = a_fake_node()

    def check(principal: Principal) -> None:
        raise Denied(Reason.GRANT_REVOKED, "the key was revoked")

    node.consumers = Consumers(check=check)
    async with serving(node):
        reader, writer = await dial(node, b"/v1/stream")
        writer.write(text_frame({"type": "login", "auth": "wallet"}))
        word = await read_frame(reader)
        assert (word["type"], word["reason"]) == ("end", "grant-revoked")
        writer.close()


async def test_after_the_end_no_message_is_read_for_the_client_nor_counted_as_delivered() -> None:
    node, asked, given = a_fake_node(), asyncio.Event(), asyncio.Event()
    read = node.inboxes.read

    async def takes_long(principal: Principal, after: int, before: int | None, limit: int) -> Page:
        asked.set()
        await given.wait()
        return await read(principal, after, before, limit)

    node.inboxes.read = takes_long  # type: ignore[method-assign]  # a store that takes its time
    node.inboxes.commit(*[a_notification(number) for number in range(5)])
    async with serving(node):
        reader, writer = await dial(node)
        await read_frame(reader)
        writer.write(text_frame({"type": "listen", "cursor": "0"}))
        await asked.wait()
        connection = connection_of(node)
        writer.write(b"\x81\x05hello")
        assert (await read_raw(reader))[0] == Opcode.CLOSE
        given.set()
        await until(lambda: connection._delivering is None)
        assert node.inboxes.handed_over == [] and node.inboxes.listeners == []
        writer.close()


async def test_words_that_are_long_stop_the_reading_before_they_are_many() -> None:
    node = a_fake_node()
    node.publishing.gate.clear()
    async with serving(node, http=HttpLimits(message_bytes=65_536)):
        reader, writer = await dial(node)
        await read_frame(reader)
        connection = connection_of(node)
        writer.write(text_frame({"type": "publish", "no": 0, "items": []}))
        for number in range(MOST_WORDS - 1):
            writer.write(text_frame({"type": "ping", "no": [number, "x" * 60_000]}))
        await until(lambda: connection._transport is not None and not connection._transport.is_reading())
        node.publishing.gate.set()
        assert (await read_frame(reader))["no"] == 0
        assert [(await read_frame(reader))["no"][0] for _ in range(MOST_WORDS - 1)] == list(range(MOST_WORDS - 1))
        writer.close()


async def turns_with_more(connection: WalletSocket, enough: int) -> None:
    """Wait until so many turns of the loop found frames that were not looked at yet. No more may come meanwhile."""
    turns = 0
    async with asyncio.timeout(20):
        while turns < enough:
            if connection._reader.has_more:
                turns += 1
                assert connection._transport is not None and not connection._transport.is_reading()
            await asyncio.sleep(0)


async def test_a_flood_of_small_frames_leaves_others_their_turn_and_is_answered_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ws_frames, "MOST_AT_ONCE", 8)
    node = a_fake_node()
    async with serving(node):
        reader, writer = await dial(node)
        await read_frame(reader)
        watching = asyncio.create_task(turns_with_more(connection_of(node), 20))
        await asyncio.sleep(0)
        pings = [b"%d" % number for number in range(800)]
        writer.write(text_frame({"type": "ping", "no": 1}) + b"".join([masked(9, ping) for ping in pings]))
        await watching
        found = [await read_raw(reader) for _ in range(len(pings) + 1)]
        assert [payload for opcode, payload in found if opcode == Opcode.PONG] == pings
        writer.close()


async def test_acknowledgements_of_a_client_that_takes_no_answers_wait_and_then_are_not_read() -> None:
    node = a_fake_node()
    async with serving(node, sessions=LATER):
        connection, _, writer = await stuck(node)
        transport = connection._transport
        assert transport is not None
        cursor = node.forms.cursor(0).encode()
        writer.write(masked(1, b'{"type":"ack","cursor":"' + cursor + b'"}') * 100)
        await until(lambda: not transport.is_reading())
        assert len(connection._inbox) >= MOST_WORDS
        writer.close()


async def test_an_acknowledgement_behind_another_word_is_answered_behind_it() -> None:
    node = a_fake_node()
    node.publishing.gate.clear()
    async with serving(node):
        reader, writer = await dial(node)
        await read_frame(reader)
        connection, cursor = connection_of(node), node.forms.cursor(0).encode()
        writer.write(text_frame({"type": "publish", "no": 0, "items": []}))
        await until(lambda: connection._working is not None and node.publishing.at_work == 1)
        writer.write(masked(1, b'{"type":"ack","cursor":"' + cursor + b'"}'))
        await until(lambda: len(connection._inbox) == 1)
        node.publishing.gate.set()
        assert [(await read_frame(reader))["type"] for _ in range(2)] == ["published", "acked"]
        writer.close()


async def test_what_follows_a_close_counts_for_nothing() -> None:
    node = a_fake_node()
    async with serving(node):
        reader, writer = await dial(node)
        await read_frame(reader)
        cursor = node.forms.cursor(0).encode()
        writer.write(
            masked(8, b"") + masked(1, b'{"type":"ack","cursor":"' + cursor + b'"}') + masked(9, b"still there?")
        )
        assert (await read_raw(reader))[0] == Opcode.CLOSE
        assert await reader.read() == b""
        assert node.inboxes.devices == {}
        writer.close()
