"""A dapp publishes through a broker while the node is killed: real processes, nothing lost."""

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

from pushmesh_client import Node
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.keys import create_key
from pushmesh_node.lab.addresses import free_ports
from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.lab.process import NodePlan, NodeProcess
from pushmesh_protocol.armor import from_text
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from support.mosquitto import Broker, running_broker
from support.until import until
from support.wallets import a_signed_note, a_wallet

pytestmark = pytest.mark.integration

OWNER = a_wallet(1)


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


async def publish(client: aiomqtt.Client, at: int, note: Envelope) -> None:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
    properties.ResponseTopic = f"mesh/receipts/dapp/{at}"
    await client.publish("mesh/publish/dapp", encode_frame([Part((note,))]), qos=1, properties=properties)


async def test_a_dapp_publishes_through_the_broker_and_checks_the_nodes_receipt(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    broker_folder = tmp_path / "broker"
    broker_folder.mkdir()
    network = shipped_network("devnet")
    notes = [a_signed_note(network, OWNER, now_ms(), number) for number in range(1, 41)]
    bridge = {"topics": [f"{OWNER.display}/alerts"], "takes_publishes": True}
    outcomes: dict[str, dict[str, Any]] = {}
    async with (
        running_broker(requires("mosquitto"), broker_folder) as broker,
        a_bridged_node(tmp_path / "node", broker, **bridge) as process,
        aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client,
    ):

        async def collect() -> None:
            async for message in client.messages:
                outcomes.update({each["id"]: each for each in json.loads(bytes(message.payload))["outcomes"]})

        await client.subscribe("mesh/receipts/dapp/#", qos=1)
        collecting = asyncio.create_task(collect())
        async with asyncio.timeout(60):
            while not outcomes:  # until the node has subscribed, the broker keeps nothing for it
                await publish(client, 0, notes[0])
                await asyncio.sleep(0.1)
        for at, note in enumerate(notes[1:], 1):
            if at == 20:
                await process.kill()
            await publish(client, at, note)
        await process.start()
        await until(lambda: outcomes.keys() >= {note.id.hex() for note in notes[20:]})
        collecting.cancel()
        async with Node(process.plan.url) as node:
            for note in notes[20:]:
                assert await node.receipt(note.id, note.body.issued_at)
    assert {each["level"] for each in outcomes.values()} == {"durable"}
    assert all(from_text(each["receipt"]) for each in outcomes.values()), "signed receipts"
