import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pushmesh_client.compose import signed_envelope
from pushmesh_node.app import sync as sync_room
from pushmesh_node.app.gossip_streams import GossipStream, StreamLost
from pushmesh_node.app.node import Node
from pushmesh_node.app.sync_state import State
from pushmesh_node.app.sync_stream import WordStream
from pushmesh_node.storage import StoreFailed
from pushmesh_node.sync.words import Compare, Differ, Hello, Sorry, Word
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.types import UnixMs
from support.app_world import (
    NETWORK,
    WAIT_S,
    a_grant_now,
    a_node,
    a_note_now,
    a_revocation,
    a_subscription,
    count,
    publish,
    signed,
)
from support.sync_world import SERVER, asking, in_sync, make_impatient, two_nodes
from support.until import until
from support.wallets import a_note, a_signed_batch, a_wallet

DAPP, READER = a_wallet(1), a_wallet(2)
NOW = UnixMs(0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    make_impatient(monkeypatch)


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    async with two_nodes(tmp_path) as both:
        yield both


@pytest.fixture
def asker(nodes: tuple[Node, Node]) -> Node:
    return nodes[0]


@pytest.fixture
def server(nodes: tuple[Node, Node]) -> Node:
    return nodes[1]


async def agree(*nodes: Node) -> None:
    """Each node's sets are what its store says, and all have the same."""
    for node in nodes:
        await until(lambda node=node: node.feed.is_settled)
        assert await node.feed.verify(NOW) == []
    assert len({frozenset(node.feed.sets.members()) for node in nodes}) == 1


async def test_everything_that_a_peer_holds_comes_grants_before_what_rests_on_them(asker: Node, server: Node) -> None:
    session = a_grant_now(READER, (4,))
    await publish(server, session.grant)
    await publish(server, a_subscription(READER, Topic(DAPP.account, "alerts")))
    batch = a_signed_batch(NETWORK, DAPP, server.sync._clock(), 300)
    notes = [a_note_now(DAPP, 1_000 + seq) for seq in range(5)]
    await publish(server, batch, *notes)
    async with asking(asker, server.sync.stream_came):
        await until(in_sync(asker))
        for envelope in (*batch.envelopes, *notes, session.grant):
            assert await asker.store.find(envelope.id, envelope.body.issued_at) is not None
        assert count(asker, "pushmesh_sync_envelopes_total") == 307
        late = a_note_now(DAPP, 2_000)
        await publish(server, late)
        await until(lambda: asker.store.last_commit == 308)
        await until(in_sync(asker))
    assert asker.driver.engine.state.subscriptions.subscribers(Topic(DAPP.account, "alerts")) == {READER.account}
    await agree(asker, server)


async def test_a_run_stays_a_run_and_only_missing_leaves_of_a_large_one_come_by_themselves(
    asker: Node, server: Node
) -> None:
    batch = a_signed_batch(NETWORK, DAPP, server.sync._clock(), 100)
    await publish(server, batch)
    async with asking(asker, server.sync.stream_came):
        await until(in_sync(asker))
    assert [item.count for item in await asker.store.log(0, 10**6)] == [100]
    assert (await asker.store.log(0, 10**6))[0].data == (await server.store.log(0, 10**6))[0].data
    await agree(asker, server)


async def test_what_both_sides_hold_is_not_sent(asker: Node, server: Node) -> None:
    both = [a_note_now(DAPP, seq) for seq in range(40)]
    await publish(asker, *both)
    await publish(server, *both, alone := a_note_now(DAPP, 99))
    async with asking(asker, server.sync.stream_came):
        await until(in_sync(asker))
    assert count(asker, "pushmesh_sync_envelopes_total") == 1
    assert await asker.store.find(alone.id, alone.body.issued_at) is not None


async def test_half_of_a_void_slot_is_shown_the_other_half_and_both_end_without_either(
    asker: Node, server: Node
) -> None:
    one, other = a_note_now(DAPP, 7, title="one"), a_note_now(DAPP, 7, title="other")
    await publish(asker, one, other)
    await publish(server, one)
    async with asking(asker, server.sync.stream_came):
        await until(lambda: server.store.last_commit == 2)
        await until(in_sync(asker))
    await agree(asker, server)
    assert list(server.feed.sets.members()) == []


async def test_a_revocation_takes_what_it_cuts_out_of_the_set(asker: Node, server: Node) -> None:
    session = a_grant_now(DAPP, (5,))
    await publish(server, session.grant)
    notes = [a_note(DAPP, server.sync._clock(), 2**31 + seq) for seq in range(3)]
    await publish(server, *[signed_envelope(NETWORK, session.key, DAPP.account, 5, note) for note in notes])
    await until(lambda: server.feed.is_settled)
    assert len(server.feed.sets) == 4
    await publish(server, a_revocation(DAPP, session))
    await until(lambda: server.feed.is_settled and len(server.feed.sets) == 2)
    async with asking(asker, server.sync.stream_came):
        await until(in_sync(asker))
    await agree(asker, server)


async def test_older_versions_of_a_subscription_do_not_travel(asker: Node, server: Node) -> None:
    topic = Topic(DAPP.account, "alerts")
    at = server.sync._clock() - 1_000
    for age in range(3):
        await publish(server, signed(READER, 4, topic=topic, seq=age, issued_at=at + age))
    await until(lambda: server.feed.is_settled)
    assert len(server.feed.sets) == 1
    async with asking(asker, server.sync.stream_came):
        await until(in_sync(asker))
    assert asker.store.last_commit == 1
    await agree(asker, server)


async def test_a_failed_commit_is_asked_for_again(asker: Node, server: Node, monkeypatch: pytest.MonkeyPatch) -> None:
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
    async with asking(asker, server.sync.stream_came):
        await until(lambda: asker.store.last_commit > 0)
        await until(in_sync(asker))
    assert await asker.store.find(note.id, note.body.issued_at) is not None


def script(*answers: Word | bytes) -> tuple[Callable[[GossipStream], None], list[asyncio.Task[None]]]:
    """A peer that says these, each when it was told something, whatever it was."""
    tasks: list[asyncio.Task[None]] = []

    async def serve(stream: GossipStream) -> None:
        words = WordStream(stream)
        with suppress(StreamLost):  # the asker may end it at any time
            for answer in answers:
                await words.read(WAIT_S)
                data = answer if isinstance(answer, bytes) else pack(answer)
                await stream.write(len(data).to_bytes(4, "big") + data)
            await words.read(WAIT_S)

    def peer(stream: GossipStream) -> None:
        tasks.append(asyncio.create_task(serve(stream)))

    return peer, tasks


def greeting(node: Node, **changes: Any) -> Hello:
    values: dict[str, Any] = {
        "network_id": NETWORK.id,
        "incarnation": b"\x02" * 16,
        "now_ms": node.sync._clock(),
        "floors": node.sync.floors(),
        "ask": False,
    }
    return Hello(**(values | changes))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda node: greeting(node, network_id=b"\x01" * 32), "other-network"),
        (lambda node: greeting(node, floors=[0, 0]), "malformed"),
        (lambda node: greeting(node, ask=True), "malformed"),
        (lambda node: Compare([]), "malformed"),
        (lambda node: Differ([]), "malformed"),
        (lambda node: Sorry("busy"), "peer-refused"),
        (lambda node: b"hello", "malformed"),
        (lambda node: b"x" * (1 << 20) + b"y", "oversize"),
    ],
)
async def test_what_no_honest_peer_says_ends_the_session_with_its_reason(
    asker: Node, answer: Callable[[Node], Word | bytes], reason: str
) -> None:
    peer, tasks = script(answer(asker))
    async with asking(asker, peer):
        await until(lambda: count(asker, "pushmesh_sync_failures_total", reason=reason) >= 1)
        assert asker.sync.peers[SERVER].state is State.FAILED or tasks[1:]
        await publish(asker, a_note_now(DAPP))  # nothing else is disturbed
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_peer_that_goes_gives_back_what_was_asked_of_it(asker: Node, server: Node) -> None:
    await publish(server, *[a_note_now(DAPP, seq) for seq in range(20)])
    silent: list[GossipStream] = []
    async with asking(asker, silent.append):
        await until(lambda: len(silent) == 1)
    async with asking(asker, server.sync.stream_came):
        await until(in_sync(asker))
    assert len(asker.sync._claims) == 0
    await agree(asker, server)


