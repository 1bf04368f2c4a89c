"""The quiet publisher and its wallet."""

import asyncio
from pathlib import Path

import pytest

from pushmesh_client import Node, SlotBook, Subscriber
from pushmesh_node.lab.framing import FramingError
from pushmesh_node.lab.probe import Probe
from pushmesh_node.lab.workload import new_authors, plan_jobs, sign_job, stream_messages, subscription_frames
from support.running_node import port_of, running_node, url_of
from support.wallets import a_wallet


async def test_each_single_is_durable_then_delivered_then_acknowledged(tmp_path: Path) -> None:
    authors, wallet = new_authors(1), a_wallet(2)
    frames = [frame for job in plan_jobs(authors, "bench", 12, 0, wallet.account) for frame in sign_job(job)]
    path = tmp_path / "quiet"
    path.write_bytes(stream_messages(frames))
    async with running_node(tmp_path / "node", node__network="bench") as served, Node(url_of(served)) as node:
        for frame in subscription_frames(wallet, authors, "bench"):
            assert all(outcome.ok for outcome in await node.publish_frame(frame))
        credential = await Subscriber(node, wallet, SlotBook()).credential()
        probe = await asyncio.to_thread(Probe, "127.0.0.1", port_of(served), credential)
        assert await asyncio.to_thread(probe.load, path) == 12
        singles = await asyncio.to_thread(probe.run, 30.0, 0.0)
        assert [reason for _, reason, *_ in singles] == ["ok"] * 12
        assert all(
            0 < durable_ms <= delivered_ms and acked_ms > 0 for _, _, durable_ms, delivered_ms, acked_ms in singles
        )
        assert [at_s for at_s, *_ in singles] == sorted(at_s for at_s, *_ in singles)
        probe.close()


async def test_it_ends_in_time_and_keeps_its_distance(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node", node__network="bench") as served, Node(url_of(served)) as node:
        credential = await Subscriber(node, a_wallet(2), SlotBook()).credential()
        probe = await asyncio.to_thread(Probe, "127.0.0.1", port_of(served), credential)
        assert await asyncio.to_thread(probe.run, 0.0, 0.0) == []
        probe.close()
        with pytest.raises(FramingError, match="did not take the log-in"):
            await asyncio.to_thread(Probe, "127.0.0.1", port_of(served), "nonsense")
