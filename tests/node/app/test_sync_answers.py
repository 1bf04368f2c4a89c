import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from pushmesh_node.app import sync_answers
from pushmesh_node.app.gossip_streams import StreamLost
from pushmesh_node.app.node import Node
from pushmesh_node.app.sync import PROTOCOL
from pushmesh_node.app.sync_answers import Allowed
from pushmesh_node.app.sync_stream import WordStream
from pushmesh_node.sync.words import (
    AskHashes,
    AskHeads,
    BucketName,
    Compare,
    Differ,
    Frames,
    Hashes,
    Heads,
    Hello,
    IdRange,
    Sorry,
    Want,
    WantedItem,
)
from pushmesh_protocol.frames import Part, encode_frame
from support.app_world import NETWORK, WAIT_S, a_node, a_note_now, publish
from support.stream_pair import stream_pair
from support.until import until
from support.wallets import a_signed_batch, a_wallet

DAPP = a_wallet(1)
ME, PEER = b"m" * 32, b"p" * 32


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with a_node(tmp_path) as node:
        await until(lambda: node.feed.is_settled)
        yield node


@asynccontextmanager
async def asked(node: Node, *, greet: bool = True) -> AsyncIterator[WordStream]:
    mine, theirs = stream_pair(PROTOCOL, PEER, ME)
    node.sync.stream_came(theirs)
    words = WordStream(mine)
    if greet:
        await words.write(node.sync._hello(True))
        hello = await words.read(WAIT_S)
        assert isinstance(hello, Hello) and not hello.ask
    yield words
    mine.reset("done")


async def test_who_is_given_a_large_page_is_given_much_until_it_leaves(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = a_note_now(DAPP, 1), a_signed_batch(NETWORK, DAPP, node.sync._clock(), 1_000)
    await publish(node, small, large)
    answering = node.sync._answering
    async with asked(node) as words:
        await words.write(Want(1, [WantedItem(1, None)]))
        await words.read(WAIT_S)
        assert not answering.gives_much(PEER)
        await words.write(Want(2, [WantedItem(2, None)]))
        await words.read(WAIT_S)
        await until(lambda: answering.gives_much(PEER))
        assert not answering.gives_much(ME)
    await until(lambda: not answering.gives_much(PEER))
    assert answering._gave_s == {}


async def test_heads_and_wants_lead_to_the_frames_and_leaves_come_alone(node: Node) -> None:
    batch = a_signed_batch(NETWORK, DAPP, node.sync._clock(), 20, 100)
    note = a_note_now(DAPP, 1)
    await publish(node, batch, note)
    async with asked(node) as words:
        await words.write(Compare([]))
        differ = await words.read(WAIT_S)
        assert isinstance(differ, Differ)
        ids = [bytes(note.id), bytes(batch.envelopes[7].id), b"?" * 32]
        ranges = [IdRange(name.part, name.number, bytes(8), b"\xff" * 8, ids) for name in differ.buckets]
        await words.write(AskHeads(ranges))
        heads = await words.read(WAIT_S)
        assert isinstance(heads, Heads)
        by_place = {
            ids[place % 3]: (head.item_no, index)
            for head in heads.heads
            for place, index in zip(head.places, head.indexes, strict=True)
        }
        assert by_place == {ids[0]: (21, 0), ids[1]: (1, 7)}
        await words.write(Want(1, [WantedItem(21, None), WantedItem(1, [7]), WantedItem(999, None)]))
        frames = await words.read(WAIT_S)
    assert isinstance(frames, Frames) and not frames.more
    assert frames.frames[0] == encode_frame([Part((note,))])
    assert len(frames.frames) == 2


async def test_a_question_before_the_hello_and_another_network_end_the_stream(node: Node) -> None:
    async with asked(node, greet=False) as words:
        await words.write(Compare([]))
        with pytest.raises(StreamLost, match="malformed"):
            await words.read(WAIT_S)
    async with asked(node, greet=False) as words:
        await words.write(Hello(b"x" * 32, b"i" * 16, 0, node.sync.floors(), True))
        assert await words.read(WAIT_S) == Sorry("other-network")


async def test_leaves_that_an_item_has_not_end_the_stream(node: Node) -> None:
    await publish(node, a_note_now(DAPP, 1))
    async with asked(node) as words:
        await words.write(Want(1, [WantedItem(1, [5])]))
        with pytest.raises(StreamLost, match="malformed"):
            await words.read(WAIT_S)


async def test_what_is_shown_unasked_is_taken_up_to_a_bound(node: Node) -> None:
    note = a_note_now(DAPP, 1)
    async with asked(node) as words:
        await words.write(Frames(0, False, [encode_frame([Part((note,))])]))
        await until(lambda: node.store.last_commit == 1)
        await words.write(Frames(0, False, [b"x"] * 64))
        with pytest.raises(StreamLost, match="too-often"):
            await words.read(WAIT_S)


async def test_a_peer_has_everything_hashed_twice_and_then_no_more_whatever_stream_it_asks_on(node: Node) -> None:
    await publish(node, *(a_note_now(DAPP, seq) for seq in range(1, 5)))
    names: list[BucketName] = []
    for _ in range(2):
        async with asked(node) as words:
            await words.write(Compare([]))
            differ = await words.read(WAIT_S)
            assert isinstance(differ, Differ) and differ.buckets
            names = list(differ.buckets)
            await words.write(AskHashes(names))
            answer = await words.read(WAIT_S)
            assert isinstance(answer, Hashes) and len(answer.hashes) == len(names)
    async with asked(node) as words:
        await words.write(AskHashes(names[:1]))
        with pytest.raises(StreamLost, match="too-often"):
            await words.read(WAIT_S)


async def test_a_peer_has_two_streams_at_most(node: Node) -> None:
    async with asked(node), asked(node):
        with pytest.raises(StreamLost, match="too many streams"):
            async with asked(node):
                pass
    await until(lambda: not node.sync._answering._streams)
    async with asked(node):
        pass


async def test_a_question_that_costs_too_much_ends_the_stream(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    times = count(0, 60)
    async with asked(node) as words:
        monkeypatch.setattr(sync_answers, "_now_s", lambda: float(next(times)))  # each look at the clock, a minute
        await words.write(Compare([]))
        with pytest.raises(StreamLost, match="timeout"):
            await words.read(WAIT_S)


async def test_a_peer_that_says_nothing_is_left(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_answers, "SILENCE_S", 0.05)
    async with asked(node) as words:
        with pytest.raises(StreamLost, match="timeout"):
            await asyncio.wait_for(words.read(WAIT_S), WAIT_S)


def test_so_much_is_allowed_in_each_span() -> None:
    allowed = Allowed(3, 10.0)
    assert [allowed.spend(2, 0.0), allowed.spend(2, 1.0), allowed.spend(3, 10.0), allowed.spend(1, 19.0)] == [
        True,
        False,
        True,
        False,
    ]
