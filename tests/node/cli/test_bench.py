from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import check_one_sentence, pushmesh

pytestmark = pytest.mark.integration


async def test_verification_is_compared_on_one_line(tmp_path: Path) -> None:
    ran = await pushmesh("bench", "verify", "--rounds", "3", "--json", cwd=tmp_path)
    assert set(ran.json) == {"ours_us", "eth_account_us", "speedup"}
    assert "times" in (await pushmesh("bench", "verify", "--rounds", "3", cwd=tmp_path)).out


async def test_ingest_is_measured_and_written_for_people(tmp_path: Path) -> None:
    options = ("--rounds", "1", "--seconds", "0.2", "--wallets", "5", "--window", "4")
    ran = await pushmesh("bench", "ingest", *options, cwd=tmp_path)
    assert ran.code == 0, ran
    assert "of bare recovery on one thread" in ran.out


async def test_options_that_contradict_each_other_are_one_sentence(tmp_path: Path) -> None:
    check_one_sentence(await pushmesh("bench", "ingest", "--batch", "8", "--window", "2", cwd=tmp_path), 2, "--window")


async def test_gossip_is_measured_and_written_for_people(tmp_path: Path) -> None:
    options = ("--nodes", "2", "--seconds", "0.2", "--wallets", "5", "--window", "256")
    ran = await pushmesh("bench", "gossip", *options, cwd=tmp_path)
    assert ran.code == 0, ran
    assert "py-libp2p's gossipsub" in ran.out


async def test_a_mesh_has_two_nodes_at_least(tmp_path: Path) -> None:
    ran = await pushmesh("bench", "gossip", "--nodes", "1", cwd=tmp_path)
    assert ran.code == 2
    assert "'--nodes': Input should be greater than or equal to 2" in ran.err


async def test_the_store_is_measured_and_written_for_people(tmp_path: Path) -> None:
    ran = await pushmesh("bench", "store", "--records", "2000", "--rounds", "1", cwd=tmp_path)
    assert ran.code == 0, ran
    assert "batches of  1024" in ran.out


async def test_acknowledgements_are_measured_and_written_for_people(tmp_path: Path) -> None:
    options = ("--rate", "200", "--seconds", "0.5", "--rounds", "1", "--wallets", "5")
    ran = await pushmesh("bench", "ack", *options, cwd=tmp_path)
    assert ran.code == 0, ran
    assert "p99 at 200 a second" in ran.out


async def test_mqtt_is_measured_and_written_for_people(tmp_path: Path, requires: Callable[[str], Path]) -> None:
    requires("mosquitto")
    ran = await pushmesh(
        "bench", "mqtt", "--subscribers", "5", "--rounds", "1", "--turns", "10", "--messages", "60", cwd=tmp_path
    )
    assert ran.code == 0, ran
    assert "on a topic of each client's own" in ran.out
    assert "of bare aiomqtt" in ran.out


async def test_joining_is_measured_and_written_for_people(tmp_path: Path) -> None:
    ran = await pushmesh("bench", "join", "--nodes", "4", cwd=tmp_path)
    assert ran.code == 0, ran
    assert "mesh peers in every topic" in ran.out


async def test_sync_is_measured_and_written_for_people(tmp_path: Path) -> None:
    ran = await pushmesh("bench", "sync", "--records", "5000", "--missing", "1", cwd=tmp_path)
    assert ran.code == 0, ran
    assert "round trips and" in ran.out
    assert "bytes a record" in ran.out


async def test_many_buckets_are_told_one_by_one(tmp_path: Path) -> None:
    options = ("--records", "4000", "--missing", "0", "--buckets", "400")
    ran = await pushmesh("bench", "sync", *options, cwd=tmp_path)
    assert "bytes a bucket" in ran.out, ran


async def test_more_missing_than_there_are_is_one_sentence(tmp_path: Path) -> None:
    check_one_sentence(
        await pushmesh("bench", "sync", "--records", "5", "--missing", "6", cwd=tmp_path), 2, "--missing"
    )
