import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app import outcome_sender
from pushmesh_node.app.gossip_streams import GossipStream
from pushmesh_node.app.node import Node
from pushmesh_node.app.outcome_wire import MAX_MESSAGE_BYTES, PROTOCOL, EndOutcomes, Taken, Tell, answers
from pushmesh_node.app.peer_messages import PeerMessages
from pushmesh_node.delivery.contract import Message
from pushmesh_node.engine.answers import Level, Wait
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import Kind
from support.app_world import NETWORK, a_note_now, a_principal, count, signed
from support.origin import (
    DAPP,
    OPEN,
    PEER,
    SHY,
    a_notification,
    an_origin,
    delivered,
    heard,
    stated,
    status,
    take,
)
from support.stream_pair import stream_pair
from support.until import until
from support.wallets import a_wallet

WAIT_S = 20.0
GHOST = a_wallet(77)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with an_origin(tmp_path) as node:
        yield node


# Over the wire


async def served(node: Node) -> tuple[PeerMessages, GossipStream, "asyncio.Task[None]"]:
    mine, theirs = stream_pair(PROTOCOL, PEER, node.node_id)
    serving = asyncio.create_task(node.assurance._sender.serve(theirs))
    return PeerMessages(mine, MAX_MESSAGE_BYTES, WAIT_S), mine, serving


async def test_a_statement_is_answered_once_it_is_kept(node: Node) -> None:
    note = await a_notification(node)
    messages, mine, serving = await served(node)
    await messages.write(Tell(NETWORK.id, stated(node, delivered(note, 1), delivered(a_note_now(DAPP, 9), 1))))
    data = await messages.read(WAIT_S)
    assert data is not None and answers.decode(data) == Taken(1)
    mine.close_write()
    await serving
    assert (await status(node, note))["delivered"]["wallets"] == 1


async def test_another_network_or_what_is_no_statement_ends_the_stream(node: Node) -> None:
    note = await a_notification(node)
    messages, _, serving = await served(node)
    await messages.write(Tell(bytes(32), stated(node, delivered(note, 1))))
    data = await messages.read(WAIT_S)
    assert data is not None and answers.decode(data) == EndOutcomes("other-network")
    await serving
    messages, mine, serving = await served(node)
    await messages.write([1, b"x"])
    await serving
    assert mine.is_over and heard(node, "malformed") == 1


async def test_a_peer_has_one_stream_at_a_time(node: Node) -> None:
    _, first, serving = await served(node)
    await until(lambda: PEER in node.assurance._sender._serving)
    _, second, refused = await served(node)
    await refused
    assert second.is_over and not first.is_over
    first.close_write()
    await serving


# What happens at this node's own wallets


def handed(node: Node, note: Envelope, *wallets: Any) -> None:
    for wallet in wallets:
        node.inboxes.delivered("sse", wallet.account, [Message(1, note, b"", "now", "ok")])


async def test_a_nodes_own_deliveries_count_each_wallet_once(node: Node) -> None:
    note = await a_notification(node)
    handed(node, note, OPEN, SHY, OPEN)
    handed(node, await a_notification(node, 2, origin=None), OPEN)

    desk = node.assurance._desk
    await until(lambda: desk.reached(note.id, Wait(Level.DELIVERED, 2)) is Level.DELIVERED)
    told = await status(node, note)
    assert told["delivered"] == {"wallets": 2, "by_node": {node.node_id.hex(): 2}}
    assert [each["account"] for each in told["recipients"]] == [OPEN.display]
    handed(node, note, OPEN)
    await asyncio.sleep(0.6)  # a second count would be told by now
    assert (await status(node, note))["delivered"]["wallets"] == 2
    assert await node.store.origins_owed() == []


async def test_who_reads_by_a_private_word_alone_is_told_of_to_nobody(node: Node) -> None:
    word = signed(GHOST, Kind.PRIVATE_SUBSCRIPTION, private=True, seq=0, topic=Topic(DAPP.account, "alerts"))
    item = pack(ItemForm(word.kind, word.author, word.body_bytes, word.auth))
    assert (await node.publishing.publish_private(a_principal(GHOST.account), item)).level is Level.DURABLE
    note, listed = await a_notification(node), await a_notification(node, 2, audience=[GHOST.account])
    handed(node, note, GHOST, OPEN)
    handed(node, listed, GHOST)

    desk = node.assurance._desk
    await until(lambda: desk.reached(listed.id, Wait(Level.DELIVERED, 1)) is Level.DELIVERED)
    assert (await status(node, note))["delivered"]["wallets"] == 1
    told = await status(node, listed)
    assert (told["delivered"]["wallets"], told["recipients"]) == (1, [])


async def test_what_an_origin_that_is_away_is_owed_stays_on_the_disk(node: Node) -> None:
    note = await a_notification(node, origin=PEER)
    handed(node, note, OPEN)

    async with asyncio.timeout(WAIT_S):
        while await node.store.origins_owed() != [PEER]:  # noqa: ASYNC110  # the disk has no event for us
            await asyncio.sleep(0.05)
    ((owed),) = await node.store.owed(PEER, 10)
    assert (owed.handed.id, owed.handed.account, owed.handed.named) == (note.id, OPEN.account, True)
    assert (owed.delivered, owed.acknowledged) == (1, 0)


async def test_an_origin_that_is_away_is_looked_for_until_the_notification_is_over(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome_sender, "LONGEST_REST_S", 0.05)
    sender, looked_for = node.assurance._sender, list[bytes]()
    sender._reach = looked_for.append
    note = await a_notification(node, origin=PEER)
    handed(node, note, OPEN)
    await until(lambda: len(looked_for) > 2)
    await node.store.expire(note.body.expires_at, 100)
    await until(lambda: PEER not in sender._owed | sender._telling | sender._rests.keys())


async def test_an_origin_that_takes_nothing_holds_up_no_other(node: Node) -> None:
    mine, theirs = stream_pair(PROTOCOL, node.node_id, PEER)
    sender = node.assurance._sender
    sender._is_peer = lambda origin: origin == PEER
    sender._open_stream = lambda _origin, _protocol: mine
    handed(node, await a_notification(node, origin=PEER), OPEN)
    told = PeerMessages(theirs, MAX_MESSAGE_BYTES, WAIT_S)
    assert await told.read(WAIT_S) is not None  # and never answers

    note = await a_notification(node, 2)
    handed(node, note, OPEN)
    await until(lambda: node.assurance._desk.reached(note.id, Wait(Level.DELIVERED, 1)) is Level.DELIVERED)
    assert not mine.is_over

    await told.write(Taken(0))
    await until(lambda: mine.is_over)
    async with asyncio.timeout(WAIT_S):
        while await node.store.origins_owed():  # noqa: ASYNC110  # the disk has no event for us
            await asyncio.sleep(0.05)


async def test_beyond_the_bound_outcomes_are_dropped_and_counted(node: Node) -> None:
    note = await a_notification(node)
    node.assurance._sender._max_rows = 0
    handed(node, note, OPEN)
    assert count(node, "pushmesh_queue_drops_total", queue="outcomes", reason="queue-full") == 1
    node.assurance._desk._max_rows = 0
    assert await take(node, stated(node, delivered(note, 1))) == 1
    assert heard(node, "store-full") == 1
