from pathlib import Path

import pytest

from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.app.opened import Opener
from pushmesh_node.app.restore import restore_engine
from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine import private
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.records import InSyncMark
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import Kind, Preference
from pushmesh_protocol.kinds.preferences import MUTE
from pushmesh_protocol.types import UnixMs
from support.app_world import (
    NETWORK,
    a_grant_now,
    a_node,
    a_note_now,
    a_principal,
    a_revocation,
    a_subscription,
    publish,
    signed,
    words,
)
from support.wallets import a_wallet

DAPP, READER, OTHER = a_wallet(1), a_wallet(2), a_wallet(3)
TOPIC = Topic(DAPP.account, "alerts")


async def test_when_this_node_was_in_sync_last_is_known_again(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        assert (await again(node)).in_sync_ms is None
        await node.store.commit([InSyncMark(UnixMs(77))])
    async with a_node(tmp_path) as node:
        assert (await again(node)).in_sync_ms == node.driver.engine.in_sync_ms == 77


async def again(node: Node) -> Engine:
    return await restore_engine(NETWORK, node.store, NO_POLICY, Opener(NETWORK), now_ms())


def told(engine: Engine) -> dict[str, object]:
    """What the engine knows, by the questions that others ask it."""
    now = now_ms()
    state, authority = engine.state, engine.state.authority
    wallets = (DAPP.account, READER.account, OTHER.account)
    topic = state.topics.in_force(TOPIC, now)
    return {
        "subscribers": sorted(state.subscriptions.subscribers(TOPIC)),
        "subscriptions": [[each.id for each in state.subscriptions.of(wallet, now)] for wallet in wallets],
        "topic": None if topic is None else topic.id,
        "grants": [sorted(grant.id for grant in authority.grants_of(wallet)) for wallet in wallets],
        "revoked": [
            sorted(grant.id for grant in authority.grants_of(wallet) if authority.is_revoked(grant.id))
            for wallet in wallets
        ],
        "preferences": [state.curator.preferences_of(wallet) for wallet in wallets],
        "private": [state.subscriptions.private.word(wallet, TOPIC, now) for wallet in wallets],
        "last": engine.last_commit,
    }


async def test_a_restored_engine_answers_like_the_one_that_decided(node: Node) -> None:
    session, other = a_grant_now(READER), a_grant_now(OTHER)
    await publish(node, signed(DAPP, Kind.TOPIC, seq=9), session.grant, other.grant)
    await publish(node, a_subscription(READER, TOPIC), a_subscription(OTHER, TOPIC))
    await publish(node, a_revocation(READER, session))
    await publish(node, *(a_note_now(DAPP, seq) for seq in range(20, 30)))
    entries = [Preference(MUTE, DAPP.account)]
    muting = signed(READER, Kind.PREFERENCES, private=True, seq=0, entries=entries)
    item = pack(ItemForm(muting.kind, muting.author, muting.body_bytes, muting.auth))
    await node.publishing.publish_private(a_principal(READER.account), item)
    word = signed(READER, Kind.PRIVATE_SUBSCRIPTION, private=True, seq=0, topic=TOPIC)
    item = pack(ItemForm(word.kind, word.author, word.body_bytes, word.auth))
    await node.publishing.publish_private(a_principal(READER.account), item)
    assert told(node.driver.engine)["private"] == [None, word, None]
    assert told(await again(node)) == told(node.driver.engine)
    assert told(node.driver.engine)["revoked"] == [[], [session.grant_id], []]


async def test_a_private_word_that_made_room_does_not_come_back(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "MAX_WORDS", 2)
    for wallet, name in ((READER, "one"), (READER, "two"), (OTHER, "one")):
        word = signed(wallet, Kind.PRIVATE_SUBSCRIPTION, private=True, seq=0, topic=Topic(DAPP.account, name))
        item = pack(ItemForm(word.kind, word.author, word.body_bytes, word.auth))
        assert (await node.publishing.publish_private(a_principal(wallet.account), item)).reason == "ok"
    held = [len((await again(node)).state.subscriptions.private.topics(each.account)) for each in (READER, OTHER)]
    assert held == [1, 1]
    dropped = b'pushmesh_queue_drops_total{queue="private",reason="store-full"} 1.0'
    assert dropped in node.metrics.exposition()


async def test_retractions_hold_after_a_restart(tmp_path: Path) -> None:
    note = a_note_now(DAPP, 1, audience=[READER.account])
    async with a_node(tmp_path) as node:
        taken_back = signed(
            DAPP, Kind.RETRACTION, seq=2, topic=TOPIC, target=note.id, expires_at=note.body.expires_at + 1_000
        )
        await publish(node, note, taken_back)
    async with a_node(tmp_path) as node:
        page = await node.inboxes.read(a_principal(READER.account), 0, None, 10)
        assert note.id not in [message.envelope.id for message in page.messages]


async def test_void_state_does_not_count_after_a_restart_either(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        first, second = a_subscription(READER, TOPIC, seq=5), a_subscription(READER, Topic(DAPP.account, "b"), seq=5)
        assert words(await publish(node, first)) == [("durable", "ok")]
        assert words(await publish(node, second)) == [("durable", "slot-void")]
        engine = await again(node)
        assert engine.state.subscriptions.of(READER.account, now_ms()) == []
        assert told(engine) == told(node.driver.engine)


async def test_an_empty_store_restores_to_an_empty_engine(node: Node) -> None:
    assert told(await again(node))["last"] == 0


async def test_a_restarted_node_answers_the_same_envelope_with_its_old_number_and_goes_on_above(
    tmp_path: Path,
) -> None:
    notes = [a_note_now(DAPP, seq) for seq in range(3)]
    async with a_node(tmp_path) as node:
        first = await publish(node, *notes)
    async with a_node(tmp_path) as node:
        again_ = await publish(node, *notes, a_note_now(DAPP, 9))
        assert [outcome.commit_no for outcome in again_[:3]] == [outcome.commit_no for outcome in first]
        assert words(again_) == [("durable", "duplicate")] * 3 + [("durable", "ok")]
        assert (again_[3].commit_no or 0) > (first[2].commit_no or 0)
