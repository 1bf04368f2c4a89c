from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pushmesh_client.wallet import Wallet
from pushmesh_node.app.node import Node
from pushmesh_node.delivery.contract import Message
from pushmesh_node.delivery.cursor import Start
from pushmesh_node.delivery.session import Mark, Marker, Session
from pushmesh_node.engine.answers import Denied, Permission, Principal
from pushmesh_node.engine.effects import Deliver, Group
from pushmesh_node.storage import StoreFailed
from pushmesh_protocol.accounts import Topic, display_account
from pushmesh_protocol.frames import Part, open_frame
from pushmesh_protocol.reasons import Reason
from support.app_world import (
    NETWORK,
    Ear,
    a_node,
    a_note_now,
    a_principal,
    a_subscription,
    count,
    publish,
)
from support.until import until
from support.wallets import a_wallet

DAPP, READER, OTHER = a_wallet(1), a_wallet(2), a_wallet(3)
TOPIC = Topic(DAPP.account, "alerts")
ME = a_principal(READER.account)


async def subscribed(node: Node, wallet: Wallet = READER) -> None:
    (outcome,) = await publish(node, a_subscription(wallet, TOPIC))
    assert outcome.level == "durable"


def ids(messages: Sequence[Message]) -> list[bytes]:
    return [message.envelope.id for message in messages]


async def test_a_listener_hears_what_comes_after_it_and_the_rest_is_read(node: Node) -> None:
    await subscribed(node)
    before = a_note_now(DAPP, 1)
    await publish(node, before)
    ear = Ear(ME)
    seam = node.inboxes.listen(ear)
    after = a_note_now(DAPP, 2)
    await publish(node, after)
    await until(lambda: ear.heard)
    assert ids(ear.heard) == [after.id]
    page = await node.inboxes.read(ME, 0, seam, 10)
    assert ids(page.messages) == [before.id]
    assert (page.next_cursor, page.more) == (seam, False)
    assert ids((await node.inboxes.read(ME, 0, None, 10)).messages) == [before.id, after.id]


async def test_what_lies_before_the_seam_is_read_and_never_heard(node: Node) -> None:
    await subscribed(node)
    note = a_note_now(DAPP, 1)
    (outcome,) = await publish(node, note)
    assert outcome.commit_no is not None
    ear = Ear(ME)
    seam = node.inboxes.listen(ear)
    groups = [Group("now", Reason.SUBSCRIBED, [READER.account])]
    for commit_no in (outcome.commit_no, seam, seam + 1):
        node.inboxes.deliver([Deliver(commit_no, Part((note,)), 0, groups)])
    assert [message.commit_no for message in ear.heard] == [seam + 1]


async def test_each_decision_about_a_live_message_is_counted(node: Node) -> None:
    await subscribed(node)
    await subscribed(node, OTHER)
    for wallet in (READER, OTHER):
        node.inboxes.listen(Ear(a_principal(wallet.account)))
    await publish(node, a_note_now(DAPP, 1), a_note_now(DAPP, 2))
    await until(lambda: count(node, "pushmesh_curation_decisions_total", verdict="now", reason="subscribed") == 4)


async def test_every_message_carries_a_frame_that_the_wallet_can_verify(node: Node) -> None:
    await subscribed(node)
    note = a_note_now(DAPP)
    await publish(node, note)
    (message,) = (await node.inboxes.read(ME, 0, None, 10)).messages
    assert list(open_frame(NETWORK, message.frame).envelopes()) == [note]
    assert (message.verdict, message.reason) == ("now", "subscribed")


async def test_who_has_left_hears_nothing_and_may_leave_twice(node: Node) -> None:
    await subscribed(node)
    ear = Ear(ME)
    node.inboxes.listen(ear)
    node.inboxes.forget(ear)
    node.inboxes.forget(ear)
    await publish(node, a_note_now(DAPP))
    await node.driver.settle()
    assert ear.heard == [] and len(node.driver.engine.listeners) == 0


async def test_pages_follow_each_other_and_a_targeted_message_is_its_wallets_only(node: Node) -> None:
    await subscribed(node)
    notes = [a_note_now(DAPP, seq, audience=[READER.account] if seq % 2 else None) for seq in range(5)]
    await publish(node, *notes)
    found: list[bytes] = []
    after, more = 0, True
    while more:
        page = await node.inboxes.read(ME, after, None, 2)
        assert page.next_cursor > after
        found += ids(page.messages)
        after, more = page.next_cursor, page.more
    assert found == [note.id for note in notes]
    assert (await node.inboxes.read(a_principal(OTHER.account), 0, None, 10)).messages == ()


async def test_a_token_for_some_topics_reads_these_only(node: Node) -> None:
    await subscribed(node)
    await publish(node, a_note_now(DAPP, 1))
    elsewhere = replace(ME, topics=frozenset({Topic(DAPP.account, "other")}))
    assert (await node.inboxes.read(elsewhere, 0, None, 10)).messages == ()
    here = replace(ME, topics=frozenset({TOPIC}))
    assert len((await node.inboxes.read(here, 0, None, 10)).messages) == 1


