import pytest

from pushmesh_node.gossip.effects import Disconnect
from pushmesh_node.gossip.events import Scored
from support.router_world import A, B, RouterWorld, T


@pytest.mark.parametrize(
    ("score_milli", "in_mesh", "connected"),
    [(0, True, True), (-1, False, True), (-10_000_000, False, True), (-10_000_001, False, False)],
)
def test_what_a_score_costs_at_once(score_milli: int, in_mesh: bool, connected: bool) -> None:
    world = RouterWorld()
    world.meshed(A, B)
    effects = world.do(Scored(A, score_milli))
    assert (A in world.router.mesh_of(T), A in world.router.peers()) == (in_mesh, connected)
    assert (Disconnect(A, "graylisted") in effects) is not connected
    assert B in world.router.mesh_of(T)


def test_a_score_of_nobody_has_no_effect() -> None:
    assert RouterWorld().do(Scored(A, -10_000_001)) == []
