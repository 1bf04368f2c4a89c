import asyncio
from pathlib import Path

import msgspec
import pytest

from pushmesh_node.lab.framing import BINARY, client_frame
from pushmesh_node.lab.load import Generator
from pushmesh_node.lab.workload import new_authors, plan_jobs, sign_job, stream_messages
from pushmesh_protocol.types import Account
from support.running_node import port_of, running_node

NOBODY = Account(b"")


@pytest.mark.parametrize("window", [1, 7, 64])
async def test_everything_is_sent_and_every_answer_is_counted(tmp_path: Path, window: int) -> None:
    async with running_node(tmp_path / "node", node__network="bench") as node:
        authors = new_authors(3)
        frames = [frame for job in plan_jobs(authors, "bench", 40, 0, NOBODY) for frame in sign_job(job)]
        (tmp_path / "good").write_bytes(stream_messages(frames))
        (tmp_path / "bad").write_bytes(
            msgspec.msgpack.encode([client_frame(BINARY, msgspec.msgpack.encode([0, b"x"]))])
        )
        generator = await asyncio.to_thread(Generator, "127.0.0.1", port_of(node))
        assert await asyncio.to_thread(generator.load, tmp_path / "good") == 40
        report = await asyncio.to_thread(generator.run, window)
        assert report["answers"] == {"durable:ok": 40}
        assert len(report["latencies_ms"]) == 40
        assert report["started_s"] < report["ended_s"]
        again = await asyncio.to_thread(generator.run, window)
        assert again["answers"] == {"durable:duplicate": 40}
        await asyncio.to_thread(generator.load, tmp_path / "bad")
        assert (await asyncio.to_thread(generator.run, window))["answers"] == {"refused:malformed": 1}
        generator.close()


async def test_a_paced_run_sends_everything_and_counts_from_when_each_was_due(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node", node__network="bench") as node:
        frames = [frame for job in plan_jobs(new_authors(3), "bench", 60, 0, NOBODY) for frame in sign_job(job)]
        (tmp_path / "good").write_bytes(stream_messages(frames))
        generator = await asyncio.to_thread(Generator, "127.0.0.1", port_of(node))
        await asyncio.to_thread(generator.load, tmp_path / "good")
        report = await asyncio.to_thread(generator.pace, 300)
        assert report["answers"] == {"durable:ok": 60}
        assert len(report["latencies_ms"]) == 60
        assert min(report["latencies_ms"]) > 0
        assert report["ended_s"] - report["started_s"] >= 59 / 300
        generator.close()
