from pathlib import Path

import pytest

from pushmesh_node.cli import bench_words as words
from pushmesh_node.lab.bench_join import MESH_PEERS, fewest_mesh_peers
from support.commands import pushmesh


def test_the_topic_with_fewest_mesh_peers_counts() -> None:
    peers = [{"mesh_topics": ["a", "b"]}, {"mesh_topics": ["a"]}, {}]
    assert fewest_mesh_peers(peers, topics=2) == 1
    assert fewest_mesh_peers(peers, topics=3) == 0
    assert fewest_mesh_peers([], topics=1) == 0


@pytest.mark.integration
async def test_a_new_node_with_one_bootstrap_address_gets_into_every_mesh(tmp_path: Path) -> None:
    report = (await pushmesh("bench", "join", "--nodes", "5", "--json", cwd=tmp_path, timeout_s=110)).json
    assert report.keys() == {"nodes", "ready_s", "joined_s", "mesh_peers"}
    assert report["nodes"] == 5 and report["mesh_peers"] >= MESH_PEERS
    assert 0 < report["ready_s"] <= report["joined_s"]
    assert list(words.join(report, MESH_PEERS))
