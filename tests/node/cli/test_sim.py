from pathlib import Path

import pytest

from support.commands import check_one_sentence, pushmesh

pytestmark = pytest.mark.integration

PNG = b"\x89PNG\r\n\x1a\n"


async def test_propagation_is_one_json_object_that_the_seed_decides(tmp_path: Path) -> None:
    arguments = ("sim", "propagation", "--nodes", "12", "--seed", "3", "--json")
    first = await pushmesh(*arguments, "--plot", "a.png", cwd=tmp_path)
    second = await pushmesh(*arguments, cwd=tmp_path)
    assert first.code == 0, first
    assert first.json | {"wall_s": 0} == second.json | {"wall_s": 0}
    assert {"nodes", "delivered_fraction", "p50_ms", "p99_ms", "bytes_ratio", "wall_s"} <= set(first.json)
    assert (first.json["nodes"], first.json["delivered_fraction"]) == (12, 1.0)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


async def test_a_sweep_is_drawn_and_written_for_people(tmp_path: Path) -> None:
    ran = await pushmesh("sim", "propagation", "--nodes", "4", "--sweep", "--plot", "s.png", cwd=tmp_path)
    assert ran.code == 0, ran
    assert "p99_ms" in ran.out and "12 of 12" in ran.err
    assert (tmp_path / "s.png").read_bytes().startswith(PNG)


async def test_churn_and_partition_say_what_arrived(tmp_path: Path) -> None:
    churn = await pushmesh("sim", "churn", "--nodes", "6", "--json", cwd=tmp_path)
    assert churn.json["delivered_fraction"] == 1.0, churn
    partition = await pushmesh("sim", "partition", "--nodes", "4", "--json", cwd=tmp_path)
    assert partition.json["delivered_fraction"] == 1.0, partition


async def test_attacks_are_a_list_of_scenarios(tmp_path: Path) -> None:
    arguments = ("--honest", "5", "--sybils", "5", "--only", "degrade-50")
    ran = await pushmesh("sim", "attacks", *arguments, "--json", cwd=tmp_path)
    (scenario,) = ran.json["scenarios"]
    assert set(scenario) == {
        "name",
        "delivered_fraction",
        "p99_ms",
        "recovered_s",
        "honest_penalties",
        "bytes_ratio",
        "carried_ratio",
        "foreign_ratio",
        "received_ratio",
        "disagreements",
    }
    assert scenario["name"] == "degrade-50"
    assert "peace" in ran.err


async def test_an_attack_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    check_one_sentence(await pushmesh("sim", "attacks", "--only", "x", cwd=tmp_path), 1, "no attack named x")
