from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pushmesh_node.app import unread
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.app.wallet_states import MOST_NAMED
from pushmesh_node.delivery.wallet_state import ReadState
from pushmesh_node.engine.answers import Principal
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds import Kind
from support.app_world import Ear, a_node, a_note_now, a_principal, a_subscription, publish, signed
from support.until import until
from support.wallets import a_wallet

DAPP, READER, OTHER = a_wallet(1), a_wallet(2), a_wallet(3)
TOPIC = Topic(DAPP.account, "alerts")
ME = a_principal(READER.account)
LIMITED = replace(ME, topics=frozenset([TOPIC]))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with a_node(tmp_path) as node:
        await publish(node, a_subscription(READER, TOPIC))
        yield node


def an_ear(node: Node, device: str, principal: Principal = ME) -> Ear:
    ear = Ear(principal, device=device)
    node.inboxes.listen(ear)
    return ear


def text(node: Node, commit_no: int) -> str:
    return f"{node.store.incarnation.hex()}.{commit_no}"


async def test_what_one_device_acknowledges_is_shown_to_the_others_once_it_is_durable(node: Node) -> None:
    phone, tablet, other = (
        an_ear(node, "phone"),
        an_ear(node, "tablet"),
        an_ear(node, "tab", a_principal(OTHER.account)),
    )
    limited = an_ear(node, "widget", LIMITED)
    await node.inboxes.acknowledge(ME, "phone", 1)
    (event,) = tablet.news
    assert (event.kind, event.key, event.form) == ("acked", "phone", {"device": "phone", "cursor": text(node, 1)})
    await node.inboxes.acknowledge(ME, "phone", 1)
    assert (phone.news, other.news, limited.news, len(tablet.news)) == ([], [], [], 1)
    assert await node.wallets.places(ME) == {"phone": 1}


async def test_what_a_bridge_has_published_is_no_news(node: Node) -> None:
    tablet = an_ear(node, "tablet")
    await node.inboxes.acknowledge(ME, "bridge:home", 1)
    assert tablet.news == []


async def test_reading_is_shown_to_the_other_devices_with_what_is_left(node: Node) -> None:
    notes = [a_note_now(DAPP, seq) for seq in range(5)]
    numbers = [outcome.commit_no or 0 for outcome in await publish(node, *notes)]
    phone, tablet, limited = an_ear(node, "phone"), an_ear(node, "tablet"), an_ear(node, "tablet", LIMITED)
    assert await node.wallets.unread(ME) == 5
    state, left = await node.wallets.read(ME, "phone", numbers[1], [numbers[3]])
    assert (state, left) == (ReadState(numbers[1], (numbers[3],)), 2)
    (event,) = tablet.news
    assert (event.kind, event.form) == (
        "read",
        {"device": "phone", "cursor": text(node, numbers[1]), "messages": [text(node, numbers[3])], "unread": 2},
    )
    assert (phone.news, limited.news) == ([], [])
    assert await node.wallets.unread(LIMITED) == 5
    assert await node.wallets.read_state(LIMITED) == ReadState()


async def test_of_very_many_marks_the_others_are_told_to_ask(node: Node) -> None:
    notes = [a_note_now(DAPP, seq) for seq in range(MOST_NAMED + 1)]
    numbers = [outcome.commit_no or 0 for outcome in await publish(node, *notes)]
    tablet = an_ear(node, "tablet")
    _, left = await node.wallets.read(ME, "phone", 0, numbers)
    assert (tablet.news[0].form["messages"], left) == (None, 0)


async def test_what_was_taken_back_or_expired_is_not_unread(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "FRESH_MS", 0)
    time_ms: int = now_ms()  # a count is told for as long as it took, which is nothing by a clock that stands
    monkeypatch.setattr(node.wallets._unread, "_clock", lambda: time_ms)
    going, staying, ending = a_note_now(DAPP, 1), a_note_now(DAPP, 2), a_note_now(DAPP, 3, expires_at=now_ms() + 60_000)
    await publish(node, going, staying, ending)
    assert await node.wallets.unread(ME) == 3
    retraction = signed(DAPP, Kind.RETRACTION, topic=TOPIC, seq=9, target=going.id, expires_at=going.body.expires_at)
    (outcome,) = await publish(node, retraction)
    assert outcome.level == "durable"
    time_ms += 1
    assert await node.wallets.unread(ME) == 2
    monkeypatch.setattr(node.inboxes, "_clock", lambda: ending.body.expires_at)
    time_ms += 1
    assert await node.wallets.unread(ME) == 1


async def test_places_and_marks_outlive_the_node(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        await publish(node, a_subscription(READER, TOPIC), a_note_now(DAPP, 1), a_note_now(DAPP, 2))
        await node.wallets.read(ME, "phone", 2, [3])
        node.inboxes.reach(ME, "phone", 3)
    async with a_node(tmp_path) as node:
        assert await node.wallets.read_state(ME) == ReadState(2, (3,))
        assert await node.wallets.places(ME) == {"phone": 3}
        assert await node.wallets.unread(ME) == 0


async def test_a_reached_place_is_told_though_nobody_waits_for_it(node: Node) -> None:
    tablet = an_ear(node, "tablet")
    node.inboxes.reach(ME, "phone", 1)
    await until(lambda: tablet.news)
    assert tablet.news[0].key == "phone"
