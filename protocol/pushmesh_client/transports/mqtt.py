"""The node's MQTT 5 endpoint, QoS 1: a message is acknowledged when the wallet has taken it, not when it arrived."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import aiomqtt
import msgspec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions
from yarl import URL

from pushmesh_protocol.armor import to_text

from ..errors import BadAnswer, Refused, Unreachable
from .contract import Delivery, Event, Live, LogIn, MarkRefused, Request
from .reading import read_event, read_json, read_marks

RECEIVE_MAXIMUM = 256
"""So many messages may be on their way unacknowledged: the bound of the queue."""
KEEP_ALIVE_S = 30
SESSION_EXPIRY_S = 86_400
INBOX, DEVICES, READ = "pushmesh/inbox", "pushmesh/devices", "pushmesh/read"
READ_ANSWERS = "pushmesh/receipts/read"
"""Where the node tells this connection what became of what it marked as read."""
REFUSALS = {
    134: "bad-login",
    135: "forbidden",
    136: "not-ready",
    137: "rate-limited",
    138: "forbidden",
    151: "rate-limited",
}
"""CONNACK and SUBACK reason codes that are an answer; others are a broken connection."""


class MqttTransport:
    """See Transport."""

    answers_vouchers = False

    def __init__(self, url: str, account: str, login: LogIn, *, timeout_s: float = 15.0) -> None:
        """`url` is mqtt:// or mqtts://host:port; `account` in CAIP-10 is the user name. Raises ValueError for another
        URL."""
        self._url = URL(url)
        if self._url.scheme not in ("mqtt", "mqtts") or not self._url.host:
            raise ValueError(f"{url} is not the address of an MQTT endpoint, such as mqtt://127.0.0.1:1883")
        self._account = account
        self._login = login
        self._timeout_s = timeout_s
        self._client: aiomqtt.Client | None = None
        self._taken: dict[str, int] = {}

    async def open(self, request: Request) -> None:
        """Connect with the log-in as password; the device is the client id."""
        tls = self._url.scheme == "mqtts"
        client = _Client(
            str(self._url.host),
            self._url.port or (8883 if tls else 1883),
            username=self._account,
            password=await self._login(),
            identifier=request.device,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            keepalive=KEEP_ALIVE_S,
            timeout=self._timeout_s,
            properties=_connect_properties(request.cursor),
            tls_context=ssl.create_default_context() if tls else None,
        )
        client._client.manual_ack_set(True)  # aiomqtt has no public way to acknowledge only what was taken
        try:
            await client.__aenter__()
            self._client = client
            inboxes = [f"{INBOX}/{topic}".rstrip("/") for topic in request.topics or ("",)]
            filters = [(wanted, SubscribeOptions(qos=1)) for wanted in inboxes]
            filters += [(told, SubscribeOptions(qos=0)) for told in (DEVICES, READ_ANSWERS)]
            codes = await client.subscribe(filters, properties=_subscribe_properties())
            self._check_granted(codes[: len(inboxes)])
        except aiomqtt.MqttError as error:
            await self.close()
            raise self._error(error) from error

    async def events(self) -> AsyncGenerator[Event, None]:
        """Messages as they come."""
        client = self._client
        assert client is not None, "open first"
        try:
            async for message in client.messages:
                event = _read(message)
                if isinstance(event, Delivery):
                    self._taken[event.cursor] = message.mid
                elif message.qos:
                    client._client.ack(message.mid, message.qos)  # as above
                if event is not None:
                    yield event
        except aiomqtt.MqttError as error:
            raise self._error(error) from error

    async def acknowledge(self, cursor: str, voucher: bytes | None) -> None:
        """PUBACK what was taken up to the cursor, in order; a voucher goes to pushmesh/ack."""
        client = self._client
        if client is None:
            raise Unreachable(f"the connection to {self._url} is closed")
        for taken in list(self._taken):
            client._client.ack(self._taken.pop(taken), 1)  # as above
            if taken == cursor:
                break
        if voucher is not None:
            payload = msgspec.json.encode({"cursor": cursor, "voucher": to_text(voucher)})
            try:
                await client.publish("pushmesh/ack", payload, qos=1)
            except aiomqtt.MqttError as error:
                raise self._error(error) from error

    async def mark_read(self, cursor: str | None, messages: Sequence[str]) -> None:
        """The answer comes as an event."""
        if self._client is None:
            raise Unreachable(f"the connection to {self._url} is closed")
        payload = msgspec.json.encode({"cursor": cursor, "messages": list(messages)})
        try:
            await self._client.publish(READ, payload, qos=1, properties=_read_properties())
        except aiomqtt.MqttError as error:
            raise self._error(error) from error

    async def close(self) -> None:
        """DISCONNECT where somebody is there to hear it."""
        client, self._client = self._client, None
        self._taken.clear()
        if client is not None:
            try:
                async with asyncio.timeout(2):
                    await client.__aexit__(None, None, None)
            except (aiomqtt.MqttError, TimeoutError, OSError):
                return

    def _check_granted(self, codes: object) -> None:
        for code in codes if isinstance(codes, (list, tuple)) else ():
            value = getattr(code, "value", code)
            if isinstance(value, int) and value >= 128:
                raise Refused(f"{self._url} refused the subscription", reason=REFUSALS.get(value, "forbidden"))

    def _error(self, error: aiomqtt.MqttError) -> Exception:
        code = getattr(error, "rc", None)
        value = getattr(code, "value", code)
        if isinstance(value, int) and value in REFUSALS:
            return Refused(f"{self._url} refused the connection ({error})", reason=REFUSALS[value])
        return Unreachable.by(self._url, error)


class _Client(aiomqtt.Client):
    """aiomqtt's, which waits on for answers when the connection is lost that they were to come over, and takes part in
    what other sockets of the loop do."""

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Any = None
    ) -> None:
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        lost = aiomqtt.MqttCodeError(reason_code, "the connection was lost")
        pending: list[asyncio.Future[Any]] = [self._connected, *self._pending_subscribes.values(), self._disconnected]
        for answer in pending:
            self._loop.call_soon_threadsafe(_fail, answer, lost)  # CONNECT is sent on a thread

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        """aiomqtt notes the socket's number, by which the loop may come to watch another one that has it by then."""
        self._loop.call_soon_threadsafe(self._watch, sock)

    def _watch(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._write)

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except OSError as error:
            _fail(self._disconnected, error)


