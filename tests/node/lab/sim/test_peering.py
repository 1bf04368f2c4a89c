from dataclasses import replace

from pushmesh_node.ipc import Settings
from pushmesh_node.lab.sim.plan import topics_of
from pushmesh_node.lab.sim.records import address_of
from pushmesh_node.lab.sim.world import World
from pushmesh_node.peer.bans import PEER_FAULTS
from support.sim_world import NETWORK, Ear, a_world


def test_a_node_dials_its_bootstrap_peers_and_both_ends_know_each_other() -> None:
    world = a_world(3, connected=False)
    first, second, third = world.nodes
    world.introduce(first, [second, third])
    world.run_until(3)
    assert set(first.peering.links) == {second.node_id, third.node_id}
    assert second.peering.book.addresses(first.node_id) == [address_of(first)]


def test_dials_that_cross_leave_one_connection() -> None:
    world = a_world(2, connected=False)
    one, other = world.nodes
    world.introduce(one, [other])
    world.introduce(other, [one])
    world.run_until(5)
    assert list(one.peering.links) == [other.node_id]
    assert one.peering.links[other.node_id] is other.peering.links[one.node_id]


def test_a_full_node_refuses_and_keeps_room_for_its_own_dials() -> None:
    settings = Settings(max_peers=4)
    world = World(NETWORK, 1, 6)
    topics = topics_of(world, shard=0)
    full = world.add_node(topics, settings)
    others = [world.add_node(topics) for _ in range(5)]
    for other in others[:4]:
        world.introduce(other, [full])
    world.run_until(5)
    assert len(full.peering.links) == 3  # a quarter of the room is its own
    world.introduce(full, [others[4]])
    world.run_until(10)
    assert len(full.peering.links) == 4


def test_who_broke_the_rules_too_often_is_refused() -> None:
    world = a_world(1)
    (node,) = world.nodes
    ear = Ear(1, world.clock)
    world.add_endpoint(ear)
    for _ in range(PEER_FAULTS):
        link = world.connect(ear, node)
        link.close(node, "malformed-rpc")
    assert node.peering.bans.peers.is_banned(ear.node_id, world.clock.now_ms)
    answers: list[object] = []
    world.dial(ear, address_of(node), answers.append)
    world.run_until(5)
    assert answers == [None]


def test_a_graylisted_peer_is_banned_at_once() -> None:
    world = a_world(2)
    one, other = world.nodes
    one.peering.links[other.node_id].close(one, "graylisted")
    assert one.peering.bans.peers.is_banned(other.node_id, world.clock.now_ms)


def test_recommended_peers_are_dialled_only_where_the_speaker_may_send_this_node() -> None:
    world = a_world(2, connected=False)
    one, other = world.nodes
    one.peering.recommended("30.0.0.1", replace(address_of(other), host="127.0.0.1"))
    assert other.node_id not in one.peering.book
    one.peering.recommended("30.0.0.1", address_of(other))
    world.run_until(3)
    assert list(one.peering.links) == [other.node_id]


def test_a_lost_peer_is_dialled_again() -> None:
    world = a_world(2, connected=False)
    one, other = world.nodes
    world.introduce(one, [other])
    world.run_until(3)
    one.peering.links[other.node_id].close(other, "bored")
    world.run_until(3.5)
    assert not one.peering.links
    world.run_until(10)
    assert list(one.peering.links) == [other.node_id]
