"""What senders mean, live and from the store: the same inbox either way, and after a restart."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pushmesh_client.wallet import Wallet
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.directory import Directory
from pushmesh_node.app.node import Node
from pushmesh_node.app.scheduled import show_step
from pushmesh_node.delivery.contract import Message
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind, SettingChoice
from pushmesh_protocol.kinds.retraction import REPLACED_BY, RETRACT
from pushmesh_protocol.types import UnixMs
from support.app_world import NETWORK, Ear, a_node, a_note_now, a_principal, a_subscription, publish, signed
from support.until import until
from support.wallets import a_signed_note, a_wallet

DAPP, READER, OTHER = a_wallet(1), a_wallet(2), a_wallet(3)
TOPIC = Topic(DAPP.account, "alerts")
ME = a_principal(READER.account)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with a_node(tmp_path) as node:
        await publish(node, a_subscription(READER, TOPIC), a_subscription(OTHER, TOPIC))
        yield node


def taken_back(target: Envelope, seq: int = 70, **changes: Any) -> Envelope:
    values: dict[str, Any] = {"mode": RETRACT, "target": target.id, "expires_at": target.body.expires_at}
    return signed(DAPP, Kind.RETRACTION, topic=TOPIC, seq=seq, **(values | changes))


def told(messages: Sequence[Message]) -> list[tuple[bytes, str, str]]:
    return [(message.envelope.id, message.verdict, message.reason) for message in messages]


async def stored(node: Node, wallet: Wallet = READER, after: int = 0) -> list[tuple[bytes, str, str]]:
    return told((await node.inboxes.read(a_principal(wallet.account), after, None, 100)).messages)


def directory(node: Node) -> Directory:
    engine = node.driver.engine
    return Directory(NETWORK, lambda: engine.state, node.store, node.opener, node.status, now_ms, {})


async def show_due(node: Node) -> None:
    while await show_step(node.driver, node.store, node.opener, UnixMs(now_ms())):
        pass


async def test_a_wallet_that_was_away_hears_what_was_taken_back_as_one_that_listened_does(node: Node) -> None:
    ear = Ear(ME)
    node.inboxes.listen(ear)
    note = a_note_now(DAPP, 1)
    await publish(node, note)
    cursor = node.store.last_commit
    retraction = taken_back(note)
    await publish(node, retraction)
    await until(lambda: len(ear.heard) == 2)
    assert [message.envelope.id for message in ear.heard] == [note.id, retraction.id]
    assert await stored(node, after=cursor) == [(retraction.id, "now", "subscribed")]
    assert await stored(node) == [(retraction.id, "now", "subscribed")]


async def test_a_retraction_of_what_lists_some_goes_to_these_live_and_from_the_store(node: Node) -> None:
    ears = [Ear(a_principal(wallet.account)) for wallet in (READER, OTHER)]
    for ear in ears:
        node.inboxes.listen(ear)
    note = a_note_now(DAPP, 1, audience=[READER.account])
    retraction = taken_back(note)
    await publish(node, note)
    await publish(node, retraction)
    await until(lambda: len(ears[0].heard) == 2)
    assert [told(ear.heard)[1:] for ear in ears] == [[(retraction.id, "now", "subscribed")], []]
    assert [await stored(node, wallet) for wallet in (READER, OTHER)] == [[(retraction.id, "now", "subscribed")], []]


async def test_one_that_came_first_is_shown_behind_its_target_though_a_reader_has_passed_it(node: Node) -> None:
    ear = Ear(ME)
    node.inboxes.listen(ear)
    note = a_note_now(DAPP, 1, audience=[READER.account])
    retraction = taken_back(note)
    await publish(node, retraction)
    cursor = node.store.last_commit
    assert (ear.heard, await stored(node)) == ([], [])
    await publish(node, note)
    await show_due(node)
    await until(lambda: ear.heard)
    assert told(ear.heard) == await stored(node, after=cursor) == [(retraction.id, "now", "subscribed")]
    assert await stored(node, OTHER) == []


async def test_what_waited_for_its_target_waits_through_a_restart(tmp_path: Path) -> None:
    note = a_note_now(DAPP, 1)
    retraction = taken_back(note)
    async with a_node(tmp_path) as node:
        await publish(node, a_subscription(READER, TOPIC), retraction)
    async with a_node(tmp_path) as node:
        await publish(node, note)
    async with a_node(tmp_path) as node:
        await show_due(node)
        assert await stored(node) == [(retraction.id, "now", "subscribed")]
        again = taken_back(note, seq=71)  # its target is found in the store, not in memory
        await publish(node, again)
        assert await stored(node) == [(each.id, "now", "subscribed") for each in (retraction, again)]


async def test_the_newest_takes_the_place_of_what_was_not_delivered_yet_also_after_a_restart(tmp_path: Path) -> None:
    notes = [a_note_now(DAPP, seq, collapse="price") for seq in (1, 2, 3)]
    other = a_note_now(DAPP, 4, collapse="other")
    async with a_node(tmp_path) as node:
        await publish(node, a_subscription(READER, TOPIC))
        await publish(node, *notes, other)
        newest = [(notes[2].id, "now", "subscribed"), (other.id, "now", "subscribed")]
        assert await stored(node) == newest
    async with a_node(tmp_path) as node:
        assert await stored(node) == newest
        ear = Ear(ME)
        node.inboxes.listen(ear)
        late = a_signed_note(NETWORK, DAPP, notes[0].body.issued_at, 0, collapse="price")
        await publish(node, late, a_note_now(DAPP, 9))
        await until(lambda: ear.heard)
        assert late.id not in [message.envelope.id for message in ear.heard]
        told_why = await directory(node).explain(ME, late.id, None)
        assert (told_why["verdict"], told_why["reason"], told_why["rule"]) == ("drop", "replaced", "collapsed")
        await publish(node, taken_back(notes[2]))
        assert (notes[1].id, "now", "subscribed") in await stored(node)


async def test_an_older_one_gives_way_only_at_wallets_that_the_newer_is_for(node: Node) -> None:
    older = a_note_now(DAPP, 1, collapse="price")
    newer = a_note_now(DAPP, 2, collapse="price", audience=[READER.account])
    await publish(node, older, newer)
    assert [each[0] for each in await stored(node)] == [newer.id]
    assert [each[0] for each in await stored(node, OTHER)] == [older.id]


async def test_a_bridge_reads_what_was_taken_back_and_no_older_one_beside_the_newest(node: Node) -> None:
    reader = a_principal(OTHER.account)
    older, newer = (a_note_now(DAPP, seq, collapse="price") for seq in (1, 2))
    gone = a_note_now(DAPP, 3)
    await publish(node, older, newer, gone)
    retraction = taken_back(gone)
    await publish(node, retraction)
    page = await node.broadcasts.read(replace(reader, topics=frozenset({TOPIC})), 0, None, 10)
    assert [message.envelope.id for message in page.messages] == [newer.id, retraction.id]


async def test_what_waits_behind_a_slow_consumer_gives_way_there(node: Node) -> None:
    older, newer = (a_note_now(DAPP, seq, collapse="price", audience=[READER.account]) for seq in (1, 2))
    await publish(node, older)
    (waiting,) = (await node.inboxes.read(ME, 0, None, 10)).messages
    assert not node.inboxes.outdated(waiting, now_ms(), READER.account)
    await publish(node, newer)
    assert node.inboxes.outdated(waiting, now_ms(), READER.account)
    assert not node.inboxes.outdated(waiting, now_ms(), OTHER.account)


async def test_priority_and_settings_decide_live_and_from_the_store_alike(node: Node) -> None:
    wishes = [SettingChoice("cat-sales", 0), SettingChoice("min-priority", 2)]
    await publish(node, signed(READER, Kind.SUBSCRIPTION, topic=TOPIC, seq=51, settings=wishes))
    ears = [Ear(a_principal(wallet.account)) for wallet in (READER, OTHER)]
    for ear in ears:
        node.inboxes.listen(ear)
    notes = [a_note_now(DAPP, seq, priority=seq, category="sales" if seq in (4, 5) else None) for seq in range(1, 6)]
    await publish(node, *notes)
    await until(lambda: len(ears[1].heard) == 5)
    ids = {bytes(note.id): note.body.seq for note in notes}
    here = [(ids[id_], verdict, reason) for id_, verdict, reason in told(ears[0].heard)]
    assert here == [(2, "silent", "low-priority"), (3, "now", "subscribed"), (5, "now", "subscribed")]
    assert [verdict for _, verdict, _ in told(ears[1].heard)] == ["silent", "silent", "now", "now", "now"]
    assert await stored(node) == told(ears[0].heard)
    assert await stored(node, OTHER) == told(ears[1].heard)
    why = [await directory(node).explain(ME, notes[n].id, None) for n in (0, 3)]
    assert [each["reason"] for each in why] == ["below-min-priority", "category-off"]
    assert "wanted priority 1 of" in why[0]["counterfactual"] and "category sales" in why[1]["counterfactual"]


async def test_an_update_is_what_took_its_place_and_the_word_that_it_did(node: Node) -> None:
    old, new = a_note_now(DAPP, 1), a_note_now(DAPP, 2, title="corrected")
    await publish(node, old)
    replaced = taken_back(old, mode=REPLACED_BY, replacement=new.id)
    await publish(node, new, replaced)
    assert [each[0] for each in await stored(node)] == [new.id, replaced.id]


async def test_why_a_retraction_is_for_a_wallet_is_told_by_its_target(node: Node) -> None:
    note = a_note_now(DAPP, 1, audience=[READER.account])
    known, unknown = taken_back(note), taken_back(a_note_now(DAPP, 2), seq=71)
    await publish(node, note, known, unknown)
    told_why = [await directory(node).explain(ME, each.id, None) for each in (known, unknown)]
    assert [each["verdict"] for each in told_why] == ["now", "drop"]
    other = await directory(node).explain(a_principal(OTHER.account), known.id, None)
    assert other["reason"] == "not-in-audience"
