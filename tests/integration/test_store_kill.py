"""The store against the world: processes that are killed, and disks that are full."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pushmesh_node.engine.records import SlotRange
from pushmesh_node.storage import Store
from pushmesh_protocol.types import Epoch
from support.records import ALICE, NEWS, SHOP, id_of
from support.store_writer import CALL_ENVELOPES
from support.tree import ROOT

KILLS = 20
WRITER = ROOT / "tests" / "support" / "store_writer.py"


def start_writer(path: Path, mode: str) -> "subprocess.Popen[str]":
    places = [str(ROOT / place) for place in ("tests", "protocol", "node")]
    return subprocess.Popen(
        [sys.executable, str(WRITER), str(path), mode],
        env={**os.environ, "PYTHONPATH": ":".join(places)},
        stdout=subprocess.PIPE,
        text=True,
    )


def acknowledged_before_the_kill(path: Path, lines: int) -> list[int]:
    """The last number of each call that a writer acknowledged, killed after so many lines and some more."""
    writer = start_writer(path, "forever")
    assert writer.stdout is not None
    seen = [writer.stdout.readline() for _line in range(lines)]
    writer.send_signal(signal.SIGKILL)
    with writer.stdout as output:
        rest = output.read()  # through the same buffer as the lines before
    assert writer.wait(timeout=60) == -signal.SIGKILL
    # The last line may be cut: what was not read whole was not acknowledged to anybody.
    whole = [line for line in [*seen, *rest.splitlines(keepends=True)] if line.endswith("\n")]
    return [int(line) for line in whole]


async def check_whole_calls(path: Path, acknowledged: set[int]) -> None:
    """Every acknowledged call is there, and no call is there in part, in no table."""
    store = await Store.open(path, new_incarnation=b"x" * 16)
    try:
        assert store.incarnation == bytes(16)
        items = await store.log(0, 1 << 30)
        first_commits = {item.first_commit for item in items}
        calls = {first for first in first_commits if first % CALL_ENVELOPES == 1}
        assert first_commits == {first + step for first in calls for step in (0, 1, 5)}
        assert {last - CALL_ENVELOPES + 1 for last in acknowledged} <= calls

        numbers = [first + i for first in sorted(calls) for i in range(CALL_ENVELOPES)]
        ranges = [SlotRange(SHOP, Epoch(7), number, number + 1) for number in numbers]
        holders = await store.holders(ranges)
        assert [[(h.commit_no, h.id) for h in found] for found in holders] == [[(n, id_of(n))] for n in numbers]
        for number in random.Random(1).sample(numbers, min(50, len(numbers))):
            found = await store.find(id_of(number), None)
            assert found is not None and found.commit_no == number
        inbox = await store.inbox(ALICE, [NEWS], 0, len(numbers) + 1)
        assert [envelope.commit_no for envelope in inbox] == numbers
    finally:
        await store.close()


@pytest.mark.integration
async def test_after_each_of_twenty_kills_every_acknowledged_call_is_there_and_none_is_half(
    tmp_path: Path, rng: random.Random
) -> None:
    path = tmp_path / "store.db"
    acknowledged: set[int] = set()
    for _kill in range(KILLS):
        acknowledged.update(acknowledged_before_the_kill(path, rng.randrange(1, 120)))
        await check_whole_calls(path, acknowledged)
    assert len(acknowledged) > KILLS


@pytest.mark.integration
def test_a_full_disk_refuses_whole_calls_and_the_store_goes_on_when_there_is_room(tmp_path: Path) -> None:
    writer = start_writer(tmp_path / "store.db", "full")
    output, _errors = writer.communicate(timeout=60)
    assert writer.returncode == 0
    refused, readable, again = output.splitlines()
    assert refused.startswith("refused 20 6 ")
    assert "SQLITE_IOERR" in refused or "SQLITE_FULL" in refused
    assert readable == "readable 3"
    assert again == "again 12 1 6"
