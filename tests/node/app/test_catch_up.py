import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app import catch_up as catch_up_room
from pushmesh_node.app.catch_up import CatchUp
from pushmesh_node.app.catch_up_wire import PROTOCOL, Messages
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.frame_digests import digest_of
from pushmesh_node.app.gossip_streams import GossipStream, StreamLost
from pushmesh_node.app.node import Node
from pushmesh_node.storage import StoreFailed
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.frames import Part, encode_frame
from support.app_world import (
    NETWORK,
    WAIT_S,
    a_grant_now,
    a_node,
    a_note_now,
    a_subscription,
    count,
    publish,
    until,
)
from support.stream_pair import stream_pair
from support.wallets import a_signed_batch, a_wallet

DAPP, READER = a_wallet(1), a_wallet(2)
PEER = b"\x0a" * 32
ME = b"\x0b" * 32


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up_room, "AGAIN_S", 0.05)
    monkeypatch.setattr(catch_up_room, "SETTLE_S", 0.02)
    monkeypatch.setattr(catch_up_room, "FIRST_REST_S", 0.05)


@pytest.fixture
async def asker(tmp_path: Path) -> AsyncIterator[Node]:
    (tmp_path / "asker").mkdir()
    async with a_node(tmp_path / "asker") as node:
        yield node


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Node]:
    (tmp_path / "server").mkdir()
    async with a_node(tmp_path / "server") as node:
        yield node


@asynccontextmanager
async def asking(asker: Node, peer: Callable[[GossipStream], None]) -> AsyncIterator[CatchUp]:
    """The asker asks PEER for as long as the block lasts; `peer` gets the other end of every stream that it opens."""
    faults: list[BaseException] = []

    def open_stream(node_id: bytes, protocol: str) -> GossipStream:
        assert (node_id, protocol) == (PEER, PROTOCOL)
        mine, theirs = stream_pair(protocol, ME, PEER)
        peer(theirs)
        return mine

    catch_up = CatchUp(
        NETWORK,
        asker.store,
        asker.digests,
        asker.ingest,
        asker.metrics,
        open_stream,
        asker._durable,
        faults.append,
        now_ms,
    )
    catch_up.peer_came(PEER)
    yield catch_up
    await catch_up.close()
    assert faults == []


def script(*answers: Any) -> tuple[Callable[[GossipStream], None], list[Any], list[asyncio.Task[None]]]:
    """A peer of ours that answers the questions of the first stream with these, one after the other, whatever they
    are; what was asked; its tasks."""
    asked: list[Any] = []
    tasks: list[asyncio.Task[None]] = []

    async def serve(stream: GossipStream) -> None:
        messages = Messages(stream)
        with suppress(StreamLost):  # the asker may end it at any time
            for answer in answers:
                asked.append(await messages.read(WAIT_S))
                await messages.write(answer)
            await messages.read(WAIT_S)

    def peer(stream: GossipStream) -> None:
        tasks.append(asyncio.create_task(serve(stream)))

    return peer, asked, tasks


async def end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_everything_that_a_peer_committed_comes_grants_before_what_rests_on_them(
    asker: Node, server: Node
) -> None:
    session = a_grant_now(READER, (4,))
    await publish(server, session.grant)
    await publish(server, a_subscription(READER, Topic(DAPP.account, "alerts")))
    batch = a_signed_batch(NETWORK, DAPP, now_ms(), 300)
    notes = [a_note_now(DAPP, seq) for seq in range(5)]
    await publish(server, batch, *notes)
    async with asking(asker, server.catch_up.stream_came) as catch_up:
        await until(lambda: PEER in catch_up.peers and catch_up.peers[PEER].complete)
        for envelope in (*batch.envelopes, *notes, session.grant):
            assert await asker.store.find(envelope.id, envelope.body.issued_at) is not None
        cursor = await asker.store.peer_cursor(PEER)
        assert cursor is not None
        assert (cursor.incarnation, cursor.commit_no) == (server.store.incarnation, server.store.last_commit)
        assert count(asker, "pushmesh_catch_up_envelopes_total") == 307
        late = a_note_now(DAPP, 9)
        await publish(server, late)
        await until(lambda: asker.store.last_commit == 308)
    assert asker.driver.engine.subscriptions.subscribers(Topic(DAPP.account, "alerts")) == {READER.account}


async def test_a_log_of_many_pages_comes_whole(asker: Node, server: Node) -> None:
    for first in range(0, 2_000, 1_000):
        await publish(server, a_signed_batch(NETWORK, DAPP, now_ms(), 1_000, first))
    large = [a_note_now(DAPP, 3_000 + 9 * seq, body="x" * 4_000) for seq in range(80)]
    await publish(server, *large)
    async with asking(asker, server.catch_up.stream_came) as catch_up:
        await until(lambda: PEER in catch_up.peers and catch_up.peers[PEER].complete)
    assert asker.store.last_commit == 2_080


