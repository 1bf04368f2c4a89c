"""A short campaign: each kind of kill at least once, both lanes, every promise kept."""

from pathlib import Path

import pytest

from faults.campaign import run_alone, run_mesh
from faults.steps import MESH_STEPS, STEPS, TREE, Kills, share

KILLS = Kills(steps=len(STEPS), moments=1, trees=2, verifying=2, mesh_steps=3, gossip=2)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def test_a_node_alone_keeps_its_word_through_a_kill_at_every_step(tmp_path: Path, seed: int) -> None:
    report, _ = await run_alone(tmp_path, seed, KILLS, print)
    assert report.verdict is not None and report.verdict.holds, "\n".join(map(str, report.verdict.counterexamples[:3]))  # type: ignore[union-attr]  # told where it is
    assert report.kills.total() == KILLS.steps + KILLS.moments + KILLS.verifying
    assert report.verdict.durable > report.kills.total()
    assert report.node_faults == []


async def test_a_mesh_keeps_its_word_through_kills_of_trees_and_of_the_gossip_process(
    tmp_path: Path, seed: int
) -> None:
    report, _ = await run_mesh(tmp_path, seed, KILLS, print)
    assert report.verdict is not None and report.verdict.holds, "\n".join(map(str, report.verdict.counterexamples[:3]))  # type: ignore[union-attr]  # told where it is
    assert report.kills.total() == KILLS.trees + KILLS.mesh_steps + KILLS.gossip
    assert report.kills[TREE] == KILLS.trees
    assert [line for line in report.node_faults if "the gossip process ended" not in line] == []


def test_a_campaign_has_all_its_kills_and_every_tenth_is_of_a_whole_tree() -> None:
    for total in (10, 37, 1000):
        assert share(total).total == total
        assert share(total).trees == total // 10
    assert share(1000).steps >= 20 * len(STEPS) and share(1000).mesh_steps >= 20 * len(MESH_STEPS)
