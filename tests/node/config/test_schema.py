import msgspec

from pushmesh_node import ipc
from pushmesh_node.config.schema import GossipConfig


def test_bounds_that_the_gossip_process_has_too_have_the_same_defaults() -> None:
    ours = msgspec.structs.asdict(GossipConfig())
    theirs = msgspec.structs.asdict(ipc.Settings())
    shared = ours.keys() & theirs.keys()
    assert {"max_peers", "target_peers", "max_connections_per_ip", "exempt_loopback"} <= shared
    assert {key: ours[key] for key in shared} == {key: theirs[key] for key in shared}
