from random import Random

from pushmesh_node.gossip.events import PeerConnected, Subscribed
from pushmesh_node.gossip.parameters import RouterParameters
from pushmesh_node.ipc import Settings
from pushmesh_node.lab.sim.routers import mesh_of, new_router
from pushmesh_node.lab.sim.sense import SharedSense
from support.sim_world import NETWORK


def test_a_router_is_bounded_by_the_settings_of_its_node() -> None:
    router = new_router(RouterParameters(), Settings(max_peers=2), Random(1), SharedSense(NETWORK))
    router.handle(Subscribed(frozenset({"t"})), 0)
    effects = [router.handle(PeerConnected(bytes([name]) * 32), 0) for name in range(3)]
    assert len(router.peers()) == 2
    assert any("Disconnect" in type(effect).__name__ for effect in effects[2])
    assert list(mesh_of(router, "t")) == []
