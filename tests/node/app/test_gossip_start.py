from pushmesh_node.app.gossip_start import start_message
from pushmesh_node.config import load_config
from support.app_world import NETWORK, SEED


def test_the_settings_of_the_mesh_reach_its_process() -> None:
    config = load_config(None, {}, {"gossip.max_peers": 20, "gossip.target_peers": 5, "gossip.announce": []})
    start = start_message(config, NETWORK, SEED)
    assert (start.settings.max_peers, start.settings.target_peers, start.shards) == (20, 5, NETWORK.shard_count)
    assert start.control_kinds == ["topic", "grant", "revocation", "node_binding"]
    assert start.stream_protocols == ["/pushmesh/sync/1", "/pushmesh/hold/1", "/pushmesh/outcome/1"]


def test_whom_the_operator_named_is_told_by_what_they_are() -> None:
    one, other = ("/ip4/10.0.0.1/tcp/4001/p2p/12D3KooW", "/ip4/10.0.0.2/tcp/4001/p2p/12D3KooW")
    config = load_config(None, {}, {"gossip.bootstrap": [one], "gossip.direct": [other]})
    start = start_message(config, NETWORK, SEED)
    assert (start.bootstrap, start.direct) == ([one], [other])
