import asyncio
import os
import socket
from pathlib import Path

import msgspec
import pytest

from pushmesh_node.lab import bench_gossip_load
from pushmesh_node.lab.bench_gossip_load import Generator
from pushmesh_node.lab.framing import BINARY, PONG, client_frame
from pushmesh_node.lab.workload import new_authors, plan_jobs, sign_job, stream_messages
from pushmesh_protocol.types import Account
from support.running_node import port_of, running_node

NOBODY = Account(b"")
STORE = "pushmesh.db"


def signed_frames(count: int) -> list[bytes]:
    return [frame for job in plan_jobs(new_authors(3), "bench", count, 0, NOBODY) for frame in sign_job(job)]


def write(path: Path, frames: list[bytes]) -> Path:
    path.write_bytes(stream_messages(frames))
    return path


async def test_everything_is_sent_answered_and_found_on_the_disk(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node", node__network="bench") as node:
        frames = signed_frames(60)
        generator = await asyncio.to_thread(Generator, "127.0.0.1", port_of(node), [tmp_path / "node" / STORE])
        assert generator.load(write(tmp_path / "first", frames[:40])) == 40
        assert not (tmp_path / "first").exists()
        done = await asyncio.to_thread(generator.saturate, 7)
        assert (done["messages"], done["stored"], done["answers"]) == (40, 40, {"durable:ok": 40})
        assert done["seconds"] > 0
        generator.load(write(tmp_path / "second", frames[40:]))
        done = await asyncio.to_thread(generator.pace, 500.0)
        assert (done["messages"], done["stored"], done["answers"]) == (20, 20, {"durable:ok": 20})
        latencies_ms = await asyncio.to_thread(generator.latencies_ms)
        assert len(latencies_ms) == 20
        assert all(latency > 0 for latency in latencies_ms)
        assert generator.check() == {"acknowledged": 60, "lost": 0}
        generator.close()


async def test_what_is_missing_on_one_disk_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_gossip_load, "STALL_S", 0.2)
    async with (
        running_node(tmp_path / "node", node__network="bench") as node,
        running_node(tmp_path / "other", node__network="bench"),
    ):
        stores = [tmp_path / "node" / STORE, tmp_path / "other" / STORE]
        generator = await asyncio.to_thread(Generator, "127.0.0.1", port_of(node), stores)
        generator.load(write(tmp_path / "file", signed_frames(12)))
        done = await asyncio.to_thread(generator.saturate, 5)
        assert (done["messages"], done["stored"], done["answers"]) == (5, 0, {"durable:ok": 5})
        assert await asyncio.to_thread(generator.latencies_ms) == []
        assert generator.check() == {"acknowledged": 5, "lost": 5}
        generator.close()


async def test_what_the_node_refuses_is_no_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_gossip_load, "STALL_S", 0.2)
    async with running_node(tmp_path / "node", node__network="bench") as node:
        generator = await asyncio.to_thread(Generator, "127.0.0.1", port_of(node), [tmp_path / "node" / STORE])
        path = tmp_path / "bad"
        path.write_bytes(msgspec.msgpack.encode([client_frame(BINARY, msgspec.msgpack.encode([0, b"x"]))]))
        generator.load(path)
        assert (await asyncio.to_thread(generator.saturate, 1))["answers"] == {"refused:malformed": 1}
        assert generator.check() == {"acknowledged": 0, "lost": 0}
        generator.close()


async def test_pings_are_answered_while_no_order_comes(tmp_path: Path) -> None:
    async with running_node(tmp_path / "node", node__network="bench") as node:
        generator = await asyncio.to_thread(Generator, "127.0.0.1", port_of(node), [tmp_path / "node" / STORE])
        orders, told = os.pipe()
        generator._link.close()
        generator._link, peer = socket.socketpair()
        with peer:
            resting = asyncio.create_task(asyncio.to_thread(generator.rest, orders))
            peer.sendall(b"\x89\x02hi")  # as a server pings: RFC 6455, 5.5.2
            peer.settimeout(20)
            pong = await asyncio.to_thread(peer.recv, 100)
            os.write(told, b"order")
            await resting
        assert (pong[0] & 0x0F, pong[1] & 0x7F) == (PONG, 2)
        assert bytes(byte ^ mask for byte, mask in zip(pong[6:], pong[2:6], strict=False)) == b"hi"
        generator.close()
        for end in (orders, told):
            os.close(end)
