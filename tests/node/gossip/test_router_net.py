"""Many routers, connected by a network that may lose what they send."""

import pytest

from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.gossip.wire.message_id import message_id
from support.router_net import RouterNet, random_net
from support.router_world import T, U


def test_twenty_routers_deliver_everything_without_flooding() -> None:
    net = random_net(20, 8, [T])
    net.run(3_000)
    nodes = list(net.nodes.values())
    ids = []
    for at in range(40):
        ids.append(net.publish(nodes[at % 20].node_id, T, b"%d" % at * 300))
        net.run(100)
    net.run(5_000)
    assert [net.reached(one) for one in ids] == [20] * 40
    links = sum([len(node.links) for node in nodes])
    copies = sum([sum(node.copies.values()) for node in nodes])
    assert copies < 40 * links * 0.8  # a flood sends each message over each link at least once


def test_meshes_settle_within_their_bounds() -> None:
    net = random_net(20, 14, [T])
    net.run(20_000)
    p = net.parameters.mesh
    for node in net.nodes.values():
        assert p.d_low <= len(node.router.mesh_of(T)) <= p.d_high + p.d_out
        for other in node.router.mesh_of(T):
            assert node.node_id in net.nodes[other].router.mesh_of(T)


def test_what_is_lost_in_the_mesh_comes_by_lazy_gossip() -> None:
    net = random_net(20, 16, [T])
    net.run(10_000)
    chance = net.random
    net.loses = lambda sender, receiver, rpc: bool(rpc.messages) and chance.random() < 0.6
    ids = [net.publish(node_id, T, b"%d" % at) for at, node_id in enumerate(net.nodes)]
    net.run(500)
    net.loses = lambda sender, receiver, rpc: False
    assert any(net.reached(one) < 20 for one in ids)
    net.run(4_000)
    assert [net.reached(one) for one in ids] == [20] * 20


def test_a_hub_with_more_leaves_than_its_mesh_holds_reaches_them_all() -> None:
    net = RouterNet()
    hub = net.add([T])
    leaves = [net.add([T]) for _ in range(50)]
    for leaf in leaves:
        net.link(leaf, hub)
    net.run(5_000)
    assert len(net.nodes[hub].router.mesh_of(T)) <= net.parameters.mesh.d_high
    ids = [net.publish(leaves[at], T, b"%d" % at) for at in range(20)]
    net.run(4_000)
    assert [net.reached(one) for one in ids] == [51] * 20


def test_the_same_seed_has_the_same_effects() -> None:
    def log(seed: int) -> list[object]:
        net = random_net(12, 6, [T, U], seed=seed)
        for at, node_id in enumerate(net.nodes):
            net.publish(node_id, T, b"%d" % at * 500)
            net.run(700)
        return [entry for node in net.nodes.values() for entry in node.log]

    assert log(7) == log(7)
    assert log(7) != log(8)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_either_dialect_delivers(dialect: Dialect) -> None:
    net = RouterNet()
    one, other, third = (net.add([T]) for _ in range(3))
    net.link(one, other, dialect)
    net.link(other, third, dialect)
    net.run(2_000)
    big = net.publish(one, T, b"x" * 2_000)
    net.run(2_000)
    assert net.reached(big) == 3
    assert message_id(T, b"x" * 2_000) == big
