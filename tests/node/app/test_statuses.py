import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pushmesh_node.app.node import Node
from pushmesh_node.app.receipts import Held
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.armor import from_text
from pushmesh_protocol.holds import HoldWords, check_hold_of, sign_hold
from pushmesh_protocol.receipts import check_receipt, decode_receipt
from pushmesh_protocol.tree import root_of
from support.app_world import NETWORK, a_note_now, a_principal
from support.origin import DAPP, OPEN, PEER, SEED, SHY, a_notification, an_origin, delivered, stated, status, take

AUTHOR = a_principal(DAPP.account)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with an_origin(tmp_path) as node:
        yield node


async def test_before_anybody_had_it_the_receipt_is_all_there_is(node: Node) -> None:
    note = await a_notification(node)
    told = await status(node, note)
    assert (told["id"], told["level"], told["void"], told["over"]) == (note.id.hex(), "durable", False, False)
    assert (told["origin_is_here"], told["recipients"], told["next"]) == (True, [], None)
    assert told["propagated"] == {"nodes": 0, "holds": []}
    receipt = decode_receipt(from_text(told["receipt"]))
    check_receipt(NETWORK, receipt)
    assert from_text(told["receipt"]) == await node.assurance.statuses.receipt(note.id, note.body.issued_at)


async def test_nobody_but_the_author_may_ask(node: Node) -> None:
    note = await a_notification(node)
    statuses = node.assurance.statuses
    with pytest.raises(Denied, match="forbidden"):
        await statuses.status(a_principal(OPEN.account), note.id, None, b"", 10)
    narrow = replace(AUTHOR, topics=frozenset({DAPP.topic("other")}))
    with pytest.raises(Denied, match="forbidden"):
        await statuses.status(narrow, note.id, None, b"", 10)
    wide = replace(AUTHOR, topics=frozenset({DAPP.topic("news")}))
    assert (await statuses.status(wide, note.id, note.body.issued_at, b"", 10))["id"] == note.id.hex()


async def test_what_is_not_held_is_not_found(node: Node) -> None:
    unknown = a_note_now(DAPP, 9)
    with pytest.raises(Denied, match="not-found"):
        await node.assurance.statuses.status(AUTHOR, unknown.id, None, b"", 10)
    with pytest.raises(Denied, match="not-found"):
        await node.assurance.statuses.receipt(unknown.id, unknown.body.issued_at)


async def test_wallets_come_in_pages(node: Node) -> None:
    note = await a_notification(node, audience=sorted([OPEN.account, SHY.account]))
    await take(node, stated(node, delivered(note, 1, OPEN.account)))
    first = await node.assurance.statuses.status(AUTHOR, note.id, None, b"", 1)
    assert ([each["account"] for each in first["recipients"]], first["next"]) == ([OPEN.display], OPEN.display)
    rest = await node.assurance.statuses.status(AUTHOR, note.id, None, OPEN.account, 1)
    assert (rest["recipients"], rest["next"]) == ([], None)


async def test_who_watches_is_woken_and_only_then(node: Node) -> None:
    note, other = await a_notification(node), await a_notification(node, 2)
    changed = asyncio.Event()
    node.assurance.statuses.watch(note.id, changed)
    await take(node, stated(node, delivered(other, 1)))
    assert not changed.is_set()
    await take(node, stated(node, delivered(note, 1)))
    assert changed.is_set()
    node.assurance.statuses.unwatch(note.id, changed)
    node.assurance.statuses.unwatch(note.id, changed)
    assert not node.assurance._desk._changed


async def test_who_watches_is_woken_by_a_hold_too(node: Node) -> None:
    note, changed = await a_notification(node), asyncio.Event()
    node.assurance.statuses.watch(note.id, changed)
    hold = sign_hold(SEED, NETWORK, HoldWords(PEER, 1, 1, root_of([note.id])))
    node.assurance._holds.take(PEER, check_hold_of(NETWORK, hold, [note.id]))
    assert changed.is_set()
    assert (await status(node, note))["propagated"]["nodes"] == 1
    node.assurance.statuses.unwatch(note.id, changed)
    node.assurance.statuses.unwatch(note.id, changed)
    assert not node.assurance._holds._watched


async def test_totals_are_there_after_a_restart(tmp_path: Path) -> None:
    async with an_origin(tmp_path) as node:
        note = await a_notification(node)
        await take(node, stated(node, delivered(note, 2)))
        node.assurance._desk._tallies.clear()  # as a new process would find it
        assert (await status(node, note))["delivered"] == {"wallets": 2, "by_node": {PEER.hex(): 2}}
        await node.assurance._desk.recall(Held(3, note.id))
        assert node.assurance._desk._count(note.id, 4) == 2
