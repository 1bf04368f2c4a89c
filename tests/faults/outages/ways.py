"""The ways to a wallet as transports of the SDK: the three that it has, and those that programs of their own use."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Final

import aiohttp
import mqtt5
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    Packet,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from pushmesh_client import Node, Unreachable
from pushmesh_client.node import refused
from pushmesh_client.transports import Delivery, Ended, Event, ReadState, Transport
from pushmesh_client.transports.contract import LogIn, Request
from pushmesh_client.transports.mqtt import MqttTransport
from pushmesh_client.transports.reading import read_delivery, read_event, read_json
from pushmesh_client.transports.sse import SseTransport
from pushmesh_client.transports.websocket import WebSocketTransport
from pushmesh_client.wallet_calls import mark_read

WAYS: Final = ("rest", "sse", "ndjson", "websocket", "mqtt", "mqtt-websocket")
POLL_S: Final = 10.0
PAGE: Final = 64
ANSWER_S: Final = 15.0
SESSION_S: Final = 86_400
KEEP_ALIVE_S: Final = 600
WINDOW: Final = 256
LINES: Final = "application/x-ndjson"


def transport_of(way: str, node: Node, port: int, account: str, login: LogIn) -> Transport:
    """A fresh one; `node` and `port` are of the same address, which is the MQTT endpoint's for the way `mqtt`."""
    makers: dict[str, Callable[[], Transport]] = {
        "rest": lambda: PageTransport(node, login),
        "sse": lambda: SseTransport(node, login),
        "ndjson": lambda: LineTransport(node, login),
        "websocket": lambda: WebSocketTransport(node, login),
        "mqtt": lambda: MqttTransport(f"mqtt://127.0.0.1:{port}", account, login),
        "mqtt-websocket": lambda: MqttSocketTransport(node, account, login),
    }
    return makers[way]()


class _MarksOverHttp:
    """What was read is said by a request of its own."""

    _node: Node
    _login: LogIn

    async def mark_read(self, cursor: str | None, messages: Sequence[str]) -> ReadState:
        """Kept on return."""
        return await mark_read(self._node, await self._login(), cursor, messages)


class PageTransport(_MarksOverHttp):
    """Long-poll REST: a page, then the next one after it, which waits for its first message."""

    answers_vouchers = False

    def __init__(self, node: Node, login: LogIn) -> None:
        self._node = node
        self._login = login
        self._device = ""
        self._messages: list[Delivery] = []
        self._place = ""

    async def open(self, request: Request) -> None:
        """The first page, which waits for nothing."""
        self._device = request.device
        await self._ask({} if request.cursor is None else {"after": request.cursor})

    async def _ask(self, query: dict[str, str], wait_s: float = 0.0) -> None:
        asked = {"device": self._device, "limit": str(PAGE), "wait_s": f"{wait_s:g}"} | query
        page = await self._node.get("/v1/inbox", asked, await self._login(), extra_s=wait_s)
        self._messages = [read_delivery(each) for each in page["messages"]]
        self._place = page["cursor"]

    async def events(self) -> AsyncGenerator[Event, None]:
        """Page after page."""
        while True:
            for message in self._messages:
                yield message
            await self._ask({"after": self._place}, POLL_S)

    async def acknowledge(self, cursor: str, voucher: bytes | None) -> None:
        """Durable when it returns."""
        await self._node.acknowledge(cursor, self._device, await self._login(), voucher)

    async def close(self) -> None:
        """Nothing stays open but the node's own connections."""
        await self._node.close()


class LineTransport(_MarksOverHttp):
    """JSON lines over one long answer."""

    answers_vouchers = False

    def __init__(self, node: Node, login: LogIn) -> None:
        self._node = node
        self._login = login
        self._device = ""
        self._http: aiohttp.ClientSession | None = None
        self._response: aiohttp.ClientResponse | None = None

    async def open(self, request: Request) -> None:
        """As the SDK's SSE, in another form."""
        self._device = request.device
        query = {"device": request.device} | ({} if request.cursor is None else {"cursor": request.cursor})
        headers = {"Authorization": f"Bearer {await self._login()}", "Accept": LINES}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_S)
        self._http = aiohttp.ClientSession(timeout=timeout, read_bufsize=1 << 20)
        try:
            async with asyncio.timeout(ANSWER_S):
                url = self._node.url.joinpath("v1/events")
                self._response = await self._http.get(url, params=query, headers=headers)
                if self._response.status != 200:
                    raise refused(self._response.status, read_json(await self._response.read()))
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable.by(self._node.url, error) from error

    async def events(self) -> AsyncGenerator[Event, None]:
        """A line each; half a line at the end is none."""
        assert self._response is not None, "open first"
        with suppress(aiohttp.ClientError, OSError):
            async for line in self._response.content:
                event = read_event(read_json(line)) if line.endswith(b"\n") else None
                if event is not None:
                    yield event
        raise Unreachable(f"{self._node.url} ended the lines")

    async def acknowledge(self, cursor: str, voucher: bytes | None) -> None:
        """A request of its own."""
        await self._node.acknowledge(cursor, self._device, await self._login(), voucher)

    async def close(self) -> None:
        """Cuts the answer off."""
        if self._response is not None:
            self._response.close()
        if self._http is not None:
            await self._http.close()


