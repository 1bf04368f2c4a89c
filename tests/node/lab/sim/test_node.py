from pushmesh_node.gossip.events import Subscribed
from pushmesh_node.gossip.wire.rpc import Message, Rpc
from pushmesh_node.lab.sim.adversary import Adversary
from pushmesh_node.lab.sim.node import SimNode
from pushmesh_node.lab.sim.world import World
from pushmesh_node.peer.bans import PEER_FAULTS
from pushmesh_protocol.frames import encode_frame, gossip_topic_of
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.reasons import Reason
from support.envelopes import a_note
from support.sim_world import NETWORK, a_publisher, a_world, delivered, publish


def a_siege(nodes: int) -> tuple[World, Adversary]:
    """A world in which one sybil is connected to every node."""
    world = a_world(nodes, sync=False)
    adversary = Adversary(world, 1)
    adversary.add_sybil()
    for node in world.nodes:
        world.connect(adversary.sybils[0], node)
    world.run_until(3)
    return world, adversary


def score(node: SimNode, adversary: Adversary) -> float:
    return node.gossip.router.score_of(adversary.sybils[0].node_id)


def test_what_one_publishes_reaches_all_and_nobody_is_blamed() -> None:
    world = a_world(5, sync=False)
    publisher, _ = a_publisher(world)
    world.run_until(5)
    publish(world, publisher, world.nodes[0])
    world.run_until(8)
    assert delivered(world) == 1.0
    assert not world.measures.penalties and not world.measures.rejects


def test_a_frame_that_must_be_rejected_costs_its_sender_and_goes_no_further() -> None:
    world, adversary = a_siege(3)
    now_ms = world.clock.unix_ms
    forged = a_note(NETWORK, issued_at=now_ms, expires_at=now_ms + DAY_MS)
    topic, data = gossip_topic_of(NETWORK, forged.envelopes[0]), encode_frame([forged])
    victim, *others = world.nodes
    before = score(victim, adversary)
    victim.gossip.handle(Subscribed(frozenset({topic})))
    adversary.sybils[0].publish(victim, topic, data)
    world.run_until(5)
    assert world.measures.rejects == {Reason.BAD_SIGNATURE: 1}
    assert score(victim, adversary) <= before - 100
    assert [score(other, adversary) for other in others] == [before] * 2


def test_bytes_that_are_no_rpc_end_the_connection() -> None:
    world, adversary = a_siege(2)
    sybil, victim = adversary.sybils[0], world.nodes[0]
    link = sybil.links[victim.node_id]
    sybil.send(victim, Rpc(messages=tuple([Message("t", b"")] * 5_000)))
    world.run_until(3.2)
    assert not link.is_open_at(victim)
    for _ in range(PEER_FAULTS - 1):
        assert not victim.peering.bans.peers.is_banned(sybil.node_id, world.clock.now_ms)
        victim.peering.bans.fault(sybil.host, sybil.node_id, world.clock.now_ms)
    assert victim.peering.bans.peers.is_banned(sybil.node_id, world.clock.now_ms)


def test_a_node_that_starts_again_has_its_store_and_gets_what_it_missed() -> None:
    world = a_world(4)
    publisher, _ = a_publisher(world)
    for node in world.nodes:
        world.introduce(node, [other for other in world.nodes if other is not node])
    world.run_until(3)
    publish(world, publisher, world.nodes[0])
    world.run_until(5)
    leaver = world.nodes[1]
    held = leaver.main.store.last_commit
    leaver.stop()
    world.run_until(6)
    assert not leaver.peering.links
    publish(world, publisher, world.nodes[0])
    world.run_until(8)
    assert delivered(world) < 1.0
    leaver.start()
    world.run_until(30)
    assert leaver.main.store.last_commit > held
    assert delivered(world) == 1.0


def test_bytes_are_counted_by_what_they_are() -> None:
    world = a_world(4, sync=False)
    publisher, _ = a_publisher(world)
    world.run_until(5)
    publish(world, publisher, world.nodes[0])
    world.run_until(8)
    (sample,) = world.measures.samples
    assert [node.bytes.payload for node in world.nodes] == [0] + [sample.size_bytes] * 3
    assert all(node.bytes.duplicate % sample.size_bytes == 0 for node in world.nodes)
    assert all(node.bytes.control > 0 and node.bytes.sync == 0 for node in world.nodes)
    sent, received = (sum(each) for each in zip(*[(n.bytes.sent, n.bytes.gossip) for n in world.nodes], strict=True))
    assert sent == received
