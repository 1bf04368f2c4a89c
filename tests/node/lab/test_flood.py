"""The flood against a node that takes a few frames at a time."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from pushmesh_node.lab.flood import Flood
from pushmesh_node.lab.framing import BINARY, client_frame
from pushmesh_node.lab.workload import new_authors, plan_jobs, sign_job, stream_messages
from pushmesh_protocol.types import Account
from support.running_node import port_of, running_node


def messages(path: Path, count: int) -> Path:
    frames = [frame for job in plan_jobs(new_authors(3), "bench", count, 0, Account(b"")) for frame in sign_job(job)]
    path.write_bytes(stream_messages(frames))
    return path


async def test_what_is_refused_comes_again_until_the_end_and_every_answer_is_counted(tmp_path: Path) -> None:
    small = {"publish__least_units": 4, "publish__most_units": 4}
    async with running_node(tmp_path / "node", node__network="bench", **small) as node:
        flood = await asyncio.to_thread(Flood, "127.0.0.1", port_of(node), 3)
        assert await asyncio.to_thread(flood.load, messages(tmp_path / "good", 2_000)) == 2_000
        done = await asyncio.to_thread(flood.run, 4_000.0, 1.0)
        taken, refused = done["answers"]["durable:ok"], done["answers"]["refused:rate-limited"]
        assert done["answers"].keys() == {"durable:ok", "refused:rate-limited"}
        assert (taken + refused, done["unanswered"], done["without_retry"]) == (done["sent"], 0, 0)
        assert len(done["taken_ms"]) == taken == sum(done["shares"])
        assert min(done["shares"]) > 0 < refused
        again = await asyncio.to_thread(flood.again, 50)
        assert again["asked"] == again["kept"] >= 50
        flood.close()


async def test_what_the_node_lost_is_not_told_as_kept(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node", node__network="bench") as node:
        flood = await asyncio.to_thread(Flood, "127.0.0.1", port_of(node), 1)
        await asyncio.to_thread(flood.load, messages(tmp_path / "good", 3))
        flood.commits = {0: 1, 1: 2, 2: 3}  # what a node would have said that has forgotten them since
        assert await asyncio.to_thread(flood.again, 3) == {"asked": 3, "kept": 0}
        flood.close()


async def test_an_answer_of_another_kind_is_counted_as_it_is(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node", node__network="bench") as node:
        flood = await asyncio.to_thread(Flood, "127.0.0.1", port_of(node), 1)
        path = tmp_path / "bad"
        path.write_bytes(msgspec.msgpack.encode([client_frame(BINARY, msgspec.msgpack.encode([0, b"x"]))]))
        await asyncio.to_thread(flood.load, path)
        done = await asyncio.to_thread(flood.run, 20.0, 0.2)
        assert done["answers"] == {"refused:malformed": done["sent"]}
        assert done["without_retry"] == done["sent"] > 0
        flood.close()


def test_nobody_to_flood_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="refused"):
        Flood("127.0.0.1", 1, 1)