async def test_what_is_held_back_is_remembered_with_its_reason(tmp_path: Path) -> None:
    async with a_node(tmp_path, curation__mute_accounts=[display_account(DAPP.account)]) as node:
        await subscribed(node)
        (outcome,) = await publish(node, a_note_now(DAPP, 1))
        assert (await node.inboxes.read(ME, 0, None, 10)).messages == ()
        decision = await node.store.decision(READER.account, outcome.commit_no or 0)
        assert decision is not None
        assert (decision.verdict, decision.reason) == ("hold", "muted-by-operator")
        assert count(node, "pushmesh_curation_decisions_total", verdict="hold", reason="muted-by-operator") >= 1


async def test_a_second_poll_writes_nothing_until_something_is_decided_otherwise(tmp_path: Path) -> None:
    async with a_node(tmp_path, curation__mute_accounts=[display_account(DAPP.account)]) as node:
        await subscribed(node)
        first = (await publish(node, a_note_now(DAPP, 1)))[0].commit_no or 0
        await node.inboxes.read(ME, 0, None, 10)
        await node.driver.settle()
        kept, writes = await node.store.decision(READER.account, first), (await node.store.stats()).writes
        await node.inboxes.read(ME, 0, None, 10)
        assert (await node.store.stats()).writes == writes
        assert await node.store.decision(READER.account, first) == kept is not None
        other = replace(kept, reason="muted")
        await node.store.commit([other])
        await node.inboxes.read(ME, 0, None, 10)
        assert (await node.store.stats()).writes == writes + 2
        again = await node.store.decision(READER.account, first)
        assert again is not None and again.reason == "muted-by-operator"


async def test_an_acknowledgement_goes_forward_only_and_survives(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        for seq in range(4):
            await publish(node, a_note_now(DAPP, seq))
        last = node.store.last_commit
        assert await node.inboxes.acknowledged(ME, "phone") is None
        for commit_no in (last - 1, last, last - 2):
            await node.inboxes.acknowledge(ME, "phone", commit_no)
    async with a_node(tmp_path) as node:
        assert await node.inboxes.acknowledged(ME, "phone") == last
        assert await node.inboxes.acknowledged(ME, "tablet") is None
        assert await node.inboxes.acknowledged(a_principal(OTHER.account), "phone") is None


@pytest.mark.parametrize("commit_no", [10**7, 2**63, 9_999_999_999_999_999_999])
async def test_nobody_acknowledges_what_was_never_given(node: Node, commit_no: int) -> None:
    with pytest.raises(Denied, match="bad-cursor"):
        await node.inboxes.acknowledge(ME, "phone", commit_no)
    assert await node.inboxes.acknowledged(ME, "phone") is None


async def test_a_disk_that_fails_is_told_with_a_time_to_come_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    await publish(node, a_note_now(DAPP))

    async def fails(*args: object) -> None:
        raise StoreFailed("the disk is gone")

    monkeypatch.setattr(node.store, "inbox", fails)
    monkeypatch.setattr(node.store, "commit", fails)
    for asked in (node.inboxes.read(ME, 0, None, 10), node.inboxes.acknowledge(ME, "phone", 1)):
        with pytest.raises(Denied, match="store-failed") as caught:
            await asked
        assert caught.value.retry_after_s == 5


async def test_what_no_connection_may_read_it_may_not_voucher_for(node: Node) -> None:
    publisher = Principal(READER.account, frozenset({Permission.PUBLISH}), None, None, None)
    with pytest.raises(Denied, match="forbidden"):
        await node.inboxes.take_voucher(publisher, None)  # type: ignore[arg-type]  # it is refused before it is looked at
    assert await node.inboxes.last_vouchers(ME) == []


async def test_deliveries_and_slow_readers_are_counted(node: Node) -> None:
    node.inboxes.count_delivered("sse", 1)
    node.inboxes.fell_back(Ear(ME), 7)
    assert count(node, "pushmesh_deliveries_total", transport="sse") == 1
    assert count(node, "pushmesh_queue_drops_total", queue="live", reason="slow-consumer") == 7


async def test_after_a_reload_the_same_wallets_listen(node: Node) -> None:
    await subscribed(node)
    ear = Ear(ME)
    node.inboxes.listen(ear)
    node.reload()
    await until(lambda: not node.reloading.under_way)
    await publish(node, a_note_now(DAPP))
    await until(lambda: ear.heard)
    assert len(node.driver.engine.listeners) == 1
    assert node.inboxes.incarnation() == node.store.incarnation


async def test_no_cursor_is_told_that_a_failed_commit_leaves_to_other_messages(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribed(node)

    async def fails(*args: object) -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(node.store, "commit", fails)
        (outcome,) = await publish(node, a_note_now(DAPP, 1))
        assert outcome.reason is Reason.STORE_FAILED
    assert node.driver.engine.last_commit > node.store.last_commit
    with Session(node.inboxes, ME, Start(None)) as session:
        marker = await session.next()
        assert isinstance(marker, Marker) and marker.mark is Mark.LIVE
        assert marker.commit_no == node.store.last_commit, "after a restart the next message has the number above"
        (outcome,) = await publish(node, a_note_now(DAPP, 2))
        await until(lambda: session._queue or not session.is_resting)
        assert session.position <= node.store.last_commit