def _fail(answer: "asyncio.Future[Any]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
    if not answer.cancelled():
        answer.exception()  # looked at, so that the loop does not log one that nobody waits for


def _read(message: aiomqtt.Message) -> Event | None:
    """What a PUBLISH says; None for a notice, which carries no frame, and for what a wallet need not act on. Raises
    BadAnswer."""
    said = dict(getattr(message.properties, "UserProperty", ()))
    payload = message.payload
    if message.topic.value in (DEVICES, READ_ANSWERS):
        told = read_json(payload if isinstance(payload, bytes) else b"")
        if message.topic.value == DEVICES:
            return read_event(told)
        if "reason" in told:
            return MarkRefused(str(told["reason"]), str(told.get("detail", "")))
        return read_marks(told)
    if "notice" in said:
        return None
    if said.get("kind") == "live":
        return Live(said.get("cursor"))
    if not isinstance(payload, bytes) or not {"cursor", "verdict", "reason"} <= said.keys():
        raise BadAnswer("the MQTT endpoint sent a message without cursor, frame, verdict and reason")
    return Delivery(said["cursor"], payload, said["verdict"], said["reason"])


def _subscribe_properties() -> Properties:
    """Ask for frames, which a wallet can verify by itself, and to be told where what is stored ends."""
    properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]  # paho's properties carry no types
    properties.UserProperty = [("format", "frame"), ("markers", "1")]
    return properties


def _read_properties() -> Properties:
    """The answer goes to this connection alone."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's properties carry no types
    properties.ResponseTopic = READ_ANSWERS
    return properties


def _connect_properties(cursor: str | None) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's properties carry no types
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    if cursor is not None:
        properties.UserProperty = [("cursor", cursor)]
    return properties
