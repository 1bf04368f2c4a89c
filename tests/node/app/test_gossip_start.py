from pushmesh_node.app.gossip_start import start_message
from pushmesh_node.config import load_config
from support.app_world import NETWORK, SEED


def test_the_settings_of_the_mesh_reach_its_process() -> None:
    config = load_config(None, {}, {"gossip.max_peers": 20, "gossip.target_peers": 5, "gossip.announce": []})
    start = start_message(config, NETWORK, SEED)
    assert (start.settings.max_peers, start.settings.target_peers, start.shards) == (20, 5, NETWORK.shard_count)
    assert start.control_kinds == ["topic", "grant", "revocation", "node_binding"]
    assert start.stream_protocols == ["/pushmesh/sync/1", "/pushmesh/hold/1", "/pushmesh/outcome/1"]
