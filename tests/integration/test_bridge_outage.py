"""A broker that is killed under load, and a dapp that publishes through one: real processes, nothing lost."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pushmesh_client import Dapp, Draft, Node, SlotBook
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.keys import create_key
from pushmesh_node.lab.addresses import free_ports
from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.lab.process import NodePlan, NodeProcess
from pushmesh_protocol.armor import from_text
from pushmesh_protocol.frames import Part, encode_frame
from support.mosquitto import Broker, running_broker
from support.wallets import a_signed_note, a_wallet

pytestmark = pytest.mark.integration

OWNER = a_wallet(1)
TOPIC = f"{OWNER.display}/prices"
PUBLIC = f"mesh/topics/{TOPIC}"
LIVE = ("allow_anonymous true", "max_inflight_messages 0")
"""What a subscriber gets is written to it before it is confirmed: else Mosquitto would lose what it had confirmed."""


@asynccontextmanager
async def a_bridged_node(folder: Path, broker: Broker, **bridge: Any) -> AsyncIterator[NodeProcess]:
    (port,) = free_ports(1)
    settings = {"node.data_dir": str(folder), "api.port": port, "mqtt.enabled": False, "gossip.enabled": False}
    keys = {"name": "home", "url": f"mqtt://127.0.0.1:{broker.port}", "topic_prefix": "mesh", "reconnect_max_s": 0.5}
    process = NodeProcess(NodePlan("node", folder, port, settings, [keys | bridge]))
    await asyncio.to_thread(folder.mkdir)
    create_key(folder / "node.key", secrets.token_bytes(32))
    try:
        async with aiohttp.ClientSession() as http:
            await process.start()
            await process.wait_ready(http, 60.0)
        yield process
    finally:
        await process.stop()


class Collector:
    """mosquitto_sub with a session of its own, which dials again by itself; what it printed."""

    def __init__(self, program: Path, port: int) -> None:
        where = ["-V", "5", "-h", "127.0.0.1", "-p", str(port), "-i", "collector"]
        self._command = [str(program), *where, "-c", "-x", "3600", "-q", "1", "-t", "mesh/topics/#", "-F", "%p"]
        self.ids: list[str] = []

    async def subscribe(self) -> None:
        process = await asyncio.create_subprocess_exec(*self._command, "-E")
        async with asyncio.timeout(20):
            assert await process.wait() == 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        process = await asyncio.create_subprocess_exec(*self._command, stdout=asyncio.subprocess.PIPE, limit=1 << 20)
        reading = asyncio.create_task(self._read(process))
        try:
            yield
        finally:
            process.terminate()
            await reading
            await process.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self.ids.append(json.loads(line)["envelope"]["id"])


@pytest.mark.parametrize("away_s", [3.0, pytest.param(30.0, marks=pytest.mark.long)])
async def test_a_broker_that_is_killed_under_load_loses_nothing_and_order_stays(
    requires: Callable[[str], Path], tmp_path: Path, away_s: float
) -> None:
    broker_folder = tmp_path / "broker"
    broker_folder.mkdir()
    durable: list[str] = []
    async with (
        running_broker(requires("mosquitto"), broker_folder, *LIVE) as broker,
        a_bridged_node(tmp_path / "node", broker, topics=[TOPIC], max_in_flight=32) as process,
        Node(process.plan.url) as client,
    ):
        dapp, collector = Dapp(client, OWNER, SlotBook()), Collector(requires("mosquitto_sub"), broker.port)
        await collector.subscribe()
        await broker.stop()  # orderly, so that the session is on disk
        await broker.start()

        async def load() -> None:
            while True:
                drafts = [Draft(title=f"price {len(durable) + number}") for number in range(20)]
                published = await dapp.publish_batch("prices", drafts)
                assert all(each.ok for each in published)
                durable.extend(each.id.hex() for each in published)
                await asyncio.sleep(0.1)

        async with collector.running():
            loading = asyncio.create_task(load())
            await _until(lambda: len(collector.ids) >= 200)
            await broker.kill()
            before = len(durable)
            await asyncio.sleep(away_s)
            assert len(durable) > before, "the load went on, whether the broker was there or not"
            await broker.start()
            after = len(collector.ids)
            await _until(lambda: len(collector.ids) >= after + 200)
            loading.cancel()
            await asyncio.wait((loading,))
            assert loading.cancelled()
            await _until(lambda: set(durable) <= set(collector.ids))
    first_seen = [each for each in dict.fromkeys(collector.ids) if each in set(durable)]
    assert first_seen == durable, "each once after dedup, in commit order"


async def test_a_dapp_publishes_through_the_broker_and_checks_the_nodes_receipt(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    broker_folder = tmp_path / "broker"
    broker_folder.mkdir()
    network = shipped_network("devnet")
    notes = [a_signed_note(network, OWNER, now_ms(), number) for number in range(1, 41)]
    bridge = {"topics": [f"{OWNER.display}/alerts"], "takes_publishes": True}
    answers: list[dict[str, Any]] = []
    async with (
        running_broker(requires("mosquitto"), broker_folder) as broker,
        a_bridged_node(tmp_path / "node", broker, **bridge) as process,
        aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client,
    ):
        await client.subscribe("mesh/receipts/dapp/#", qos=1)
        for at, note in enumerate(notes):
            if at == 20:
                await process.kill()
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
            properties.ResponseTopic = f"mesh/receipts/dapp/{at}"
            await client.publish("mesh/publish", encode_frame([Part((note,))]), qos=1, properties=properties)
        await process.start()
        wanted = {note.id.hex() for note in notes}
        async with asyncio.timeout(60):
            async for message in client.messages:
                answers.append(json.loads(bytes(message.payload)))
                wanted -= {each["id"] for each in answers[-1]["outcomes"]}
                if not wanted & {note.id.hex() for note in notes[20:]}:
                    break
        async with Node(process.plan.url) as node:
            for note in notes[20:]:
                assert await node.receipt(note.id, note.body.issued_at)
    outcomes = {each["id"]: each for answer in answers for each in answer["outcomes"]}
    assert {each["level"] for each in outcomes.values()} == {"durable"}
    assert all(from_text(each["receipt"]) for each in outcomes.values()), "signed receipts"


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not done():  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.05)
