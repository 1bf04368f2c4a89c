from dataclasses import replace

import msgspec
import pytest

from pushmesh_node.lab.sim.attacks.published_crowd import Crowd
from pushmesh_node.lab.sim.siege import Defences, honest_world


def seats_of_a_crowd(**settings: int) -> int:
    """Connections that forty sybils hold around the first of four nodes after twenty seconds."""
    defences = Defences()
    defences = replace(defences, settings=msgspec.structs.replace(defences.settings, **settings))
    world, topics = honest_world(4, 1, 3, defences)
    crowd = Crowd(world, 40)
    crowd.topics, crowd.publishers = topics, world.nodes
    crowd.attack_from(10.0, 40.0)
    world.run_until(30.0)
    return len({sybil.node_id for sybil in crowd.sybils} & world.nodes[0].peering.links.keys())


def test_a_crowd_takes_seats_wherever_there_are_any() -> None:
    assert seats_of_a_crowd() > 4


@pytest.mark.parametrize(("setting", "most"), [("max_peers", 12), ("max_connections_per_ip", 1)])
def test_the_gate_bounds_the_crowd(setting: str, most: int) -> None:
    assert seats_of_a_crowd(**{setting: most}) < seats_of_a_crowd()
