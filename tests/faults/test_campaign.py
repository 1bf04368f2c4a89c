"""A short campaign: each kind of kill at least once, both lanes, every promise kept."""

import asyncio
from pathlib import Path

import pytest

from faults.campaign import run_alone, run_mesh
from faults.steps import MESH_STEPS, STEPS, TREE, Kills, share

KILLS = Kills(steps=len(STEPS), moments=1, trees=2, verifying=2, mesh_steps=3, gossip=2)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def test_every_promise_is_kept_through_a_kill_at_every_step_and_of_every_process(
    tmp_path: Path, seed: int
) -> None:
    (alone, _), (mesh, _) = await asyncio.gather(
        run_alone(tmp_path, seed, KILLS, print), run_mesh(tmp_path, seed, KILLS, print)
    )
    for report in (alone, mesh):
        verdict = report.verdict
        assert verdict is not None and verdict.holds, "\n".join(
            map(str, verdict.counterexamples[:3] if verdict else ())
        )
        assert verdict.durable > report.kills.total()
        assert [line for line in report.node_faults if "the gossip process ended" not in line] == []
    assert alone.kills.total() == KILLS.steps + KILLS.moments + KILLS.verifying
    assert mesh.kills.total() == KILLS.trees + KILLS.mesh_steps + KILLS.gossip
    assert mesh.kills[TREE] == KILLS.trees


def test_a_campaign_has_all_its_kills_and_every_tenth_is_of_a_whole_tree() -> None:
    for total in (10, 37, 1000):
        assert share(total).total == total
        assert share(total).trees == total // 10
    assert share(1000).steps >= 20 * len(STEPS) and share(1000).mesh_steps >= 5 * len(MESH_STEPS)
