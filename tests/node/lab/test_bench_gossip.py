from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pushmesh_client import new_wallet
from pushmesh_node.cli import bench_words as words
from pushmesh_node.lab.bench_gossip import GOSSIP_MODULE, GossipPlan, Round, Seen, start_mesh
from pushmesh_node.lab.devnet import Devnet
from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.workload import new_authors, plan_jobs, sign_all, stream_messages
from support.commands import pushmesh

KEYS = {
    *("nodes", "rate", "limit_rate", "ratio", "lower_bound_rate", "lower_bound_ratio", "lost", "p50_ms", "p99_ms"),
    *("lower_bound_p99_ms", "cpu_us_per_envelope", "stock_cpu_us_per_envelope", "node_cpu_us_per_envelope"),
}


@pytest.mark.integration
async def test_a_small_measurement_has_every_figure_and_loses_nothing(tmp_path: Path) -> None:
    options = ("--nodes", "2", "--seconds", "0.2", "--window", "256", "--wallets", "10", "--json")
    report = (await pushmesh("bench", "gossip", *options, cwd=tmp_path, timeout_s=110)).json
    assert set(report) == KEYS
    assert (report["nodes"], report["lost"]) == (2, 0)
    assert all(report[name] > 0 for name in KEYS - {"lost", "cpu_us_per_envelope"})  # which the kernel counts in 10 ms
    assert list(words.gossip(report, 2))


@pytest.mark.integration
async def test_an_envelope_that_is_refused_fails_the_measurement(tmp_path: Path) -> None:
    jobs = plan_jobs(new_authors(1), "devnet", 3, 0, new_wallet().account)  # of another network than the nodes'
    path = tmp_path / "messages"
    path.write_bytes(stream_messages(await sign_all(jobs, lambda done, total: None)))
    async with AsyncExitStack() as stack:
        mesh = await start_mesh(stack, Devnet(tmp_path / "mesh", 2, network="bench"), GOSSIP_MODULE)
        with pytest.raises(LabError, match=r"not every envelope was taken by the first node: .*refused"):
            await mesh.saturate(path, 3)


def test_ratios_are_of_what_was_measured_beside_a_round() -> None:
    seen = Seen()
    for rate, limit, nodes_s in ((100.0, 1000.0, 0.2), (50.0, 250.0, 0.4), (80.0, 1600.0, 0.3)):
        seen.rounds.append(Round(rate, 1000, nodes_s, nodes_s / 10))
        seen.limits.append(limit)
        seen.stock_us.append(900.0)
    seen.bare_rounds[1] = Round(200.0, 1000, 0.1, 0.01)
    assert seen.report(4) == {
        "rate": 80.0,
        "limit_rate": 1000.0,
        "ratio": 0.1,
        "lower_bound_rate": 200.0,
        "lower_bound_ratio": 0.25,
        "cpu_us_per_envelope": 15.0,  # half of 30: two of four nodes
        "stock_cpu_us_per_envelope": 900.0,
        "node_cpu_us_per_envelope": 150.0,
    }


@pytest.mark.parametrize(("seconds", "rounds"), [(30.0, 6), (0.2, 1), (12.0, 2)])
def test_a_round_is_short_enough_to_stand_beside_a_slice(seconds: float, rounds: int) -> None:
    assert GossipPlan(2, seconds, 64, 10).rounds == rounds
