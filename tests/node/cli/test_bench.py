from pathlib import Path

import pytest

from support.commands import check_one_sentence, pushmesh

pytestmark = pytest.mark.integration


async def test_verification_is_compared_on_one_line(tmp_path: Path) -> None:
    ran = await pushmesh("bench", "verify", "--rounds", "3", "--json", cwd=tmp_path)
    assert set(ran.json) == {"ours_us", "eth_account_us", "speedup"}
    assert "times" in (await pushmesh("bench", "verify", "--rounds", "3", cwd=tmp_path)).out


async def test_options_that_contradict_each_other_are_one_sentence(tmp_path: Path) -> None:
    check_one_sentence(await pushmesh("bench", "ingest", "--batch", "8", "--window", "2", cwd=tmp_path), 2, "--window")


async def test_a_mesh_has_two_nodes_at_least(tmp_path: Path) -> None:
    ran = await pushmesh("bench", "gossip", "--nodes", "1", cwd=tmp_path)
    assert ran.code == 2
    assert "'--nodes': Input should be greater than or equal to 2" in ran.err


async def test_the_store_is_measured_and_written_for_people(tmp_path: Path) -> None:
    ran = await pushmesh("bench", "store", "--records", "2000", "--rounds", "1", cwd=tmp_path)
    assert ran.code == 0, ran
    assert "batches of  1024" in ran.out


async def test_sync_is_measured_and_written_for_people(tmp_path: Path) -> None:
    ran = await pushmesh("bench", "sync", "--records", "5000", "--missing", "1", cwd=tmp_path)
    assert ran.code == 0, ran
    assert "round trips and" in ran.out
    assert "bytes a record" in ran.out


async def test_more_missing_than_there_are_is_one_sentence(tmp_path: Path) -> None:
    check_one_sentence(
        await pushmesh("bench", "sync", "--records", "5", "--missing", "6", cwd=tmp_path), 2, "--missing"
    )
