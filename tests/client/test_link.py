import asyncio

import pytest

from pushmesh_client.counts import InboxCounts
from pushmesh_client.errors import BadAnswer, Refused, TimedOut, Unreachable
from pushmesh_client.link import FIRST_DELAY_S, LONGEST_DELAY_S, Link
from pushmesh_client.transports.contract import Request
from support.fake_transport import FakeNode

REQUEST = Request("phone", "0", None)


def a_node(number: int, *refusals: Exception) -> FakeNode:
    return FakeNode(bytes([number]) * 32, Unreachable("gone"), refusals=list(refusals))


def a_link(*nodes: FakeNode) -> Link:
    return Link([node.source() for node in nodes], REQUEST, InboxCounts())


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return taken


async def test_nodes_are_tried_in_turn_until_one_takes_the_log_in() -> None:
    nodes = [a_node(1, Unreachable("away")), a_node(2, TimedOut("slow")), a_node(3, BadAnswer("odd")), a_node(4)]
    link = a_link(*nodes)
    await link.open({})
    assert (link.node_id, link.connected.is_set(), list(link.nodes)) == (nodes[3].id, True, [nodes[3].id])
    await link.close()
    await link.close()
    assert (link.transport, link.connected.is_set(), nodes[3].opened) == (None, False, 0)


async def test_a_node_that_loses_every_connection_at_once_keeps_nobody_from_the_next_node(pauses: list[float]) -> None:
    nodes = [a_node(1), a_node(2)]
    link = a_link(*nodes)
    opened = []
    for _ in range(4):
        await link.open({})
        opened.append(link.node_id)
        await link.close()
    assert opened == [nodes[0].id, nodes[1].id] * 2
    assert len(pauses) == 1


async def test_each_turn_of_all_nodes_is_followed_by_a_longer_pause_up_to_a_bound(pauses: list[float]) -> None:
    link = a_link(a_node(1))
    for _ in range(40):
        await link.open({})
        await link.close()
    assert len(pauses) == 39
    assert FIRST_DELAY_S / 2 <= pauses[0] <= FIRST_DELAY_S < pauses[3]
    assert LONGEST_DELAY_S / 2 <= min(pauses[8:]) <= max(pauses) <= LONGEST_DELAY_S


async def test_a_connection_that_held_lets_the_first_node_be_tried_first_again(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [a_node(1), a_node(2)]
    link = a_link(*nodes)
    await link.open({})
    monkeypatch.setattr("pushmesh_client.link.LONGEST_DELAY_S", -1.0)
    await link.close()
    await link.open({})
    assert link.node_id == nodes[0].id


async def test_each_node_is_asked_to_go_on_after_its_own_cursor() -> None:
    nodes = [a_node(1, Unreachable("away")), a_node(2)]
    await a_link(*nodes).open({nodes[1].id: "c.7"})
    assert [node.requests for node in nodes] == [[REQUEST], [Request("phone", "c.7", None)]]


async def test_a_node_that_does_not_know_the_grant_is_told_it_once() -> None:
    node = a_node(1, Refused("", reason="unknown-grant"))
    await a_link(node).open({})
    assert (node.introduced, node.opened) == (1, 1)
    stubborn = a_node(2, *(Refused("", reason="unknown-grant") for _ in range(2)))
    with pytest.raises(Refused):
        await a_link(stubborn).open({})
    assert stubborn.introduced == 1


async def test_a_refusal_that_trying_again_cannot_mend_is_raised() -> None:
    with pytest.raises(Refused, match="grant-revoked"):
        await a_link(a_node(1, Refused("", reason="grant-revoked")), a_node(2)).open({})


@pytest.mark.parametrize("reason", ["too-old", "not-ready"])
async def test_what_passes_by_itself_is_tried_again_with_another_log_in(reason: str, pauses: list[float]) -> None:
    link = a_link(a_node(1, Refused("", reason=reason)))
    await link.open({})
    assert link.connected.is_set() and len(pauses) == 1
    await link.close()