class MqttSocketTransport(_MarksOverHttp):
    """MQTT 5 over WebSocket under QoS 1, on the codec alone."""

    answers_vouchers = False

    def __init__(self, node: Node, account: str, login: LogIn) -> None:
        self._node = node
        self._account = account
        self._login = login
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._held = b""
        self._early: list[PublishPacket] = []
        self._taken: dict[str, int] = {}

    async def open(self, request: Request) -> None:
        """CONNECT and SUBSCRIBE; the device is the client id, whose session goes on."""
        connect = ConnectPacket(
            request.device,
            username=self._account,
            password=(await self._login()).encode(),
            keep_alive=KEEP_ALIVE_S,
            session_expiry_interval=SESSION_S,
            receive_max=WINDOW,
            user_properties=[] if request.cursor is None else [("cursor", request.cursor)],
        )
        inbox = TopicFilter("pushmesh/inbox", max_qos=QoS.AT_LEAST_ONCE)
        try:
            async with asyncio.timeout(ANSWER_S):
                url = self._node.url.joinpath("mqtt")
                self._socket = await self._node.http.ws_connect(
                    url, protocols=("mqtt",), timeout=aiohttp.ClientWSTimeout(ws_close=2.0), max_msg_size=1 << 24
                )
                await self._say(connect)
                answer = await self._read()
                if not isinstance(answer, ConnAckPacket) or answer.reason_code != ConnAckReasonCode.SUCCESS:
                    raise refused(0, {"reason": _reason(answer)})
                await self._say(SubscribePacket(1, [inbox], user_properties=[("format", "frame")]))
                while not isinstance(packet := await self._read(), SubAckPacket):
                    assert isinstance(packet, PublishPacket), packet  # a session that goes on is served at once
                    self._early.append(packet)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable.by(self._node.url, error) from error

    async def events(self) -> AsyncGenerator[Event, None]:
        """Messages, and the node's DISCONNECT as an end."""
        while True:
            packet = self._early.pop(0) if self._early else await self._read()
            if isinstance(packet, DisconnectPacket):
                yield Ended(_reason(packet), packet.reason_str or "")
                return
            assert isinstance(packet, PublishPacket), packet
            said = dict(packet.user_properties)
            assert packet.packet_id is not None, "under QoS 1"
            self._taken[said["cursor"]] = packet.packet_id
            yield Delivery(said["cursor"], packet.payload, said["verdict"], said["reason"])

    async def acknowledge(self, cursor: str, voucher: bytes | None) -> None:
        """PUBACK in order, up to the cursor."""
        ids = []
        for taken in list(self._taken):
            ids.append(self._taken.pop(taken))
            if taken == cursor:
                break
        await self._say(*[PubAckPacket(each) for each in ids])

    async def close(self) -> None:
        """Hang up."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        await self._node.close()

    async def _say(self, *packets: Packet) -> None:
        if self._socket is None:
            raise Unreachable("the connection is closed")
        try:
            await self._socket.send_bytes(b"".join([packet.write() for packet in packets]))
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable.by(self._node.url, error) from error

    async def _read(self) -> Packet:
        assert self._socket is not None, "open first"
        while True:
            try:
                packet, size = mqtt5.read(memoryview(self._held))
            except IndexError:
                message = await self._socket.receive()
                if message.type is not aiohttp.WSMsgType.BINARY:
                    raise Unreachable(f"{self._node.url} closed the connection") from None
                self._held += message.data
            else:
                self._held = self._held[size:]
                return packet


def _reason(packet: Packet) -> str:
    said = dict(packet.user_properties) if isinstance(packet, ConnAckPacket | DisconnectPacket) else {}
    return said.get("reason", "bad-answer")
