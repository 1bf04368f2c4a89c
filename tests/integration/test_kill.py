"""SIGKILL at any moment: what a node called durable is there afterwards, whole, under the number that it gave."""

import asyncio
import random
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import msgspec
import pytest

from pushmesh_client.compose import signed_batch, signed_envelope
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from support.processes import Running, a_plan, frame_of, running
from support.wallets import a_note, a_wallet

LANES = {"alone": 23, "alone too": 22, "in a mesh": 5}
"""Kills of each node; the nodes live and die side by side."""

WINDOW = 16
NETWORK = shipped_network("devnet")
DAPP = a_wallet(1)


class Load:
    """Publishes single envelopes and small batches over one pipelined stream, and notes what was acknowledged."""

    def __init__(self) -> None:
        self.seq = 0
        self.acknowledged: dict[bytes, int] = {}
        self.sent: dict[int, Part] = {}
        self.unanswered: set[int] = set()

    def next(self) -> Part:
        """Every fourth one is a batch of eight."""
        now_ms = time.time_ns() // 1_000_000
        if self.seq % 4:
            body = a_note(DAPP, now_ms, self.seq)
            self.seq += 1
            return Part((signed_envelope(NETWORK, DAPP.key, DAPP.account, Kind.NOTIFICATION, body),))
        bodies = [a_note(DAPP, now_ms, self.seq + index) for index in range(8)]
        self.seq += 9
        return signed_batch(NETWORK, DAPP.key, DAPP.account, bodies)

    async def run(self, url: str) -> None:
        """Until the node is gone."""
        with suppress(aiohttp.ClientError, ConnectionError):
            async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/v1/publish/stream") as stream:
                while True:
                    while len(self.unanswered) < WINDOW:
                        await self._send(stream)
                    message = await stream.receive()
                    if message.type is not aiohttp.WSMsgType.BINARY:
                        return
                    self._note(message.data)

    async def _send(self, stream: aiohttp.ClientWebSocketResponse) -> None:
        part = self.next()
        number = len(self.sent)
        self.sent[number] = part
        self.unanswered.add(number)
        await stream.send_bytes(msgspec.msgpack.encode([number, frame_of(part)]))

    def _note(self, data: bytes) -> None:
        for number, rows in msgspec.msgpack.decode(data):
            self.unanswered.discard(number)
            for envelope_id, level, reason, _, detail, commit_no in rows:
                assert (level, reason) == ("durable", "ok"), (reason, detail)
                self.acknowledged[envelope_id] = commit_no


async def check(node: Running, load: Load) -> int:
    """All that was acknowledged is there, and a batch is there whole or not at all; returns how much was looked at."""
    looked = 0
    for part in load.sent.values():
        answers = await node.client.publish_frame(frame_of(part))
        kept = {answer.reason for answer in answers}
        assert kept in ({"ok"}, {"duplicate"}), kept  # never half
        for envelope, answer in zip(part.envelopes, answers, strict=True):
            number = load.acknowledged.get(envelope.id)
            if number is not None:
                assert (answer.reason, answer.commit_no) == ("duplicate", number)
            looked += 1
    load.sent.clear()
    load.unanswered.clear()
    return looked


async def killed_again_and_again(folder: Path, name: str, kills: int, rng: random.Random) -> int:
    """How many envelopes were called durable, all of which were found again."""
    load, kept_promises = Load(), 0
    plan = a_plan(folder, name, mesh="mesh" in name, mqtt__enabled=False)
    async with running(plan) as (node,):
        for _ in range(kills):
            publishing = asyncio.create_task(load.run(plan.url))
            await asyncio.sleep(rng.uniform(0.02, 0.5))
            await node.kill()
            async with asyncio.timeout(30):
                await publishing
            kept_promises += len(load.acknowledged)
            await node.up()
            await check(node, load)
        assert node.faults() == []
    return kept_promises


@pytest.mark.integration
@pytest.mark.timeout(300)
async def test_fifty_kills_under_load_lose_nothing_that_was_called_durable(tmp_path: Path, rng: random.Random) -> None:
    lanes = [killed_again_and_again(tmp_path, name, kills, rng) for name, kills in LANES.items()]
    kept_promises = sum(await asyncio.gather(*lanes))
    assert sum(LANES.values()) == 50 < kept_promises
