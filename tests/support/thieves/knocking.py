"""How a client comes to an inbox over each transport, and what it is told there; everything that comes is kept."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

import aiohttp
import mqtt5
from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    Packet,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from support.mqtt_world import RawClient
from support.thieves.world import BRIDGE, HOOK_SECRET, INBOX_THERE, OWNER, SECRET, Attacked

REST, SSE, NDJSON, WEBSOCKET = "rest", "sse", "ndjson", "websocket"
MQTT, MQTT_WEBSOCKET, BROKER = "mqtt", "mqtt-websocket", "broker"
LABELS = {MQTT_WEBSOCKET: MQTT, BROKER: "bridge"}
"""What the node counts a transport as, where that is another name."""
ERROR = 0x80
WAIT_S = 20.0


class Told(NamedTuple):
    """A status, a close code or a reason code, as the transport has it; 0 for a word on a stream that goes on."""

    code: int
    reason: str


class Client(Protocol):
    """A stream that goes on."""

    async def until(self, text: str) -> None:
        """Read until this came."""

    async def close(self) -> None:
        """Hang up."""


class Events:
    """Server-Sent Events, or lines."""

    def __init__(self, world: Attacked, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self._world = world
        self._came = b""
        self._words: list[dict[str, Any]] = []

    async def _more(self) -> None:
        async with asyncio.timeout(WAIT_S):
            data = await self.response.content.readany()
        assert data, "the stream ended"
        self._world.heard += data
        self._came += data
        *lines, self._came = self._came.split(b"\n")
        self._words += [json.loads(line.removeprefix(b"data: ")) for line in lines if b"{" in line]

    async def up_to(self, kind: str) -> list[dict[str, Any]]:
        """All words up to the first of a type, which is the last."""
        while kind not in [word["type"] for word in self._words]:
            await self._more()
        at = [word["type"] for word in self._words].index(kind) + 1
        words, self._words = self._words[:at], self._words[at:]
        return words

    async def until(self, text: str) -> None:
        while text not in json.dumps(self._words):
            await self._more()

    async def close(self) -> None:
        self.response.close()


class Socket:
    """The wallets' WebSocket."""

    def __init__(self, world: Attacked, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._world = world

    async def say(self, **word: Any) -> None:
        await self.socket.send_json(word)

    async def word(self) -> dict[str, Any]:
        """The next one."""
        text = await self.socket.receive_str(timeout=WAIT_S)
        self._world.heard += text.encode()
        word: dict[str, Any] = json.loads(text)
        return word

    async def up_to(self, kind: str) -> list[dict[str, Any]]:
        """All words up to the first of a type, which is the last."""
        words = [await self.word()]
        while words[-1]["type"] != kind:
            words.append(await self.word())
        return words

    async def end(self) -> Told:
        """The word of parting, and the code that the connection is closed with."""
        said = (await self.up_to("end"))[-1]
        message = await self.socket.receive(timeout=WAIT_S)
        assert message.type is aiohttp.WSMsgType.CLOSE, message
        return Told(message.data, said["reason"])

    async def until(self, text: str) -> None:
        while text not in json.dumps(await self.word()):
            pass

    async def close(self) -> None:
        await self.socket.close()


class Wire(Protocol):
    """MQTT packets over something."""

    async def send(self, *packets: Packet) -> None:
        """All in one go."""

    async def read(self) -> Packet | None:
        """The next one, None at the end."""

    async def close(self) -> None:
        """Hang up."""


class InFrames:
    """MQTT in the binary messages of a WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._held = b""

    async def send(self, *packets: Packet) -> None:
        await self._socket.send_bytes(b"".join([packet.write() for packet in packets]))

    async def read(self) -> Packet | None:
        while True:
            try:
                packet, size = mqtt5.read(memoryview(self._held))
            except IndexError:
                message = await self._socket.receive(timeout=WAIT_S)
                if message.type is not aiohttp.WSMsgType.BINARY:
                    return None
                self._held += message.data
            else:
                self._held = self._held[size:]
                return packet

    async def close(self) -> None:
        await self._socket.close()


class Mqtt:
    """A client of the node's own endpoint. With `is_cut` the node hangs up right behind its last word; over a WebSocket
    it gives the client a second to read it."""

    def __init__(self, world: Attacked, wire: Wire, *, is_cut: bool) -> None:
        self._world = world
        self._wire = wire
        self._is_cut = is_cut

    @classmethod
    async def dial(cls, world: Attacked, transport: str) -> "Mqtt":
        wire: Wire
        if transport == MQTT:
            wire = await RawClient.dial(int(str(world.node.plan.settings["mqtt.port"])))
        else:
            wire = InFrames(await world.http.ws_connect(f"{world.url}/mqtt", protocols=("mqtt",)))
        return cls(world, wire, is_cut=transport == MQTT)

    async def send(self, *packets: Packet) -> None:
        await self._wire.send(*packets)

    async def read(self) -> Packet | None:
        packet = await self._wire.read()
        if packet is not None:
            self._world.heard += packet.write()
        return packet

    async def log_in(self, credential: str, name: str) -> Told:
        """With the credential as password."""
        password = credential.encode() or None
        await self.send(ConnectPacket(secrets.token_hex(8), username=name, password=password, clean_start=False))
        answer = await self.read()
        assert isinstance(answer, ConnAckPacket), answer
        told = Told(int(answer.reason_code), dict(answer.user_properties).get("reason", "ok"))
        if told.code >= ERROR:
            await self._ended()
        return told

    async def _ended(self) -> None:
        assert not self._is_cut or await self.read() is None, "nothing comes behind the last word"

    async def subscribe(self, *filters: str) -> list[Told]:
        """How each was answered; reasons stand there for those that were refused, in order."""
        await self.send(SubscribePacket(1, [TopicFilter(each, max_qos=QoS.AT_LEAST_ONCE) for each in filters]))
        answer = await self.read()
        assert isinstance(answer, SubAckPacket), answer
        reasons = iter([value for name, value in answer.user_properties if name == "reason"])
        codes = [int(code) for code in answer.reason_codes]
        return [Told(code, next(reasons) if code >= ERROR else "ok") for code in codes]

    async def publish(self, topic: str, payload: bytes) -> Told:
        """How it was answered."""
        await self.send(PublishPacket(topic, payload, qos=QoS.AT_LEAST_ONCE, packet_id=1))
        answer = await self.read()
        assert isinstance(answer, PubAckPacket), answer
        return Told(int(answer.reason_code), dict(answer.user_properties).get("reason", "ok"))

    async def end(self) -> Told:
        """Why the node hung up."""
        packet = await self.read()
        while isinstance(packet, PublishPacket):
            packet = await self.read()
        assert isinstance(packet, DisconnectPacket), packet
        await self._ended()
        return Told(int(packet.reason_code), dict(packet.user_properties)["reason"])

    async def until(self, text: str) -> None:
        packet = await self.read()
        while not (isinstance(packet, PublishPacket) and text.encode() in packet.payload):
            assert packet is not None, "the node hung up"
            packet = await self.read()
        await self.send(PingReqPacket())
        while not isinstance(packet, PingRespPacket):
            packet = await self.read()

    async def close(self) -> None:
        await self._wire.close()


# At each door: show a credential, and read the inbox if that opens it.


async def knock_rest(world: Attacked, _transport: str, credential: str, _name: str) -> Told:
    status, said = await world.ask("GET", "/v1/inbox", credential, query={"after": "0"})
    return Told(status, said.get("reason", "ok"))


async def open_events(world: Attacked, transport: str, credential: str, **query: str) -> Events:
    """Whether it was let in or not."""
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    if transport == NDJSON:
        headers["Accept"] = "application/x-ndjson"
    return Events(world, await world.http.get(f"{world.url}/v1/events", params=query, headers=headers))


async def knock_events(world: Attacked, transport: str, credential: str, _name: str) -> Told:
    events = await open_events(world, transport, credential, cursor="0")
    try:
        if events.response.status != 200:
            return Told(events.response.status, (await events.response.json())["reason"])
        await events.up_to("live")
        return Told(200, "ok")
    finally:
        await events.close()


async def knock_websocket(world: Attacked, _transport: str, credential: str, _name: str) -> Told:
    async with world.http.ws_connect(f"{world.url}/v1/stream") as socket:
        client = Socket(world, socket)
        await client.say(**({"type": "login", "auth": credential} if credential else {"type": "listen"}))
        message = await client.word()
        if message["type"] == "end":
            closing = await socket.receive(timeout=WAIT_S)
            return Told(closing.data, message["reason"])
        await client.say(type="listen", cursor="0")
        await client.up_to("live")
        return Told(0, "ok")


async def knock_mqtt(world: Attacked, transport: str, credential: str, name: str) -> Told:
    client = await Mqtt.dial(world, transport)
    try:
        told = await client.log_in(credential, name)
        if told.code < ERROR:
            (told,) = await client.subscribe("pushmesh/inbox")
        if told.code < ERROR:
            await client.until(SECRET)
        return told
    finally:
        await client.close()


async def ask_hook(world: Attacked, hook: str, user: str, client_id: str, **asked: Any) -> Told:
    """What the broker of the bridge is told."""
    said = {"username": user, "clientid": client_id, **asked}
    status, answer = await world.ask("POST", f"/v1/broker/{BRIDGE}/{hook}", HOOK_SECRET, said)
    return Told(status, answer.get("reason", "ok"))


async def knock_broker(world: Attacked, _transport: str, credential: str, name: str) -> Told:
    client_id = secrets.token_hex(8)
    told = await ask_hook(world, "auth", name, client_id, password=credential)
    if told.reason == "ok":
        told = await ask_hook(world, "acl", name, client_id, topic=INBOX_THERE, acc=4)
    return told


Knock = Callable[[Attacked, str, str, str], Awaitable[Told]]

DOORS: dict[str, Knock] = {
    REST: knock_rest,
    SSE: knock_events,
    NDJSON: knock_events,
    WEBSOCKET: knock_websocket,
    MQTT: knock_mqtt,
    MQTT_WEBSOCKET: knock_mqtt,
    BROKER: knock_broker,
}


async def knock(world: Attacked, transport: str, credential: str, name: str = OWNER.display) -> Told:
    """At the door of a transport, under the name of the owner where one is asked for."""
    return await DOORS[transport](world, transport, credential, name)
