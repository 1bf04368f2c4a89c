"""Devices of a wallet at a real node, over every transport: each has its place, all hear of each other, and a token for
some topics moves none of them."""

import asyncio
import json
import random
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_client import Dapp, Draft, SlotBook, Subscriber
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.tokens import TokenScope, TokenWords, format_token, sign_token
from support.mqtt_world import RawClient, hanging_up
from support.processes import Running, a_plan, running
from support.wallets import a_wallet

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
OWNER = a_wallet(2)
KILLS = 4


class World:
    """A node, a dapp with topics one and two, and a wallet that follows both."""

    def __init__(self, node: Running) -> None:
        self.node = node
        self.dapp = Dapp(node.client, a_wallet(1), SlotBook())
        self.owner = Subscriber(node.client, OWNER, SlotBook())

    async def prepare(self) -> None:
        await self.owner.grant()
        for name in ("one", "two"):
            assert (await self.dapp.create_topic(name, name)).ok
            assert (await self.owner.subscribe(self.dapp.topic(name))).ok

    async def publish(self, topic: str, title: str) -> None:
        assert (await self.dapp.publish(topic, Draft(title=title))).ok

    async def token(self, *names: str) -> str:
        """For all topics, or for these."""
        session = self.owner.session
        assert session is not None
        words = TokenWords(
            node_id=bytes.fromhex((await self.node.client.challenge())["node_id"]),
            account=OWNER.account,
            scopes=[int(TokenScope.READ)],
            topics=[Topic(a_wallet(1).account, name) for name in names] or None,
            expires_at=time.time_ns() // 1_000_000 + 3_600_000,
            random=secrets.token_bytes(16),
        )
        return format_token(sign_token(session.seed, session.grant_id, NETWORK, words))

    async def ask(self, method: str, path: str, token: str, said: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.node.client.http.request(
            method, f"{self.node.plan.url}{path}", json=said, headers=headers
        ) as response:
            form = await response.json()
            assert response.status == 200, form
            return form

    async def inbox(self, token: str, device: str) -> list[str]:
        page = await self.ask("GET", f"/v1/inbox?device={device}", token)
        return [message["envelope"]["fields"]["title"] for message in page["messages"]]

    @asynccontextmanager
    async def listening(self, token: str, device: str, **how: Any) -> AsyncIterator["Socket"]:
        async with self.node.client.http.ws_connect(f"{self.node.plan.url}/v1/stream") as socket:
            heard = Socket(socket)
            await heard.say(type="login", auth=token)
            await heard.say(type="listen", device=device, **how)
            yield heard

    async def mqtt(self, token: str, client_id: str) -> RawClient:
        client = await RawClient.dial(int(str(self.node.plan.settings["mqtt.port"])))
        name = display_account(OWNER.account)
        await client.send(ConnectPacket(client_id, username=name, password=token.encode(), session_expiry_interval=600))
        answer = await client.read()
        assert isinstance(answer, ConnAckPacket) and answer.reason_code == ConnAckReasonCode.SUCCESS, answer
        await client.send(SubscribePacket(1, [TopicFilter("pushmesh/inbox", max_qos=QoS.AT_LEAST_ONCE)]))
        assert isinstance(await client.read(), SubAckPacket)
        return client


class Socket:
    """A wallet's WebSocket whose words are asked for by type."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._heard: list[dict[str, Any]] = []

    async def say(self, **word: Any) -> None:
        await self._socket.send_json(word)

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next word of a type; the others wait."""
        while True:
            for place, kept in enumerate(self._heard):
                if kept["type"] == kind:
                    return self._heard.pop(place)
            word: dict[str, Any] = await self._socket.receive_json(timeout=20)
            assert word["type"] != "error", word
            self._heard.append(word)


async def event(response: aiohttp.ClientResponse, kind: str) -> dict[str, Any]:
    """The next Server-Sent Event of a name."""
    while True:
        async with asyncio.timeout(20):
            block = (await response.content.readuntil(b"\n\n")).decode()
        if f"event: {kind}\n" in block:
            data: dict[str, Any] = json.loads(block.partition("data: ")[2])
            return data


@asynccontextmanager
async def a_world(tmp_path: Path) -> AsyncIterator[World]:
    async with hanging_up(), running(a_plan(tmp_path, "node")) as (node,):
        world = World(node)
        await world.prepare()
        yield world
        assert node.faults() == []


async def puback(client: RawClient, count: int) -> None:
    """Take so many messages and acknowledge each."""
    for _ in range(count):
        packet = await client.read()
        assert isinstance(packet, PublishPacket) and packet.packet_id is not None
        await client.send(PubAckPacket(packet.packet_id))


async def test_a_token_for_one_topic_takes_nothing_from_the_wallets_devices(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        for number, topic in enumerate(("one", "two", "one"), 1):
            await world.publish(topic, f"m{number}")
        limited, full = await world.token("one"), await world.token()
        phone = await world.mqtt(full, "phone")

        thief = await world.mqtt(limited, "phone")
        await puback(thief, 2)
        await thief.close()
        page = await world.ask("GET", "/v1/inbox", limited)
        cursor = page["cursor"]
        assert len(page["messages"]) == 2
        said = {"cursor": cursor, "device": "phone"}
        await world.ask("POST", "/v1/ack", limited, said)
        await world.ask("POST", "/v1/read", limited, said)
        async with world.listening(limited, "phone", cursor="0") as socket:
            end = (await socket.hear("live"))["cursor"]
            await socket.say(type="ack", cursor=end)
            await socket.hear("acked")
            await socket.say(type="read", cursor=end)
            assert (await socket.hear("read"))["unread"] == 0
        url = f"{world.node.plan.url}/v1/events?auth={limited}&device=phone&cursor=0"
        async with world.node.client.http.get(url) as stream:
            await world.ask("POST", "/v1/ack", limited, {"cursor": (await event(stream, "live"))["cursor"]} | said)

        await puback(phone, 3)  # it was not taken over, and gets all
        await phone.close()
        assert await world.inbox(full, "tablet") == ["m1", "m2", "m3"]
        assert await world.inbox(limited, "phone") == []
        devices = await world.ask("GET", "/v1/devices", full)
        assert devices["unread"] == 3
        assert {each["device"] for each in devices["devices"]} <= {"phone"}


async def test_devices_hear_of_each_other_whatever_they_speak(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        token = await world.token()
        await world.publish("one", "m1")
        url = f"{world.node.plan.url}/v1/events?auth={token}&device=tablet"
        async with world.listening(token, "phone") as phone, world.node.client.http.get(url) as tablet:
            first = (await phone.hear("live"))["cursor"]
            await event(tablet, "live")
            await phone.say(type="ack", cursor=first)
            told = await event(tablet, "acked")
            assert (told["device"], told["cursor"]) == ("phone", first)
            await world.ask("POST", "/v1/ack", token, {"cursor": first, "device": "tablet"})
            told = await phone.hear("acked")
            while told.get("device") != "tablet":  # its own answer comes first
                told = await phone.hear("acked")
            assert told["cursor"] == first
            car = await world.mqtt(token, "car")
            await puback(car, 1)
            assert (await phone.hear("acked"))["device"] == "car"
            assert (await event(tablet, "acked"))["device"] == "car"
            await world.ask("POST", "/v1/read", token, {"cursor": first, "device": "watch"})
            for read in (await phone.hear("read"), await event(tablet, "read")):
                assert (read["device"], read["cursor"], read["unread"]) == ("watch", first, 0)
            await car.close()


async def test_a_topic_that_is_added_comes_from_its_cursor_on_and_none_twice(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        token, (one, two) = await world.token(), (world.dapp.topic(name) for name in ("one", "two"))
        for number in range(6):
            await world.publish("two" if number % 2 else "one", f"m{number}")
        async with world.listening(token, "phone", cursor="0", topics=[display_topic(one)]) as socket:
            titles = [(await socket.hear("message"))["envelope"]["fields"]["title"] for _ in range(3)]
            await socket.say(type="topics", add=[display_topic(two)], since="0")
            titles += [(await socket.hear("message"))["envelope"]["fields"]["title"] for _ in range(3)]
            await world.publish("one", "m6")
            await world.publish("two", "m7")
            titles += [(await socket.hear("message"))["envelope"]["fields"]["title"] for _ in range(2)]
        assert titles == ["m0", "m2", "m4", "m1", "m3", "m5", "m6", "m7"]


async def test_a_kill_repeats_what_was_not_yet_durable_and_skips_nothing(tmp_path: Path) -> None:
    dice = random.Random(5)
    async with hanging_up(), running(a_plan(tmp_path, "node")) as (node,):
        world = World(node)
        await world.prepare()
        token = await world.token()
        for number in range(40):
            await world.publish("one", f"m{number}")
        confirmed = sent = 0
        titles: dict[int, str] = {}
        for _ in range(KILLS):
            async with world.listening(token, "phone") as socket:
                for _ in range(dice.randrange(2, 8)):
                    word = await socket.hear("message")
                    sent = number_of(word["cursor"])
                    titles[sent] = word["envelope"]["fields"]["title"]
                    await socket.say(type="ack", cursor=word["cursor"])
                    if dice.random() < 0.7:
                        confirmed = number_of((await socket.hear("acked"))["cursor"])
                await node.kill()
            await node.up()
            (phone,) = (await world.ask("GET", "/v1/devices", token))["devices"]
            place = number_of(phone["cursor"])
            assert confirmed <= place <= sent
            rest = await world.inbox(token, "phone")
            assert rest == [f"m{number}" for number in range(int(titles[place][1:]) + 1, 40)]


def number_of(cursor: str) -> int:
    return int(cursor.rpartition(".")[2])
