"""A node process bridges to a real Mosquitto: both may be away at the wrong moment, and everything arrives."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pushmesh_client import Dapp, Draft, Node, Refused, SlotBook, Subscriber
from pushmesh_node.app.keys import create_key
from pushmesh_node.lab.addresses import free_ports
from pushmesh_node.lab.process import NodePlan, NodeProcess
from pushmesh_protocol.hashing import sha256
from support.mosquitto import Broker, running_broker
from support.wallets import a_wallet

pytestmark = pytest.mark.integration

OWNER, READER = a_wallet(1), a_wallet(2)
TOPIC = f"{OWNER.display}/prices"
INBOX = f"mesh/{READER.display}/inbox"
PUBLIC = f"mesh/topics/{TOPIC}"
READY_S, ARRIVE_S = 60.0, 60.0


@dataclass
class Collector:
    """mosquitto_sub with a session that the broker keeps while it is away; QoS 1."""

    program: Path
    port: int

    def _command(self, *more: str) -> list[str]:
        where = ["-V", "5", "-h", "127.0.0.1", "-p", str(self.port), "-i", "collector"]
        return [str(self.program), *where, "-c", "-x", "3600", "-q", "1", "-t", "mesh/#", "-F", "%t %p", *more]

    async def subscribe(self) -> None:
        """Until the broker has noted it."""
        process = await asyncio.create_subprocess_exec(*self._command("-E"))
        async with asyncio.timeout(20):
            assert await process.wait() == 0

    async def until(self, wanted: set[tuple[str, str]]) -> list[tuple[str, str]]:
        """(topic, envelope id) of everything that comes, until all that is wanted has."""
        process = await asyncio.create_subprocess_exec(*self._command(), stdout=asyncio.subprocess.PIPE, limit=1 << 20)
        assert process.stdout is not None
        found, left = [], set(wanted)
        try:
            async with asyncio.timeout(ARRIVE_S):
                while left:
                    line = await process.stdout.readline()
                    assert line, "mosquitto_sub ended"
                    topic, _, payload = line.decode().partition(" ")
                    found.append((topic, json.loads(payload)["envelope"]["id"]))
                    left.discard(found[-1])
        finally:
            process.terminate()
            await process.communicate()
        return found


@dataclass
class World:
    """A node process that bridges to a broker, and who publishes and collects."""

    process: NodeProcess
    http: aiohttp.ClientSession
    client: Node
    dapp: Dapp
    collector: Collector

    async def start(self) -> None:
        await self.process.start()
        await self.process.wait_ready(self.http, READY_S)

    async def publish(self, name: str, count: int) -> list[str]:
        """Ids of as many durable broadcasts."""
        published = await self.dapp.publish_batch(
            "prices", [Draft(title=f"{name} {number}") for number in range(count)]
        )
        assert all(each.ok for each in published)
        return [each.id.hex() for each in published]

    async def say(self, method: str, path: str, credential: str, said: dict[str, Any] | None = None) -> int:
        """The status of the answer."""
        headers, url = {"Authorization": f"Bearer {credential}"}, f"{self.process.plan.url}{path}"
        async with self.http.request(method, url, json=said, headers=headers) as response:
            return response.status

    async def bridges(self) -> list[dict[str, Any]]:
        async with self.http.get(f"{self.process.plan.url}/v1/status") as response:
            found: list[dict[str, Any]] = (await response.json())["bridges"]
            return found

    async def until_connected(self, wanted: bool) -> None:
        async with asyncio.timeout(READY_S):
            while await self.bridges() != [{"name": "home", "connected": wanted}]:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.05)

    async def until_delivered(self, messages: int) -> None:
        async with asyncio.timeout(ARRIVE_S):
            handed_over = 'pushmesh_deliveries_total{transport="bridge"}'
            while await self.metric(handed_over) < messages:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.05)

    async def metric(self, line: str) -> float:
        """0 where the node has counted nothing yet."""
        async with self.http.get(f"{self.process.plan.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        return sum(float(each.rpartition(" ")[2]) for each in lines if each.startswith(f"{line} "))


@asynccontextmanager
async def a_world(folder: Path, requires: Callable[[str], Path], broker: Broker, **bridge: Any) -> AsyncIterator[World]:
    """The node is not started yet."""
    (port,) = free_ports(1)
    settings = {"node.data_dir": str(folder), "api.port": port, "mqtt.enabled": False, "gossip.enabled": False}
    keys = {"name": "home", "url": f"mqtt://127.0.0.1:{broker.port}", "topic_prefix": "mesh", "reconnect_max_s": 0.2}
    process = NodeProcess(NodePlan("node", folder, port, settings, [keys | bridge]))
    create_key(folder / "node.key", secrets.token_bytes(32))
    try:
        async with aiohttp.ClientSession() as http, Node(process.plan.url) as client:
            dapp = Dapp(client, OWNER, SlotBook())
            collector = Collector(requires("mosquitto_sub"), broker.port)
            yield World(process, http, client, dapp, collector)
    finally:
        await process.stop()


def places(topic: str, ids: Iterable[str]) -> set[tuple[str, str]]:
    return {(topic, each) for each in ids}


async def test_an_inbox_and_broadcasts_arrive_though_the_broker_comes_after_the_node(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    node_folder, broker_folder = tmp_path / "node", tmp_path / "broker"
    node_folder.mkdir()
    broker_folder.mkdir()
    both = {"accounts": [READER.display], "topics": [TOPIC]}
    async with (
        running_broker(requires("mosquitto"), broker_folder) as broker,
        a_world(node_folder, requires, broker, **both) as world,
    ):
        await world.collector.subscribe()
        await broker.stop()
        await world.start()
        subscribed = await Subscriber(world.client, READER, SlotBook()).subscribe(world.dapp.topic("prices"))
        assert subscribed.ok
        broadcasts = await world.publish("while the broker is away", 40)
        alone = await world.dapp.publish("prices", title="for one wallet", to=[READER.account])
        stranger = await world.dapp.publish("news", title="nobody bridges this")
        assert alone.ok and stranger.ok
        await world.until_connected(False)
        assert await world.metric('pushmesh_bridge_events_total{reason="not-ready",what="connection"}') > 0
        await broker.start()
        await world.until_connected(True)
        backlog = 2 * len(broadcasts) + 1
        await world.until_delivered(backlog)
        for number in range(8):  # each waits for its own answer, so the last ones find a bridge that has read it all
            broadcasts += await world.publish(f"live {number}", 5)
        inbox = [*broadcasts, alone.id.hex()]
        found = await world.collector.until(places(INBOX, inbox) | places(PUBLIC, broadcasts))
    assert set(found) == places(INBOX, inbox) | places(PUBLIC, broadcasts), "nothing else arrives"
    assert [each for topic, each in dict.fromkeys(found) if topic == PUBLIC] == broadcasts, "in commit order"


async def test_everything_that_was_durable_arrives_though_the_node_is_killed_again_and_again(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    node_folder, broker_folder = tmp_path / "node", tmp_path / "broker"
    node_folder.mkdir()
    broker_folder.mkdir()
    async with (
        running_broker(requires("mosquitto"), broker_folder) as broker,
        a_world(node_folder, requires, broker, topics=[TOPIC], max_in_flight=8) as world,
    ):
        await world.collector.subscribe()
        durable: list[str] = []
        for life in range(4):
            await world.start()
            if life % 2:
                await world.until_connected(True)
            durable += await world.publish(f"life {life}", 100)
            await world.process.kill()
        await world.start()
        found = await world.collector.until(places(PUBLIC, durable))
    first_seen = [each for _, each in dict.fromkeys(found)]
    assert first_seen == durable, "at least once, and first in commit order"


async def test_a_wallet_that_asks_is_served_over_a_kill_until_its_token_is_revoked_or_it_says_so(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    node_folder, broker_folder = tmp_path / "node", tmp_path / "broker"
    node_folder.mkdir()
    broker_folder.mkdir()
    (node_folder / "hook.secret").touch(mode=0o600)
    (node_folder / "hook.secret").write_text("hush")
    keys = {"topics": [TOPIC], "max_wallets": 1, "hook_secret_file": "hook.secret"}
    async with (
        running_broker(requires("mosquitto"), broker_folder) as broker,
        a_world(node_folder, requires, broker, **keys) as world,
    ):
        await world.collector.subscribe()
        await world.start()
        reader = Subscriber(world.client, READER, SlotBook())
        await reader.grant()
        assert (await reader.subscribe(world.dapp.topic("prices"))).ok
        token = await reader.token()
        asked = {"username": READER.display, "password": token, "clientid": "phone", "topic": INBOX, "acc": 1}
        assert await world.say("POST", "/v1/broker/home/auth", "hush", asked) == 200
        assert await world.say("POST", "/v1/broker/home/acl", "hush", asked) == 403, "nothing is there to read"
        ids = await world.publish("before it asked", 1)
        assert await world.say("PUT", "/v1/bridges/home", token) == 200
        assert await world.say("POST", "/v1/broker/home/acl", "hush", asked) == 200
        ids += await world.publish("live", 1)
        await world.process.kill()
        await world.start()
        ids += await world.publish("after a kill", 1)
        found = await world.collector.until(places(INBOX, ids) | places(PUBLIC, ids))
        assert await world.say("POST", "/v1/broker/home/acl", "hush", asked) == 200
        stranger = Subscriber(world.client, OWNER, SlotBook())
        with pytest.raises(Refused) as full:
            await stranger.turn_bridge("home", on=True)
        assert (full.value.status, (await stranger.bridges())[0].is_on) == (429, False)

        digest = sha256(token.encode()).hex()
        assert await world.say("DELETE", f"/v1/tokens/{digest}", await reader.credential()) == 200
        assert await world.say("POST", "/v1/broker/home/acl", "hush", asked) == 403
        missed = await world.publish("while nobody asked", 1)
        found += await world.collector.until(places(PUBLIC, missed))
        assert places(INBOX, missed).isdisjoint(found)
        turned = await reader.turn_bridge("home", on=True)
        assert (turned.bridge, turned.topic, turned.is_on) == ("home", INBOX, True)
        assert [turned] == await reader.bridges()
        found += await world.collector.until(places(INBOX, missed))
        assert not (await reader.turn_bridge("home", on=False)).is_on
        last = await world.publish("after it took that back", 1)
        await world.process.kill()
        await world.start()
        found += await world.collector.until(places(PUBLIC, last))
        assert places(INBOX, last).isdisjoint(found)
        assert [each for topic, each in dict.fromkeys(found) if topic == INBOX] == [*ids, *missed], "in commit order"


async def test_a_password_that_others_can_read_ends_the_start_with_one_sentence(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text("secret\n")
    secret.chmod(0o644)
    broker = Broker(requires("mosquitto"), tmp_path)
    keys = {"username": "bridge", "password_file": "password", "topics": [TOPIC]}
    async with a_world(tmp_path, requires, broker, **keys) as world:
        await world.process.start()
        async with asyncio.timeout(READY_S):
            while world.process.running:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.05)
        told = world.process.plan.log.read_text()
    assert "can be read by others" in told and "Traceback" not in told