async def test_the_next_round_asks_for_digests_from_the_cursor_and_a_new_store_is_told_from_its_beginning(
    asker: Node,
) -> None:
    first, second = b"\x01" * 16, b"\x02" * 16
    peer, asked, tasks = script([2, first, 7, False, []], [5, first, 9, False, []], [5, second, 3, False, []])
    async with asking(asker, peer):
        async with asyncio.timeout(WAIT_S):
            while (at := await asker.store.peer_cursor(PEER)) is None or at.incarnation != second:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.01)
    assert (at.commit_no, now_ms() - at.at < 60_000) == (3, True)
    await end(tasks)
    assert asked == [
        pack([1, NETWORK.id, None, 0]),
        pack([4, NETWORK.id, first, 7]),
        pack([4, NETWORK.id, first, 9]),
    ]


async def test_who_holds_anything_asks_for_nothing_but_what_it_lacks(asker: Node) -> None:
    store = b"\x01" * 16
    held, new = a_note_now(DAPP, 1), a_note_now(DAPP, 2)
    await publish(asker, held)
    frames = [encode_frame([Part((note,))]) for note in (held, new)]
    digests = [digest_of(frame) for frame in frames]
    peer, asked, tasks = script(
        [5, store, 1, False, []],
        [5, store, 3, False, digests],
        [2, store, 3, False, frames[1:]],
        [5, store, 3, False, []],
    )
    async with asking(asker, peer):
        await until(lambda: len(asked) == 4)
    await end(tasks)
    assert asked == [
        pack([4, NETWORK.id, bytes(16), 0]),
        pack([4, NETWORK.id, store, 1]),
        pack([6, store, 1, 3, digests[1:]]),
        pack([4, NETWORK.id, store, 3]),
    ]
    assert [item.data for item in await asker.store.log(0, 10**6)] == frames
    assert count(asker, "pushmesh_catch_up_envelopes_total") == 1


async def test_what_comes_by_gossip_in_a_moment_is_not_asked_for(asker: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up_room, "SETTLE_S", 2.0)
    store, late = b"\x01" * 16, a_note_now(DAPP, 1)
    digest = digest_of(encode_frame([Part((late,))]))
    peer, asked, tasks = script([2, store, 1, False, []], [5, store, 2, False, [digest]], [5, store, 2, False, []])
    async with asking(asker, peer):
        await until(lambda: len(asked) == 2)
        await publish(asker, late)
        await until(lambda: len(asked) == 3)
    await end(tasks)
    assert asked[2] == pack([4, NETWORK.id, store, 2])


async def test_what_came_otherwise_meanwhile_is_not_sent_again(asker: Node, server: Node) -> None:
    await publish(server, a_note_now(DAPP, 0))
    async with asking(asker, server.catch_up.stream_came) as catch_up:
        await until(lambda: PEER in catch_up.peers and catch_up.peers[PEER].complete)
        assert count(asker, "pushmesh_catch_up_envelopes_total") == 1
        both = [a_note_now(DAPP, seq) for seq in range(1, 40)]
        await publish(asker, *both)  # before the peer has it, so that no round may find it missing
        await publish(server, *both)
        await publish(server, alone := a_note_now(DAPP, 99))
        await until(lambda: asker.store.last_commit == 41)
        assert await asker.store.find(alone.id, alone.body.issued_at) is not None
        await until(lambda: catch_up.peers[PEER].commit_no == 41)
    assert count(asker, "pushmesh_catch_up_envelopes_total") == 2


@pytest.mark.parametrize(
    "answer",
    [
        [2, b"\x01" * 16, 2**63, False, []],
        [2, b"\x01" * 16, 2**64 - 1, False, []],
        [2, b"\x01" * 16, -1, False, []],
        [2, b"\x01" * 15, 5, False, []],
        [2, b"\x01" * 16, 5, False, [b""] * 5_000],
        [2, b"\x01" * 16, 5, False, [7]],
        [9, b"\x01" * 16],
        [5, b"\x01" * 16, 5, False, []],
        [3, "other-network"],
        "hello",
        b"x" * 600_000,
    ],
)
async def test_what_no_honest_peer_says_moves_no_cursor_and_is_counted(asker: Node, answer: Any) -> None:
    peer, _, tasks = script(answer)
    async with asking(asker, peer):
        await until(lambda: _failures(asker) >= 1)
        await publish(asker, a_note_now(DAPP))  # nothing else is disturbed
    await end(tasks)
    cursor = await asker.store.peer_cursor(PEER)
    assert cursor is None or cursor.commit_no == 0


