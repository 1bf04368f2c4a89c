import pytest

from pushmesh_node.gossip.parameters import RouterParameters, ScoreParameters
from pushmesh_node.lab.sim.siege import Defences
from support.attacks import PUSH_ALONE, is_held_off, small_siege


@pytest.mark.parametrize("name", ["ihave-lies", "iwant-drain"])
def test_a_small_network_holds_it_off(name: str) -> None:
    siege, _ = small_siege(name)
    assert is_held_off(siege)


@pytest.mark.parametrize("name", ["ihave-lies", "iwant-drain"])
def test_a_mesh_alone_loses_frames_to_it(name: str) -> None:
    siege, _ = small_siege(name, PUSH_ALONE)
    assert siege.delivered_fraction < 1.0


def test_lies_delay_frames_where_nobody_can_earn_trust() -> None:
    trustless = Defences(router=RouterParameters(score=ScoreParameters(opportunistic_graft_threshold=float("inf"))))
    slow, _ = small_siege("ihave-lies", trustless)
    quick, _ = small_siege("ihave-lies")
    assert slow.p99_ms > quick.p99_ms
