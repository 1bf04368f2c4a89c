"""The gossip process dies under load, or the whole node loses its bootstrap peer: the mesh is back, nothing is lost."""

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pushmesh_client.compose import signed_envelope
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind
from support.processes import Running, a_plan, eventually, running
from support.wallets import a_note, a_wallet

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
DAPP = a_wallet(1)
KILLS = 3


def a_note_of(seq: int) -> Envelope:
    return signed_envelope(
        NETWORK, DAPP.key, DAPP.account, Kind.NOTIFICATION, a_note(DAPP, time.time_ns() // 1_000_000, seq)
    )


def gossip_pid(node: Running) -> int:
    """Of the gossip process of this node, found among its own children."""
    pid = node.pid
    assert pid is not None
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [int(each) for each in children if b"pushmesh_node.peer" in Path(f"/proc/{each}/cmdline").read_bytes()]
    assert len(found) == 1, found
    return found[0]


async def meshed(node: Running, *others: Running) -> None:
    ids = {(await other.client.status())["node_id"] for other in others}

    async def has() -> bool:
        return ids <= {peer["node_id"] for peer in await node.peers() if peer["caught_up"]}

    await eventually(has, f"{[other.plan.name for other in others]} as peers of {node.plan.name}")


async def test_a_gossip_process_that_is_killed_under_load_comes_back_and_nothing_durable_is_lost(
    tmp_path: Path,
) -> None:
    a_end = a_plan(tmp_path, "a", mesh=True)
    middle = a_plan(tmp_path, "b", peers=[a_end])
    c_end = a_plan(tmp_path, "c", peers=[middle])
    async with running(a_end, middle, c_end) as (a, b, c):
        await meshed(b, a, c)
        main_pid, sent = b.pid, 0

        async def load() -> None:
            nonlocal sent
            while True:
                assert await a.publish(*(a_note_of(sent + n) for n in range(10))) == [("durable", "ok")] * 10
                sent += 10
                await asyncio.sleep(0.05)

        publishing = asyncio.create_task(load())
        for _ in range(KILLS):
            before = sent
            killed = gossip_pid(b)
            os.kill(killed, signal.SIGKILL)

            async def is_down() -> bool:
                return not (await b.client.status())["ready"]

            await eventually(is_down, "the loss of the gossip process")
            await meshed(b, a, c)
            assert gossip_pid(b) != killed and sent > before
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)

        async def has_all() -> bool:
            commits = [(await node.client.status())["last_commit"] for node in (a, b, c)]
            return bool(commits[0] == commits[1] == commits[2] and commits[0] >= sent)

        await eventually(has_all, "everything everywhere")
        assert b.pid == main_pid
        told = [line for line in b.faults() if "the gossip process ended" not in line]
        assert told == [] and len(b.faults()) == KILLS and a.faults() == c.faults() == []


async def test_a_node_without_its_bootstrap_peer_finds_those_it_knew(tmp_path: Path) -> None:
    others = [a_plan(tmp_path, name, mesh=True) for name in ("a", "b")]
    plan = a_plan(tmp_path, "c", peers=others)
    async with running(*others) as (a, b):
        async with running(plan) as (c,):
            await meshed(c, a, b)
        forgetful = replace(plan, settings={**plan.settings, "gossip.bootstrap": []})
        await a.stop()
        async with running(forgetful) as (c,):
            await meshed(c, b)
            await c.kill()
            await c.up()
            await meshed(c, b)
        assert c.faults() == b.faults() == []
