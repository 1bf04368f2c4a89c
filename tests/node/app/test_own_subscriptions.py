import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pushmesh_client.compose import signed_envelope
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.app.own_subscriptions import OwnSubscriptions
from pushmesh_node.curation import NO_POLICY
from pushmesh_node.delivery.following import Change, Following
from pushmesh_node.engine.records import VoidMark
from pushmesh_node.engine.state import State
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import Kind
from support.app_world import (
    NETWORK,
    WAIT_S,
    a_grant_now,
    a_principal,
    a_revocation,
    a_subscription,
    publish,
    signed,
)
from support.bodies import a_body
from support.wallets import a_wallet

DAPP, OWNER, OTHER = a_wallet(1), a_wallet(2), a_wallet(3)
NEWS, ALERTS = Topic(DAPP.account, "news"), Topic(DAPP.account, "alerts")
ME = a_principal(OWNER.account)


async def told(following: Following) -> Sequence[Change]:
    async with asyncio.timeout(WAIT_S):
        return await following.changes()


async def test_the_whole_set_comes_first_and_then_each_change(node: Node) -> None:
    on = a_subscription(OWNER, NEWS, 1)
    await publish(node, on)
    with node.own_subscriptions.follow(ME) as following:
        assert await told(following) == [Change(NEWS, on)]
        later = a_subscription(OWNER, ALERTS, 2)
        off = signed(OWNER, Kind.SUBSCRIPTION, topic=NEWS, seq=3, on=False, issued_at=on.body.issued_at + 1)
        await publish(node, a_subscription(OTHER, NEWS, 1), later)
        assert await told(following) == [Change(ALERTS, later)]
        await publish(node, off)
        assert await told(following) == [Change(NEWS, off)]
    assert not node.own_subscriptions._followers


async def test_an_empty_set_is_told_at_once(node: Node) -> None:
    with node.own_subscriptions.follow(ME) as following:
        assert await told(following) == []


async def test_many_changes_that_nobody_took_are_told_as_what_is_in_force_now(node: Node) -> None:
    with node.own_subscriptions.follow(ME) as following:
        await told(following)
        first = a_subscription(OWNER, NEWS, 1)
        newest = signed(OWNER, Kind.SUBSCRIPTION, topic=NEWS, seq=2, issued_at=first.body.issued_at + 5)
        other = a_subscription(OWNER, ALERTS, 3)
        for envelope in (first, newest, other):
            await publish(node, envelope)
        assert await told(following) == [Change(ALERTS, other), Change(NEWS, newest)]


async def test_a_token_for_some_topics_follows_these(node: Node) -> None:
    with node.own_subscriptions.follow(replace(ME, topics=frozenset([ALERTS]))) as following:
        assert await told(following) == []
        alerts = a_subscription(OWNER, ALERTS, 2)
        await publish(node, a_subscription(OWNER, NEWS, 1), alerts)
        assert await told(following) == [Change(ALERTS, alerts)]


async def test_what_a_revoked_key_had_signed_is_told_to_be_gone(node: Node) -> None:
    session = a_grant_now(OWNER, (int(Kind.SUBSCRIPTION),))
    issued_at = now_ms()
    times = {"issued_at": issued_at, "expires_at": issued_at + 400 * 86_400_000}
    body = a_body(Kind.SUBSCRIPTION, OWNER.account, topic=NEWS, seq=2**31 + 1, **times)
    by_key = signed_envelope(NETWORK, session.key, OWNER.account, Kind.SUBSCRIPTION, body)
    await publish(node, session.grant)
    await publish(node, by_key)
    with node.own_subscriptions.follow(ME) as following:
        assert await told(following) == [Change(NEWS, by_key)]
        await publish(node, a_revocation(OWNER, session))
        assert await told(following) == [Change(NEWS, None)]


async def test_what_expires_is_told_to_be_gone(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    with node.own_subscriptions.follow(ME) as following:
        await told(following)
        short = signed(OWNER, Kind.SUBSCRIPTION, topic=NEWS, seq=1, expires_at=now_ms() + 60_000)
        await publish(node, short)
        assert await told(following) == [Change(NEWS, short)]
        monkeypatch.setattr(node.own_subscriptions, "_clock", lambda: short.body.expires_at)
        node.own_subscriptions.tick()
        assert await told(following) == [Change(NEWS, None)]


async def test_a_private_word_is_told_to_its_wallet(node: Node) -> None:
    private = signed(OWNER, Kind.PRIVATE_SUBSCRIPTION, topic=NEWS, seq=0)
    with node.own_subscriptions.follow(ME) as following:
        await told(following)
        item = ItemForm(private.kind, private.author, pack(private.body), private.auth)
        outcome = await node.publishing.publish_private(ME, pack(item))
        assert outcome.level == "durable", outcome
        assert await told(following) == [Change(NEWS, private)]


async def test_void_pairs_of_strangers_wake_nobody_before_the_next_tick() -> None:
    looked = 0
    state = State(NETWORK, NO_POLICY)

    def looked_at() -> State:
        nonlocal looked
        looked += 1
        return state

    own = OwnSubscriptions(looked_at, now_ms)
    with own.follow(ME) as following:
        assert await told(following) == []
        waiting = asyncio.create_task(following.changes())
        for _ in range(20):
            own.stored([VoidMark(1), VoidMark(2)])
            await asyncio.sleep(0)
        assert looked == 1
        for _ in range(3):
            own.tick()
            await asyncio.sleep(0)
        assert looked == 2
        waiting.cancel()


async def test_a_word_that_turns_out_void_is_told_to_be_gone(node: Node) -> None:
    on = a_subscription(OWNER, NEWS, 1)
    await publish(node, on)
    with node.own_subscriptions.follow(ME) as following:
        assert await told(following) == [Change(NEWS, on)]
        issued_at = on.body.issued_at
        own = Topic(OWNER.account, "own")
        await publish(node, signed(OWNER, Kind.NOTIFICATION, topic=own, seq=1, issued_at=issued_at))
        assert await told(following) == [Change(NEWS, None)]
