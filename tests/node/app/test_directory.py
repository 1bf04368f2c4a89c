import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.directory import Directory
from pushmesh_node.app.node import Node
from pushmesh_node.engine.answers import Denied
from pushmesh_node.engine.records import LateMark
from pushmesh_node.storage import StoreFailed
from pushmesh_protocol.accounts import Topic, display_account
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import load_network
from pushmesh_protocol.types import EnvelopeId
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
)
from support.wallets import a_wallet

DAPP, READER, OTHER = a_wallet(1), a_wallet(2), a_wallet(3)
TOPIC = Topic(DAPP.account, "alerts")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with a_node(tmp_path, curation__mute_accounts=[display_account(OTHER.account)]) as node:
        yield node


@pytest.fixture
def directory(node: Node) -> Directory:
    edges = {"publish_window": 7}
    return Directory(NETWORK, lambda: node.driver.engine.state, node.store, node.opener, node.status, now_ms, edges)


async def test_a_topic_and_its_subscribers_are_public_state(node: Node, directory: Directory) -> None:
    assert directory.topic(TOPIC) is None
    details = signed(DAPP, Kind.TOPIC, seq=9)
    await publish(node, details, a_subscription(READER, TOPIC), a_subscription(OTHER, TOPIC))
    assert directory.topic(TOPIC) == details
    assert directory.subscriber_count(TOPIC) == 2
    first, second = sorted([READER.account, OTHER.account])
    assert directory.subscribers(TOPIC, None, 10) == [first, second]
    assert directory.subscribers(TOPIC, None, 1) == [first]
    assert directory.subscribers(TOPIC, first, 10) == [second]
    assert directory.subscribers(TOPIC, second, 10) == []
    assert [each.topic for each in directory.subscriptions_of(READER.account)] == [TOPIC]


async def test_grants_are_listed_with_their_state(node: Node, directory: Directory) -> None:
    session = a_grant_now(READER, (128, 130))
    await publish(node, session.grant)
    (told,) = directory.grants_of(READER.account)
    assert (told["id"], told["scopes"], told["revoked"]) == (session.grant_id.hex(), ["login", "voucher"], False)
    await publish(node, a_revocation(READER, session))
    (told,) = directory.grants_of(READER.account)
    assert told["revoked"] is True
    assert directory.grants_of(OTHER.account) == []


async def test_free_slots_are_within_allowance_and_not_taken(node: Node, directory: Directory) -> None:
    half = NETWORK.parameters.allowance(DAPP.account) // 2
    await publish(node, *(a_note_now(DAPP, seq) for seq in range(4)))
    assert sorted(await directory.free_slots(DAPP.account, 0, 8, 8)) == [4, 5, 6, 7]
    assert await directory.free_slots(DAPP.account, 0, 4, 8) == []
    seqs = await directory.free_slots(DAPP.account, 0, 2**31, 100)
    assert len(set(seqs)) == 100 and max(seqs) < half
    start = NETWORK.wallet_range + 10
    assert sorted(await directory.free_slots(DAPP.account, start, start + 3, 9)) == [start, start + 1, start + 2]
    assert await directory.free_slots(DAPP.account, 8, 8, 3) == []


async def test_free_slots_are_all_of_one_range_since_no_key_signs_in_both(tmp_path: Path) -> None:
    none_allowed = replace(NETWORK, parameters=replace(NETWORK.parameters, default_allowance=0, allowances={}))
    half = NETWORK.wallet_range
    async with a_node(tmp_path) as node:
        directory = Directory(
            none_allowed, lambda: node.driver.engine.state, node.store, node.opener, node.status, now_ms, {}
        )
        wallets = await directory.free_slots(DAPP.account, 0, 2**32, 200)
        keys = await directory.free_slots(DAPP.account, half, 2**32, 200)
    assert len(wallets) == len(keys) == 200
    assert max(wallets) < half <= min(keys)