async def test_the_sets_are_the_same_after_a_restart(tmp_path: Path) -> None:
    session = a_grant_now(DAPP, (5,))
    one, other = a_note_now(DAPP, 7, title="one"), a_note_now(DAPP, 7, title="other")
    async with a_node(tmp_path) as node:
        await publish(node, session.grant, one, other, *[a_note_now(DAPP, 100 + seq) for seq in range(5)])
        await publish(node, a_signed_batch(NETWORK, DAPP, node.sync._clock(), 50, 1_000))
        await publish(node, a_subscription(READER, Topic(DAPP.account, "alerts")), a_revocation(DAPP, session))
        await until(lambda: node.feed.is_settled)
        before = frozenset(node.feed.sets.members())
        assert await node.feed.verify(NOW) == [] and len(before) == 1 + 5 + 50 + 2
    async with a_node(tmp_path) as node:
        await until(lambda: node.feed.is_settled)
        assert frozenset(node.feed.sets.members()) == before
        assert await node.feed.verify(NOW) == []


async def test_a_peer_is_not_asked_again_while_it_is_being_given_much_but_soon_after(
    asker: Node, server: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    gives = [True]
    monkeypatch.setattr(asker.sync._answering, "gives_much", lambda node_id: gives[0] and node_id == SERVER)
    async with asking(asker, server.sync.stream_came):
        await until(in_sync(asker))
        rounds = asker.sync.peers[SERVER].rounds
        await asyncio.sleep(20 * sync_room.AGAIN_S)
        assert asker.sync.peers[SERVER].rounds == rounds == 1
        gives[0] = False
        await until(lambda: asker.sync.peers[SERVER].rounds > 2)
        monkeypatch.setattr(sync_room, "GIVING_REST_S", 0.0)
        rounds = asker.sync.peers[SERVER].rounds
        await until(lambda: asker.sync.peers[SERVER].rounds > rounds + 1)
        gives[0] = True
        await until(lambda: asker.sync.peers[SERVER].rounds > rounds + 3)
