"""MQTT at a real node beside the other transports: where the stored messages end, what a person has read, and which
host a log-in is for."""

import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mqtt5 import (
    AuthPacket,
    AuthReasonCode,
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PubAckReasonCode,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_client import Dapp, Draft, Node, SlotBook, Subscriber
from pushmesh_node.app.node import Node as Served
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.accounts import display_account, display_topic
from pushmesh_protocol.auth.signing import sign_login
from pushmesh_protocol.login import LogInWords, format_login
from pushmesh_protocol.tokens import TokenScope
from support.mqtt_world import RawClient, hanging_up
from support.running_node import running_node, url_of
from support.wallets import a_wallet

pytestmark = pytest.mark.integration

NETWORK = shipped_network("devnet")
OWNER = a_wallet(2)
METHOD = "pushmesh-login"
ANSWERS = "pushmesh/receipts/me"


class World:
    """A node, a dapp with topics one and two, and a wallet that follows both."""

    def __init__(self, served: Served, node: Node) -> None:
        self.served = served
        self.node = node
        self.dapp = Dapp(node, a_wallet(1), SlotBook())
        self.owner = Subscriber(node, OWNER, SlotBook())

    async def prepare(self) -> None:
        await self.owner.grant()
        for name in ("one", "two"):
            assert (await self.dapp.create_topic(name, name)).ok
            assert (await self.owner.subscribe(self.dapp.topic(name))).ok

    async def publish(self, topic: str, title: str) -> None:
        assert (await self.dapp.publish(topic, Draft(title=title))).ok

    async def dial(self) -> RawClient:
        return await RawClient.dial(int(self.served.status.mqtt_address.rpartition(":")[2]))

    async def connected(self, token: str, client_id: str) -> RawClient:
        client = await self.dial()
        name = display_account(OWNER.account)
        await client.send(ConnectPacket(client_id, username=name, password=token.encode()))
        answer = await client.read()
        assert isinstance(answer, ConnAckPacket) and answer.reason_code == ConnAckReasonCode.SUCCESS, answer
        return client

    async def unread(self, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.node.http.get(f"{url_of(self.served)}/v1/unread", headers=headers) as response:
            return int((await response.json())["unread"])

    def counted(self, metric: str, **labels: str) -> float:
        """A counter of the node's own."""
        wanted = {f'{name}="{value}"' for name, value in labels.items()}
        for line in self.served.metrics.exposition().decode().splitlines():
            head, _, value = line.rpartition(" ")
            found, _, rest = head.partition("{")
            if found == metric and wanted == set(rest.rstrip("}").split(",")):
                return float(value)
        return 0.0


@asynccontextmanager
async def a_world(tmp_path: Path) -> AsyncIterator[World]:
    async with hanging_up(), running_node(tmp_path / "node") as served, Node(url_of(served)) as node:
        world = World(served, node)
        await world.prepare()
        yield world


async def subscribe(client: RawClient, *patterns: str, number: int = 1, **words: str) -> None:
    filters = [TopicFilter(pattern, max_qos=QoS.AT_LEAST_ONCE) for pattern in patterns]
    await client.send(SubscribePacket(number, filters, user_properties=list(words.items())))
    answer = await client.read()
    assert isinstance(answer, SubAckPacket) and all(int(code) < 0x80 for code in answer.reason_codes), answer


async def hear(client: RawClient) -> tuple[str, str, dict[str, str]]:
    """The next message of the inbox: its topic, its title (or the kind of one without payload), its properties."""
    packet = await client.read()
    assert isinstance(packet, PublishPacket), packet
    words = dict(packet.user_properties)
    return packet.topic, json.loads(packet.payload)["fields"]["title"] if packet.payload else words["kind"], words


async def silent(client: RawClient) -> bool:
    """Whether nothing comes before the answer to a ping."""
    await client.send(PingReqPacket())
    return isinstance(await client.read(), PingRespPacket)


def number_of(cursor: str) -> int:
    return int(cursor.rpartition(".")[2])


async def test_a_marker_stands_between_stored_and_live_for_who_asked_and_for_nobody_else(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        token = await world.owner.token()
        for number in range(3):
            await world.publish("one", f"m{number}")
        phone, plain = await world.connected(token, "phone"), await world.connected(token, "plain")
        await subscribe(phone, "pushmesh/inbox", markers="1")
        await subscribe(plain, "pushmesh/inbox")
        stored = [await hear(phone) for _ in range(4)]
        assert [title for _, title, _ in stored] == ["m0", "m1", "m2", "live"]
        topic, _, words = stored[-1]
        assert (topic, set(words)) == ("pushmesh/inbox", {"kind", "cursor"})
        assert number_of(words["cursor"]) >= number_of(stored[2][2]["cursor"])
        assert [(await hear(plain))[1] for _ in range(3)] == ["m0", "m1", "m2"]
        await world.publish("two", "m3")
        assert ((await hear(phone))[1], (await hear(plain))[1]) == ("m3", "m3")

        single = f"pushmesh/inbox/{display_topic(world.dapp.topic('two'))}"
        await subscribe(phone, single, number=2, markers="1")
        assert [(await hear(phone))[:2] for _ in range(2)] == [("pushmesh/inbox", "live"), (single, "live")]
        await subscribe(plain, single, number=2)
        assert await silent(plain)

        later = await world.dial()  # from where the marker said that all was given
        name, place = display_account(OWNER.account), [("cursor", words["cursor"])]
        await later.send(ConnectPacket("later", username=name, password=token.encode(), user_properties=place))
        await later.read()
        await subscribe(later, "pushmesh/inbox", markers="1")
        assert [(await hear(later))[1] for _ in range(2)] == ["m3", "live"]


async def test_what_is_read_over_mqtt_is_read_everywhere_and_a_limited_token_marks_nothing_of_the_wallets(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        full = await world.owner.token()
        for number, topic in enumerate(("one", "two", "one", "one")):
            await world.publish(topic, f"m{number}")
        phone, tablet = await world.connected(full, "phone"), await world.connected(full, "tablet")
        await subscribe(phone, "pushmesh/inbox", ANSWERS)
        cursors = [(await hear(phone))[2]["cursor"] for _ in range(4)]
        await subscribe(tablet, "pushmesh/devices")
        async with world.node.http.ws_connect(f"{url_of(world.served)}/v1/stream") as socket:
            await socket.send_json({"type": "login", "auth": full})
            await socket.send_json({"type": "listen", "cursor": "now", "device": "laptop"})
            assert [(await socket.receive_json(timeout=20))["type"] for _ in range(2)] == ["welcome", "live"]
            form = {"device": "phone", "cursor": cursors[0], "messages": [cursors[2]], "unread": 2}
            assert await read_over(phone, {"cursor": cursors[0], "messages": [cursors[2]]}) == form
            assert json.loads(await payload_of(tablet)) == {"type": "read", **form}
            assert await socket.receive_json(timeout=20) == {"type": "read", **form}
        assert await world.unread(full) == 2

        of_one = await world.owner.token(topics=[world.dapp.topic("one")])
        limited = await world.connected(of_one, "phone")
        await subscribe(limited, ANSWERS)
        assert (await read_over(limited, {"cursor": cursors[3]}))["unread"] == 0
        assert (await world.unread(of_one), await world.unread(full)) == (0, 2)
        assert await silent(tablet), "nobody of the wallet's own devices hears of it"

        writer = await world.connected(await world.owner.token(scopes=(TokenScope.PUBLISH,)), "phone")
        for client, said in ((limited, {"cursor": cursors[3] + "0"}), (writer, {"cursor": cursors[3]})):
            before = world.counted("pushmesh_mqtt_events_total", what="publish", reason=reason_of(client, writer))
            payload = json.dumps(said).encode()
            await client.send(PublishPacket("pushmesh/read", payload, qos=QoS.AT_LEAST_ONCE, packet_id=9))
            answer = await client.read()
            assert isinstance(answer, PubAckPacket) and int(answer.reason_code) >= 0x80, answer
            reason = dict(answer.user_properties)["reason"]
            assert reason == reason_of(client, writer)
            assert world.counted("pushmesh_mqtt_events_total", what="publish", reason=reason) == before + 1
        assert await world.unread(full) == 2


def reason_of(client: RawClient, writer: RawClient) -> str:
    return "forbidden" if client is writer else "bad-cursor"


async def payload_of(client: RawClient) -> bytes:
    packet = await client.read()
    assert isinstance(packet, PublishPacket), packet
    return packet.payload


async def read_over(client: RawClient, said: dict[str, Any]) -> dict[str, Any]:
    """Say what was read, and hear what is read then."""
    payload = json.dumps(said).encode()
    asked = PublishPacket("pushmesh/read", payload, qos=QoS.AT_LEAST_ONCE, packet_id=5, response_topic=ANSWERS)
    await client.send(asked)
    told: dict[str, Any] = json.loads(await payload_of(client))
    answer = await client.read()
    assert isinstance(answer, PubAckPacket)
    assert (answer.packet_id, answer.reason_code) == (5, PubAckReasonCode.SUCCESS)
    return told


async def test_the_challenge_names_the_hosts_and_a_relayed_log_in_for_another_opens_nothing(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        client = await world.dial()
        asked = await challenge_of(client)
        assert asked["hosts"] == (await world.node.challenge())["hosts"] and "127.0.0.1" in asked["hosts"]
        before = world.counted("pushmesh_log_ins_total", reason="bad-login")
        await client.send(proof(a_login(asked, "evil.example")))
        answer = await client.read()
        assert isinstance(answer, ConnAckPacket), answer
        assert answer.reason_code == ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD
        assert (dict(answer.user_properties)["reason"], answer.reason_str) == ("bad-login", "host")
        assert world.counted("pushmesh_log_ins_total", reason="bad-login") == before + 1
        assert await client.read() is None

        client = await world.dial()
        name, login = display_account(OWNER.account), a_login(asked, "evil.example")
        await client.send(ConnectPacket("phone", username=name, password=login.encode(), clean_start=True))
        answer = await client.read()
        assert isinstance(answer, ConnAckPacket) and answer.reason_str == "host", "nor as a password"

        client = await world.dial()
        await client.send(proof(a_login(await challenge_of(client), "127.0.0.1")))
        answer = await client.read()
        assert isinstance(answer, ConnAckPacket) and answer.reason_code == ConnAckReasonCode.SUCCESS


async def challenge_of(client: RawClient) -> dict[str, Any]:
    await client.send(ConnectPacket("phone", authentication_method=METHOD, clean_start=True))
    asked = await client.read()
    assert isinstance(asked, AuthPacket) and asked.authentication_data is not None
    challenge: dict[str, Any] = json.loads(asked.authentication_data)
    return challenge


def a_login(asked: dict[str, Any], host: str) -> str:
    words = LogInWords(
        node_id=bytes.fromhex(asked["node_id"]),
        host=host,
        account=OWNER.account,
        nonce=secrets.token_bytes(32),
        issued_at=time.time_ns() // 1_000_000,
        purpose=asked["purpose"],
    )
    return format_login(sign_login(OWNER.key, NETWORK, words))


def proof(login: str) -> AuthPacket:
    return AuthPacket(
        reason_code=AuthReasonCode.CONTINUE_AUTHENTICATION,
        authentication_method=METHOD,
        authentication_data=login.encode(),
    )
