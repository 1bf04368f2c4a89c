"""The origin's desk, and the sender of a delivering node beside it: what is told, believed, kept and named."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.gossip_streams import GossipStream
from pushmesh_node.app.node import Node
from pushmesh_node.app.outcome_wire import MAX_MESSAGE_BYTES, PROTOCOL, EndOutcomes, Taken, Tell, answers
from pushmesh_node.app.peer_messages import PeerMessages
from pushmesh_node.delivery.contract import Message
from pushmesh_node.engine.answers import Level, Wait
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.outcomes import (
    Acknowledgement,
    OutcomeRow,
    OutcomeStatement,
    OutcomeWords,
    Recipient,
    sign_outcome,
)
from pushmesh_protocol.tree import levels_of, path_in, root_of
from pushmesh_protocol.types import Account
from pushmesh_protocol.vouchers import VoucherWords, sign_voucher, voucher_leaf
from support.app_world import NETWORK, a_grant_now, a_node, a_note_now, a_principal, count, publish, signed, until
from support.stream_pair import stream_pair
from support.wallets import a_wallet

DAPP, OPEN, SHY, STRANGER = (a_wallet(number) for number in (1, 2, 3, 4))
SEED = b"\x61" * 32
PEER = public_key(SEED)
WAIT_S = 20.0
SALT = b"\x62" * 16


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with a_node(tmp_path) as node:
        topic = DAPP.topic("news")
        await publish(
            node,
            signed(OPEN, 4, topic=topic, seq=5, receipts=True),
            signed(SHY, 4, topic=topic, seq=6, receipts=False),
        )
        yield node


async def a_notification(node: Node, seq: int = 1, **changes: Any) -> Envelope:
    """Published here, with this node as its origin."""
    topic = DAPP.topic("news")
    note = a_note_now(DAPP, seq, **({"topic": topic, "origin": node.node_id, "audience": None} | changes))
    (outcome,) = await publish(node, note)
    assert outcome.reason == "ok", outcome
    return note


def delivered(note: Envelope, total: int, *names: Account) -> OutcomeRow:
    return OutcomeRow(
        note.id, note.body.issued_at, 4, total, [Recipient(name, now_ms(), None) for name in sorted(names)]
    )


def stated(node: Node, *rows: OutcomeRow, seed: bytes = SEED) -> OutcomeStatement:
    ordered = sorted(rows, key=lambda row: (row.id, row.level))
    return sign_outcome(seed, NETWORK, OutcomeWords(public_key(seed), node.node_id, now_ms(), ordered))


async def take(node: Node, statement: OutcomeStatement, signer: bytes = PEER) -> int:
    return await node.assurance._desk.take(statement, signer)


async def status(node: Node, note: Envelope) -> dict[str, Any]:
    return await node.assurance.statuses.status(a_principal(DAPP.account), note.id, None, b"", 100)


def heard(node: Node, reason: str) -> float:
    return count(node, "pushmesh_acknowledgements_total", what="outcome-heard", reason=reason)


async def test_who_may_be_named_is_and_the_rest_is_a_number(node: Node) -> None:
    note = await a_notification(node)
    assert await take(node, stated(node, delivered(note, 2, OPEN.account, SHY.account))) == 0
    told = await status(node, note)
    assert (told["level"], told["delivered"]) == ("delivered", {"wallets": 2, "by_node": {PEER.hex(): 2}})
    assert [each["account"] for each in told["recipients"]] == [OPEN.display]
    assert heard(node, "forbidden") == 1


async def test_what_comes_again_counts_once_and_totals_never_fall(node: Node) -> None:
    note = await a_notification(node)
    for total in (1, 2, 1, 2):
        await take(node, stated(node, delivered(note, total)))
    assert (await status(node, note))["delivered"]["wallets"] == 2
    other = b"\x63" * 32
    await take(node, stated(node, delivered(note, 1), seed=other), public_key(other))
    assert (await status(node, note))["delivered"]["wallets"] == 3


async def test_who_waits_is_told_when_enough_wallets_have_it(node: Node) -> None:
    note = await a_notification(node)
    desk = node.assurance._desk
    waiting = asyncio.create_task(desk.wait([note.id], Level.DELIVERED, 2))
    await take(node, stated(node, delivered(note, 1)))
    await asyncio.sleep(0)
    assert not waiting.done() and desk.reached(note.id, Wait(Level.DELIVERED, 2)) is None
    await take(node, stated(node, delivered(note, 2)))
    async with asyncio.timeout(WAIT_S):
        await waiting
    assert desk.reached(note.id, Wait(Level.DELIVERED, 2)) is Level.DELIVERED
    assert desk.reached(note.id, Wait(Level.ACKNOWLEDGED, 1)) is Level.DELIVERED
    assert not desk._changed


# Lies


async def test_a_statement_from_another_connection_or_for_another_origin_is_refused(node: Node) -> None:
    note = await a_notification(node)
    statement = stated(node, delivered(note, 1))
    with pytest.raises(Refusal, match="bad-outcome"):
        await take(node, statement, b"\x09" * 32)
    words = OutcomeWords(PEER, b"\x09" * 32, now_ms(), [delivered(note, 1)])
    with pytest.raises(Refusal, match="bad-outcome"):
        await take(node, sign_outcome(SEED, NETWORK, words))
    with pytest.raises(Refusal, match="bad-outcome"):
        await take(node, replace(statement, signature=bytes(64)))
    assert (await status(node, note))["delivered"]["wallets"] == 0


async def test_outcomes_of_what_is_not_this_nodes_are_refused_row_by_row(node: Node) -> None:
    mine = await a_notification(node)
    others = await a_notification(node, 2, origin=b"\x09" * 32)
    nobodys = await a_notification(node, 3, origin=None)
    unknown = a_note_now(DAPP, 9)
    rows = [delivered(note, 1) for note in (mine, others, nobodys, unknown)]
    assert await take(node, stated(node, *rows)) == 3
    assert (heard(node, "forbidden"), heard(node, "not-found"), heard(node, "ok")) == (2, 1, 1)
    assert [(await status(node, note))["level"] for note in (mine, others)] == ["delivered", "durable"]


async def test_no_more_wallets_can_have_it_than_it_is_for(node: Node) -> None:
    everybody = await a_notification(node)
    listed = await a_notification(node, 2, audience=[OPEN.account])
    assert await take(node, stated(node, delivered(everybody, 3), delivered(listed, 2))) == 2
    assert heard(node, "bad-outcome") == 2
    assert await take(node, stated(node, delivered(listed, 1, OPEN.account))) == 0


async def test_whom_it_was_not_for_cannot_be_named(node: Node) -> None:
    note = await a_notification(node, audience=[OPEN.account])
    await take(node, stated(node, delivered(note, 1, STRANGER.account)))
    assert (await status(node, note))["recipients"] == []


# The wallet's own word


async def an_acknowledgement(node: Node, note: Envelope, wallet: Any, key: Any = None) -> Acknowledgement:
    session = a_grant_now(wallet)
    await publish(node, session.grant)
    leaves = [voucher_leaf(NETWORK, SALT, id_) for id_ in (b"\x01" * 32, note.id, b"\x02" * 32)]
    words = VoucherWords(wallet.account, PEER, NETWORK.epoch(now_ms()), b"\x64" * 16, 1, 3, 3, root_of(leaves))
    voucher = sign_voucher(key or session.seed, session.grant_id, NETWORK, words)
    return Acknowledgement(voucher, SALT, 1, path_in(levels_of(leaves), 1))


def acknowledged(note: Envelope, wallet: Any, evidence: Acknowledgement) -> OutcomeRow:
    at = note.body.issued_at
    return OutcomeRow(note.id, at, 5, 1, [Recipient(wallet.account, now_ms(), evidence)])


async def test_acknowledged_rests_on_what_the_wallet_signed(node: Node) -> None:
    note = await a_notification(node)
    evidence = await an_acknowledgement(node, note, OPEN)
    assert await take(node, stated(node, delivered(note, 1), acknowledged(note, OPEN, evidence))) == 0
    told = await status(node, note)
    assert (told["level"], told["acknowledged"]["wallets"]) == ("acknowledged", 1)
    assert [(each["account"], each["level"]) for each in told["recipients"]] == [(OPEN.display, "acknowledged")]


async def test_a_word_that_the_wallet_never_gave_refuses_its_row(node: Node) -> None:
    note, other = await a_notification(node), await a_notification(node, 2)
    evidence = await an_acknowledgement(node, note, OPEN)
    for row in (
        acknowledged(other, OPEN, evidence),
        acknowledged(note, OPEN, replace(evidence, salt=bytes(16))),
        acknowledged(note, OPEN, replace(evidence, voucher=replace(evidence.voucher, signature=bytes(64)))),
        acknowledged(note, OPEN, replace(evidence, voucher=replace(evidence.voucher, grant_id=bytes(32)))),
    ):
        assert await take(node, stated(node, row)) == 1
    assert [(await status(node, each))["acknowledged"]["wallets"] for each in (note, other)] == [0, 0]


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


async def test_what_an_origin_that_is_away_is_owed_stays_on_the_disk(node: Node) -> None:
    note = await a_notification(node, origin=PEER)
    handed(node, note, OPEN)

    async with asyncio.timeout(WAIT_S):
        while await node.store.origins_owed() != [PEER]:  # noqa: ASYNC110  # the disk has no event for us
            await asyncio.sleep(0.05)
    ((owed),) = await node.store.owed(PEER, 10)
    assert (owed.handed.id, owed.handed.account, owed.handed.named) == (note.id, OPEN.account, True)
    assert (owed.delivered, owed.acknowledged) == (1, 0)


async def test_beyond_the_bound_outcomes_are_dropped_and_counted(node: Node) -> None:
    note = await a_notification(node)
    node.assurance._sender._max_rows = 0
    handed(node, note, OPEN)
    assert count(node, "pushmesh_queue_drops_total", queue="outcomes", reason="queue-full") == 1
    node.assurance._desk._max_rows = 0
    assert await take(node, stated(node, delivered(note, 1))) == 1
    assert heard(node, "store-full") == 1