async def test_a_token_of_some_topics_explains_those_alone(node: Node, directory: Directory) -> None:
    note = a_note_now(DAPP)
    await publish(node, note)
    assert note.topic is not None
    covered = replace(a_principal(READER.account), topics=frozenset([note.topic]))
    assert (await directory.explain(covered, note.id, None))["id"] == note.id.hex()
    with pytest.raises(Denied, match="forbidden"):
        await directory.explain(replace(covered, topics=frozenset([Topic(DAPP.account, "other")])), note.id, None)


async def test_a_store_that_cannot_be_read_is_no_fault_of_ours(
    node: Node, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreFailed("disk gone")

    for question in ("find", "holders", "epoch_totals"):
        monkeypatch.setattr(node.store, question, fail)
    me = a_principal(READER.account)
    for asked in (
        directory.explain(me, EnvelopeId(bytes(32)), None),
        directory.free_slots(DAPP.account, 0, 8, 1),
        directory.points(None),
    ):
        with pytest.raises(Denied, match="store-failed"):
            await asked


async def test_explain_tells_the_recorded_decision_beside_a_fresh_one(node: Node, directory: Directory) -> None:
    other_topic = Topic(OTHER.account, "alerts")
    await publish(node, a_subscription(READER, other_topic))
    note = signed(OTHER, Kind.NOTIFICATION, topic=other_topic, seq=3)
    await publish(node, note)
    me = a_principal(READER.account)
    fresh = await directory.explain(me, note.id, None)
    assert (fresh["verdict"], fresh["reason"], fresh["recorded"]) == ("hold", "muted-by-operator", None)
    assert fresh["counterfactual"] and [step for step in fresh["steps"] if step["decided"]]
    await node.inboxes.read(me, 0, None, 10)
    told = await directory.explain(me, note.id, note.body.issued_at)
    assert (told["recorded"]["verdict"], told["recorded"]["reason"]) == ("hold", "muted-by-operator")
    assert told["recorded"]["policy_hash"] == node.policy.hash.hex() == told["policy_hash"]
    assert told["recorded"]["preferences_hash"] == told["preferences_hash"]
    json.dumps(told)
    with pytest.raises(Denied, match="not-found"):
        await directory.explain(me, EnvelopeId(bytes(32)), None)


async def test_points_are_of_the_current_epoch_unless_another_is_asked_for(directory: Directory) -> None:
    epoch = NETWORK.epoch(now_ms())
    nothing = {"wallets": 0, "count": 0, "units": 0, "accounts": []}
    assert await directory.points(None) == {"epoch": epoch} | nothing
    assert await directory.points(5) == {"epoch": 5} | nothing


async def test_limits_say_everything_a_client_must_keep_to(directory: Directory) -> None:
    limits = directory.limits()
    json.dumps(limits)
    assert load_network(limits["network_file"]).id == NETWORK.id
    assert limits["epoch"]["current"] == NETWORK.epoch(now_ms())
    assert limits["edges"] == {"publish_window": 7}
    assert limits["bytes"]["frame_bytes"] == NETWORK.limits.frame_bytes
    assert limits["longest_life_ms"]["notification"] == NETWORK.lives_ms[Kind.NOTIFICATION]


async def test_readiness_is_the_nodes_own(node: Node, directory: Directory) -> None:
    assert (directory.not_ready(), directory.status()["ready"]) == ([], True)
    node.status.draining = True
    assert (directory.not_ready(), directory.status()["ready"]) == (["draining"], False)


async def test_what_sync_brought_after_its_time_is_explained_as_late(node: Node, directory: Directory) -> None:
    note = a_note_now(DAPP, 1)
    await publish(node, a_subscription(READER, TOPIC), note)
    who = a_principal(READER.account)
    before = await directory.explain(who, note.id, None)
    await node.store.commit([LateMark(2)])
    told = await directory.explain(who, note.id, None)
    assert [(each["verdict"], each["reason"]) for each in (before, told)] == [("now", "subscribed"), ("silent", "late")]
    assert "had reached this node in time" in told["counterfactual"]
