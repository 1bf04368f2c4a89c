import pytest

from pushmesh_node.lab.sim.records import address_of
from pushmesh_node.lab.sim.wire import Endpoint
from pushmesh_node.lab.sim.world import honest_host
from pushmesh_node.peer.hosts import Address, is_public
from pushmesh_node.remote import subnet_of
from support.sim_world import Ear, a_publisher, a_world, publish


def test_every_node_is_at_a_public_address_in_a_network_of_its_own() -> None:
    hosts = [honest_host(number) for number in range(2_000)]
    assert len({subnet_of(host) for host in hosts}) == 2_000
    assert all(map(is_public, hosts))


def test_a_dial_costs_round_trips_and_one_to_nobody_the_whole_timeout() -> None:
    world = a_world(1)
    ear, nobody = Ear(1, world.clock), Address("ip4", "30.9.9.9", 4001, b"\x09" * 32)
    world.add_endpoint(ear)
    answers: list[tuple[int, bool]] = []
    world.dial(ear, address_of(world.nodes[0]), lambda link: answers.append((world.clock.now_us, link is not None)))
    world.dial(ear, nobody, lambda link: answers.append((world.clock.now_us, link is not None)))
    world.run_until(11)
    latency_us = world.paths.latency_us(ear.node_id, world.nodes[0].node_id)
    assert answers == [(8 * latency_us, True), (10_000_000, False)]


def test_a_dial_to_another_host_than_the_peers_reaches_nobody() -> None:
    world = a_world(1)
    ear = Ear(1, world.clock)
    answers: list[object] = []
    world.dial(ear, Address("ip4", "30.9.9.9", 4001, world.nodes[0].node_id), answers.append)
    world.run_until(11)
    assert answers == [None]


def test_a_connection_that_a_gate_refuses_is_no_beginning() -> None:
    world = a_world(1)
    ear = Ear(1, world.clock)
    ear.refuses = "not-today"
    with pytest.raises(ValueError, match="not-today"):
        world.connect(world.nodes[0], ear)


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    def story(seed: int) -> list[object]:
        world = a_world(6, seed=seed)
        publisher, _ = a_publisher(world)
        world.run_until(3)
        publish(world, publisher, world.nodes[0], 16_384)
        world.run_until(30)
        (sample,) = world.measures.samples
        return [world.measures.delays_us(sample), [node.bytes for node in world.nodes]]

    assert story(1) == story(1)
    assert story(1) != story(2)


def test_who_is_cut_off_is_noticed_by_pings_and_cannot_be_dialled_until_the_path_heals() -> None:
    world = a_world(2, connected=False)
    one, other = world.nodes
    world.introduce(one, [other])
    world.run_until(3)

    def apart(a: Endpoint, b: Endpoint) -> bool:
        return True

    world.cut(apart)
    world.run_until(3.1)
    assert one.peering.links
    world.run_until(30)
    assert not one.peering.links and not other.peering.links
    world.run_until(60)
    assert not one.peering.links
    world.heal()
    world.run_until(180)
    assert one.peering.links
