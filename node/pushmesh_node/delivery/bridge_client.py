"""The bridge's connection to a broker: aiomqtt's, with publishes that need no task each, and with refusals that are
told."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, NoReturn

import aiomqtt
from paho.mqtt import MQTTException
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pushmesh_protocol.reasons import Reason

from .bridge_forms import PackedProperties
from .bridge_settings import BridgeSettings

CONFIRM_S: Final = 30.0
"""A broker that does not confirm a publish in this time is given up and dialled again."""

GOODBYE_S: Final = 2.0
"""How long a broker that takes no bytes may hold up the end."""

MOST_ON_THE_WAY: Final = 65_535
FIRST_FAILURE: Final = 0x80
SESSION_S: Final = 7 * 24 * 3_600
"""How long the broker keeps for the node what it would have been sent."""
OVERHEAD_BYTES: Final = 16
"""Of a PUBLISH packet beside topic, properties and payload, at most."""

HEAD_BYTES: Final = 8_192
"""Of one that the node takes, with the topics that it names."""


class BrokerRefused(Exception):
    """Raised when the broker answers a publish with an error: its access list or quota is the operator's to mend."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """What the node takes from the broker: so many publishes at a time, of so many bytes each at most. Those under
    QoS 0, for which the broker does not wait, are dropped beyond that; `dropped` is told why something was."""

    at_a_time: int
    payload_bytes: int
    dropped: Callable[[Reason], object]


class BrokerClient(aiomqtt.Client):
    """One connection, made once. `send` publishes; `until_lost` tells why it is over. With `inbound` the broker keeps a
    session for this client id, and what it sends is in `messages` until `confirm`.

    aiomqtt 2.5.1 itself takes every PUBACK for a success, and spends a task and a look at all publishes under way on
    each of them."""

    def __init__(self, settings: BridgeSettings, client_id: str, inbound: Inbound | None = None) -> None:
        logger = logging.getLogger("pushmesh.bridge")
        logger.setLevel(logging.CRITICAL)  # what goes wrong is raised; aiomqtt would say it once per message
        super().__init__(
            settings.host,
            settings.port,
            username=settings.username,
            password=settings.password,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=inbound is None,
            properties=None if inbound is None else _wishes(inbound),
            timeout=CONFIRM_S,
            max_inflight_messages=MOST_ON_THE_WAY,  # how many there are is the sender's to bound
            tls_context=settings.tls,
            logger=logger,
        )
        self.receive_maximum = MOST_ON_THE_WAY
        """How many publishes the broker takes unconfirmed."""
        self.packet_bytes: int | None = None
        """The largest packet that it takes."""
        self._inbound = inbound
        self._thread = threading.get_ident()
        self._client.manual_ack_set(True)
        self._handle_publish = self._client._handle_publish
        self._client._handle_publish = self._read_publish  # type: ignore[method-assign]  # see there
        self._handle_puback = self._client._handle_pubackcomp
        self._client._handle_pubackcomp = self._read_puback  # type: ignore[method-assign]  # see there
        self._unconfirmed: dict[int, _Unconfirmed] = {}
        self._failed: asyncio.Future[NoReturn] = self._loop.create_future()
        self._overdue: asyncio.TimerHandle | None = None

    async def dial(self) -> None:
        """Connect. Raises MqttError, also for a broker that hangs up as soon as it has answered."""
        ended = self._disconnected  # aiomqtt takes another one where this is done by the time that it looks
        try:
            await self.__aenter__()
        except BaseException:
            self._client.disconnect()  # the loop sends it and closes the socket, which aiomqtt leaves open
            raise
        if ended.done():
            raise aiomqtt.MqttError("the broker hung up at once") from ended.exception()

    async def hang_up(self) -> None:
        """Disconnect. Raises nothing that the broker or the network could cause."""
        if self._overdue is not None:
            self._overdue.cancel()
        with suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self.__aexit__(None, None, None)
        for over in (self._disconnected, self._failed):
            if over.done() and not over.cancelled():
                over.exception()  # looked at, so that the loop does not log it as never retrieved

    async def until_lost(self) -> NoReturn:
        """Raises what ends the connection: MqttError as soon as the broker has gone, or what it was failed with."""
        await asyncio.wait((self._failed, self._disconnected), return_when=asyncio.FIRST_COMPLETED)
        if self._failed.done():  # looked at first: some brokers refuse, then hang up
            self._failed.result()
        raise aiomqtt.MqttError("the broker hung up") from self._disconnected.exception()

    def fail(self, error: BaseException) -> None:
        """End the connection for a reason, which `until_lost` raises. The first one stays."""
        if not self._failed.done():
            self._failed.set_exception(error)

    @property
    def failure(self) -> BaseException | None:
        """What it was failed with."""
        return self._failed.exception() if self._failed.done() else None

    def takes(self, topic: str, payload: bytes, properties: PackedProperties) -> bool:
        """Whether the broker takes a packet of this size."""
        if self.packet_bytes is None:
            return True
        return OVERHEAD_BYTES + len(topic.encode()) + len(properties.data) + len(payload) <= self.packet_bytes

    def send(
        self,
        topic: str,
        payload: bytes,
        properties: PackedProperties,
        confirmed: Callable[[], object],
        refused: Callable[[str], object] | None = None,
    ) -> None:
        """Publish under QoS 1; `confirmed` is called, on the loop and quickly, when the broker has taken it, or
        `refused` with its reason; without that a refusal ends the connection. The caller keeps within
        `receive_maximum`. Raises MqttError where the connection is lost."""
        packed: Any = properties  # see PackedProperties
        published = self._client.publish(topic, payload, 1, False, packed)
        if published.rc:
            raise aiomqtt.MqttCodeError(published.rc, "Could not publish message")
        self._unconfirmed[published.mid] = _Unconfirmed(self._loop.time(), confirmed, refused)
        if self._overdue is None:
            self._overdue = self._loop.call_later(CONFIRM_S, self._look)

    def confirm(self, message: aiomqtt.Message) -> None:
        """The broker need not keep what it sent."""
        if message.qos:
            self._client.ack(message.mid, message.qos)

    def _look(self) -> None:
        """The oldest unconfirmed publish is late, or there is none, or it is the next one's turn."""
        self._overdue = None
        if self._unconfirmed:
            due_s = next(iter(self._unconfirmed.values())).since_s + CONFIRM_S
            if due_s <= self._loop.time():
                self.fail(aiomqtt.MqttError("the broker does not confirm"))
            else:
                self._overdue = self._loop.call_at(due_s, self._look)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:
        """At once where this is the loop's own thread, as it is for all but CONNECT: aiomqtt's detour would meet a
        socket that was closed meanwhile, and costs a write to the loop's pipe for each burst."""
        if threading.get_ident() == self._thread:
            self._loop.add_writer(sock.fileno(), self._write)
        else:
            super()._on_socket_register_write(client, userdata, sock)

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except OSError as error:
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Any = None
    ) -> None:
        self.receive_maximum = getattr(properties, "ReceiveMaximum", MOST_ON_THE_WAY)
        self.packet_bytes = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any) -> None:
        """Of what was refused."""
        unconfirmed = self._unconfirmed.pop(mid)
        if unconfirmed.refused is not None:
            unconfirmed.refused(str(reason_code))
        else:
            self.fail(BrokerRefused(str(reason_code)))

    def _read_puback(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        """Stands before paho's own, which makes three objects of a plain confirmation and looks at all publishes under
        way: half of what one costs."""
        packet = self._client._in_packet["packet"]
        mid = int.from_bytes(packet[:2], "big")
        if mid not in self._unconfirmed or (len(packet) > 2 and packet[2] >= FIRST_FAILURE):
            return self._handle_puback(cmd)
        with self._client._out_message_mutex:
            del self._client._out_messages[mid]
            self._client._inflight_messages -= 1
        self._unconfirmed.pop(mid).confirmed()
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        assert self._inbound is not None, "nothing else is subscribed to"
        if not message.qos and len(self.messages) >= self._inbound.at_a_time:
            self._inbound.dropped(Reason.QUEUE_FULL)
        else:
            super()._on_message(client, userdata, message)

    def _read_publish(self) -> MQTTErrorCode:
        """Stands before paho's own. That raises for texts which brokers pass on, such as a property with U+FEFF, and a
        publish that ends the connection would come again on the next one, for ever: so it is dropped for good."""
        try:
            return self._handle_publish()
        except (MQTTException, UnicodeError):
            assert self._inbound is not None, "nothing else is subscribed to"
            self._inbound.dropped(Reason.MALFORMED)
            packet = self._client._in_packet
            qos = packet["command"] >> 1 & 3
            if qos:
                after_topic = 2 + int.from_bytes(packet["packet"][:2], "big")
                self._client.ack(int.from_bytes(packet["packet"][after_topic : after_topic + 2], "big"), qos)
            return MQTTErrorCode.MQTT_ERR_SUCCESS


class _Unconfirmed(NamedTuple):
    since_s: float
    confirmed: Callable[[], object]
    refused: Callable[[str], object] | None


def _wishes(inbound: Inbound) -> Properties:
    wishes: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
    wishes.SessionExpiryInterval = SESSION_S
    wishes.ReceiveMaximum = inbound.at_a_time
    wishes.MaximumPacketSize = inbound.payload_bytes + HEAD_BYTES
    found: Properties = wishes
    return found