@pytest.mark.parametrize("answer", [[2, b"\x01" * 16, 5, True, []], [5, b"\x01" * 16, 5, True, []]])
async def test_a_peer_whose_answers_never_move_on_is_left(asker: Node, answer: Any) -> None:
    asked: list[bytes | None] = []

    async def serve(stream: GossipStream) -> None:
        messages = Messages(stream)
        with suppress(StreamLost):
            await messages.read(WAIT_S)
            await messages.write([2, b"\x01" * 16, 5, answer[0] == 2, []])
            while True:
                asked.append(b"" if answer[0] == 2 else await messages.read(WAIT_S))
                await messages.write(answer)
                await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    async with asking(asker, lambda stream: tasks.append(asyncio.create_task(serve(stream)))):
        await until(lambda: _failures(asker) >= 1)
    await end(tasks)
    assert asked


async def test_digests_in_the_place_of_the_frames_that_were_asked_for_end_the_stream(asker: Node) -> None:
    store = b"\x01" * 16
    peer, asked, tasks = script([2, store, 1, False, []], [5, store, 2, False, [b"d" * 16]], [5, store, 2, False, []])
    async with asking(asker, peer):
        await until(lambda: _failures(asker) == 1)
    await end(tasks)
    assert len(asked) == 3
    cursor = await asker.store.peer_cursor(PEER)
    assert cursor is not None and cursor.commit_no == 1


def _failures(node: Node) -> float:
    reasons = ("malformed", "oversize", "timeout", "other")
    return sum(count(node, "pushmesh_catch_up_failures_total", reason=reason) for reason in reasons)


async def test_frames_that_break_a_rule_are_counted_and_the_good_ones_beside_them_are_taken(asker: Node) -> None:
    good, other = a_note_now(DAPP, 1), a_note_now(DAPP, 2)
    frames = [b"garbage", encode_frame([Part((good,))]), encode_frame([Part((other,))])[:-3]]
    peer, _, tasks = script([2, b"\x01" * 16, 5, False, frames])
    async with asking(asker, peer) as catch_up:
        await until(lambda: PEER in catch_up.peers and catch_up.peers[PEER].complete)
    await end(tasks)
    assert [item.data for item in await asker.store.log(0, 10**6)] == [frames[1]]
    labels = {"source": "caught-up", "verdict": "reject", "reason": "malformed"}
    assert count(asker, "pushmesh_envelopes_judged_total", **labels) == 2


async def test_no_cursor_passes_what_a_failed_commit_lost_and_the_next_try_brings_it(
    asker: Node, server: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = a_note_now(DAPP)
    await publish(server, note)
    commit = asker.store.commit
    failures: list[Any] = []

    async def fails_once(writes: Any) -> None:
        if not failures:
            failures.append(writes)
            raise StoreFailed("the disk is full")
        await commit(writes)

    monkeypatch.setattr(asker.store, "commit", fails_once)
    async with asking(asker, server.catch_up.stream_came) as catch_up:
        await until(lambda: _failures(asker) == 1)
        assert await asker.store.peer_cursor(PEER) is None
        await until(lambda: PEER in catch_up.peers and catch_up.peers[PEER].complete)
    assert await asker.store.find(note.id, note.body.issued_at) is not None


async def test_a_stream_that_breaks_is_opened_again_while_the_peer_is_there(asker: Node, server: Node) -> None:
    await publish(server, a_note_now(DAPP))
    streams: list[GossipStream] = []

    def breaks_first(stream: GossipStream) -> None:
        streams.append(stream)
        if len(streams) == 1:
            stream.reset("gone")
        else:
            server.catch_up.stream_came(stream)

    async with asking(asker, breaks_first) as catch_up:
        await until(lambda: PEER in catch_up.peers and catch_up.peers[PEER].complete)
        assert len(streams) == 2 and asker.store.last_commit == 1
        catch_up.peer_left(PEER)
        catch_up.peer_left(PEER)
        await until(lambda: not catch_up.peers)
        assert streams[1].is_over


async def test_a_peer_that_comes_again_is_asked_on_its_new_connection_only(asker: Node, server: Node) -> None:
    streams: list[GossipStream] = []

    def serve(stream: GossipStream) -> None:
        streams.append(stream)
        server.catch_up.stream_came(stream)

    async with asking(asker, serve) as catch_up:
        await until(lambda: len(streams) == 1)
        catch_up.peer_came(PEER)
        await until(lambda: len(streams) == 2 and PEER in catch_up.peers and catch_up.peers[PEER].complete)
        assert (streams[0].is_over, streams[1].is_over) == (True, False)
