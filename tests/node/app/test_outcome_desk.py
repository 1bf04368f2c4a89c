"""The desk of an origin: what it is told, believes, keeps and names."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.app.receipts import Held
from pushmesh_node.engine.answers import Level, Wait
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.outcomes import (
    Acknowledgement,
    OutcomeRow,
    OutcomeWords,
    Recipient,
    sign_outcome,
)
from pushmesh_protocol.tree import levels_of, path_in, root_of
from pushmesh_protocol.vouchers import VoucherWords, sign_voucher, voucher_leaf
from support.app_world import NETWORK, a_grant_now, a_note_now, publish
from support.origin import (
    DAPP,
    OPEN,
    PEER,
    SEED,
    SHY,
    STRANGER,
    a_notification,
    an_origin,
    delivered,
    heard,
    stated,
    status,
    take,
)

WAIT_S = 20.0
SALT = b"\x62" * 16


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with an_origin(tmp_path) as node:
        yield node


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
    waiting = asyncio.create_task(desk.wait([Held(3, note.id)], Level.DELIVERED, 2))
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
