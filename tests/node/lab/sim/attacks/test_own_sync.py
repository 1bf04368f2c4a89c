import pytest

from pushmesh_node.app.sync_state import CLOCK_MS, clock_offset_ms, is_in_sync
from pushmesh_node.lab.sim.adversary import Adversary
from pushmesh_node.lab.sim.registry import ATTACKS
from pushmesh_node.lab.sim.world import World
from pushmesh_node.sync import memory
from support.attacks import is_held_off, small_siege
from support.sim_world import a_publisher, a_world, delivered, publish


@pytest.mark.parametrize("name", ["poisoned-peer", "floor-lie", "clock-drift", "heal-flood"])
def test_a_small_network_holds_it_off(name: str) -> None:
    siege, _ = small_siege(name)
    assert is_held_off(siege)


def visited(name: str, nodes: int, sybils: int) -> tuple[World, Adversary]:
    """An honest mesh with some of these sybils at its first node."""
    world = a_world(nodes)
    adversary = ATTACKS[name].make(world, sybils)
    adversary.prepare()
    for sybil in adversary.sybils:
        world.connect(sybil, world.nodes[0])
    return world, adversary


def test_who_lists_what_nobody_has_counts_no_more_and_without_memory_it_would() -> None:
    world, adversary = visited("poisoned-peer", 3, 2)
    publisher, _ = a_publisher(world)
    world.run_until(60)
    publish(world, publisher, world.nodes[1])
    world.run_until(120)
    states = world.nodes[0].sync.states()
    assert all(not states[sybil.node_id].counts() for sybil in adversary.sybils if sybil.node_id in states)
    assert is_in_sync(states.values(), world.clock.unix_ms) and delivered(world) == 1.0


def test_without_the_memory_of_what_was_withheld_a_node_never_is_in_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.PeerMemory, "judge", lambda self: False)
    world, adversary = visited("poisoned-peer", 2, 3)
    world.run_until(120)
    states = world.nodes[0].sync.states()
    assert all(states[sybil.node_id].counts() for sybil in adversary.sybils if sybil.node_id in states)


def test_a_peer_whose_floor_is_above_says_nothing_about_being_in_sync() -> None:
    world, _ = visited("floor-lie", 1, 3)
    world.run_until(30)
    states = world.nodes[0].sync.states()
    assert len(states) == 3 and all(state.has_floor_above for state in states.values())
    assert is_in_sync(states.values(), world.clock.unix_ms) is None


@pytest.mark.parametrize(("sybils", "is_moved"), [(3, False), (8, True)])
def test_clocks_of_a_minority_move_nobody(sybils: int, is_moved: bool) -> None:
    world, _ = visited("clock-drift", 6, sybils)
    world.run_until(30)
    offset_ms = clock_offset_ms(world.nodes[0].sync.states())
    assert (abs(offset_ms) > CLOCK_MS) is is_moved
