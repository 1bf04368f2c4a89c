"""What a bridge reads of public topics: seam, order and what is left out, on a real node and store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app import broadcasts as broadcasts_room
from pushmesh_node.app.broadcasts import Broadcasts
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.delivery.contract import Message
from pushmesh_node.engine.answers import Denied, Permission, Principal
from pushmesh_protocol.accounts import Topic, solana_account
from pushmesh_protocol.frames import open_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.kinds.retraction import RETRACT
from pushmesh_protocol.reasons import Reason
from support.app_world import NETWORK, Ear, a_node, a_note_now, count, publish, signed
from support.until import until
from support.wallets import a_signed_batch, a_wallet

DAPP, READER = a_wallet(1), a_wallet(2)
ALERTS, NEWS = Topic(DAPP.account, "alerts"), Topic(DAPP.account, "news")


def a_reader(*topics: Topic) -> Principal:
    return Principal(solana_account(b"\x0e" * 32), frozenset({Permission.READ}), frozenset(topics), None, None)


ME = a_reader(ALERTS)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with a_node(tmp_path) as node:
        running = asyncio.create_task(node.broadcasts.run())
        yield node
        running.cancel()
        await asyncio.wait((running,))


def ids(messages: Sequence[Message]) -> list[bytes]:
    return [message.envelope.id for message in messages]


def a_retraction(target: bytes, expires_at: int, seq: int = 70) -> Any:
    return signed(DAPP, Kind.RETRACTION, topic=ALERTS, target=target, expires_at=expires_at, seq=seq, mode=RETRACT)


async def test_a_listener_hears_what_comes_after_it_and_the_rest_is_read(node: Node) -> None:
    before, after = a_note_now(DAPP, 1), a_note_now(DAPP, 2)
    await publish(node, before)
    ear = Ear(ME)
    seam = node.broadcasts.listen(ear)
    await publish(node, after)
    await until(lambda: ear.heard)
    assert ids(ear.heard) == [after.id]
    page = await node.broadcasts.read(ME, 0, seam, 10)
    assert (ids(page.messages), page.next_cursor, page.more) == ([before.id], seam, False)
    assert ids((await node.broadcasts.read(ME, 0, None, 10)).messages) == [before.id, after.id]


async def test_what_was_decided_before_the_seam_and_is_not_durable_yet_is_waited_for_and_read(node: Node) -> None:
    note = a_note_now(DAPP, 1)
    publishing = asyncio.create_task(publish(node, note))
    await until(lambda: node.driver.engine.last_commit == 1)
    ear = Ear(ME)
    seam = node.broadcasts.listen(ear)
    page = await node.broadcasts.read(ME, 0, seam, 10)
    await publishing
    later = a_note_now(DAPP, 2)
    await publish(node, later)
    await until(lambda: ear.heard)
    assert (ids(page.messages), ids(ear.heard)) == ([note.id], [later.id])


async def test_every_listener_gets_what_lies_past_its_own_seam_and_once(node: Node) -> None:
    notes = [a_note_now(DAPP, seq) for seq in range(1, 5)]
    early, late = Ear(ME), Ear(ME)
    node.broadcasts.listen(early)
    await publish(node, notes[0], notes[1])
    node.broadcasts.listen(late)
    await publish(node, notes[2], notes[3])
    await until(lambda: len(early.heard) >= 4 and len(late.heard) >= 2)
    assert ids(early.heard) == [note.id for note in notes]
    assert ids(late.heard) == [note.id for note in notes[2:]]


async def test_nobody_gets_lists_or_other_topics_or_all_where_it_names_none(node: Node) -> None:
    wanted = a_note_now(DAPP, 3)
    await publish(node, a_note_now(DAPP, 1, audience=[READER.account]), a_note_now(DAPP, 2, topic=NEWS), wanted)
    assert ids((await node.broadcasts.read(ME, 0, None, 10)).messages) == [wanted.id]
    everything = Principal(ME.account, ME.permissions, None, None, None)
    assert (await node.broadcasts.read(everything, 0, None, 10)).messages == ()


async def test_void_retracted_and_expired_ones_are_left_out_live_and_read(node: Node) -> None:
    ear = Ear(ME)
    node.broadcasts.listen(ear)
    gone, voided, rival = a_note_now(DAPP, 1), a_note_now(DAPP, 2), a_note_now(DAPP, 2, title="another")
    await publish(node, a_retraction(gone.id, gone.body.expires_at))
    await publish(node, gone, voided, rival)
    short = a_note_now(DAPP, 3, expires_at=now_ms() + 400)
    await publish(node, short)
    last = a_note_now(DAPP, 4)
    await until(lambda: now_ms() > short.body.expires_at)
    await publish(node, last)
    await until(lambda: last.id in ids(ear.heard))
    assert set(ids(ear.heard)) <= {short.id, last.id}
    assert ids((await node.broadcasts.read(ME, 0, None, 10)).messages) == [last.id]


async def test_pages_follow_each_other_through_runs_and_each_message_can_be_verified(node: Node) -> None:
    await publish(node, a_signed_batch(NETWORK, DAPP, now_ms(), 10), a_note_now(DAPP, 500))
    found: list[Message] = []
    after, more = 0, True
    while more:
        page = await node.broadcasts.read(ME, after, None, 3)
        assert len(page.messages) <= 3
        found += page.messages
        after, more = page.next_cursor, page.more
    assert [message.commit_no for message in found] == list(range(1, 12))
    assert [list(open_frame(NETWORK, message.frame).envelopes()) for message in found] == [
        [message.envelope] for message in found
    ]
    assert {(message.verdict, message.reason) for message in found} == {("now", "ok")}


async def test_more_news_than_a_page_come_in_order(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcasts_room, "PAGE", 4)
    ear = Ear(ME)
    node.broadcasts.listen(ear)
    await publish(node, a_signed_batch(NETWORK, DAPP, now_ms(), 30))
    await until(lambda: len(ear.heard) >= 30)
    assert [message.commit_no for message in ear.heard] == list(range(1, 31))


async def test_who_has_left_hears_nothing_and_a_commit_costs_nothing_then(node: Node) -> None:
    ear = Ear(ME)
    node.broadcasts.listen(ear)
    node.broadcasts.forget(ear)
    node.broadcasts.forget(ear)
    await publish(node, a_note_now(DAPP))
    assert not node.broadcasts._news.is_set()
    assert ear.heard == []


async def test_a_store_that_cannot_be_read_ends_the_listeners_and_denies_readers(node: Node) -> None:
    ear = Ear(ME)
    node.broadcasts.listen(ear)
    await node.store.close()
    node.broadcasts._looked = -1
    node.broadcasts.committed()
    await until(lambda: ear.ended)
    assert ear.ended == [Reason.STORE_FAILED]
    with pytest.raises(Denied) as caught:
        await node.broadcasts.read(ME, 0, 0, 10)
    assert caught.value.reason is Reason.STORE_FAILED


async def test_places_and_counts_are_those_of_inboxes_and_nothing_is_vouchered(node: Node) -> None:
    note = a_note_now(DAPP)
    await publish(node, note)
    broadcasts: Broadcasts = node.broadcasts
    assert broadcasts.incarnation() == node.inboxes.incarnation()
    assert await broadcasts.acknowledged(ME, "bridge:home") is None
    await broadcasts.acknowledge(ME, "bridge:home", 1)
    broadcasts.reach(replace(ME, topics=frozenset()), "bridge:away", 1)
    whatever_topics = replace(ME, topics=None)
    assert [await node.inboxes.acknowledged(whatever_topics, f"bridge:{name}") for name in ("home", "away")] == [1, 1]
    broadcasts.delivered("bridge", ME.account, [Message(1, note, b"", "now", "ok")])
    assert count(node, "pushmesh_deliveries_total", transport="bridge") == 1
    broadcasts.fell_back(Ear(ME), 7)
    assert count(node, "pushmesh_queue_drops_total", queue="live", reason="slow-consumer") == 7
    assert await broadcasts.last_vouchers(ME) == ()
    with pytest.raises(Denied):
        await broadcasts.take_voucher(ME, None)  # type: ignore[arg-type]  # refused before it is looked at
