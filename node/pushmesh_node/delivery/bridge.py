"""Publishes inboxes and public broadcasts to an external MQTT broker: at least once, whatever the broker does.

What the broker has confirmed is remembered like a device's acknowledgement, so an outage or a restart loses nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pushmesh_protocol.accounts import solana_account
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from ..engine.answers import Denied, Permission, Principal
from .bridge_settings import BridgeSettings
from .contract import Inboxes, Message, WalletEvent
from .cursor import find_start
from .messages import MessageForms
from .session import Mark, Marker, Session

TRANSPORT = "bridge"
FIRST_WAIT_S = 0.5
CONFIRM_S = 30.0
"""A broker that does not confirm a publish in this time is given up and dialled again."""
GOODBYE_S = 2.0
"""How long a broker that takes no bytes may hold up the end."""

Observe = Callable[[str, str], None]
"""`observe(what, reason)`: count; what is connection, publish, read or message, and reason of the closed list."""


class BrokerRefused(Exception):
    """Raised when the broker answers a publish with an error: its access list or quota is the operator's to mend."""


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of messages for the broker: whose principal reads it, and which topic each message gets."""

    inboxes: Inboxes
    principal: Principal
    topic_of: Callable[[Message], str]


def sources(settings: BridgeSettings, inboxes: Inboxes, broadcasts: Inboxes | None, node_id: bytes) -> list[Source]:
    """What a bridge reads. `broadcasts` reads the public notifications of the principal's topics, uncurated.

    Its principal is the node itself, as an account: it needs no more right than anybody has."""
    readable = frozenset({Permission.READ})
    found = [
        Source(inboxes, Principal(account, readable, None, None, None), partial(_inbox_topic, settings, account))
        for account in settings.accounts
    ]
    if settings.topics:
        assert broadcasts is not None
        reader = Principal(solana_account(node_id), readable, frozenset(settings.topics), None, None)
        found.append(Source(broadcasts, reader, partial(_public_topic, settings)))
    return found


def _inbox_topic(settings: BridgeSettings, account: Account, _: Message) -> str:
    return settings.inbox_topic(account)


def _public_topic(settings: BridgeSettings, message: Message) -> str:
    assert message.envelope.topic is not None
    return settings.broadcast_topic(message.envelope.topic)


def wait_s(failures: int, longest_s: float) -> float:
    """How long to wait after so many failures in a row."""
    return float(min(longest_s, FIRST_WAIT_S * 2 ** min(failures, 16)))


class Bridge:
    """One broker. `run` works until it is cancelled; `is_connected` is for the node's status."""

    def __init__(
        self,
        settings: BridgeSettings,
        inboxes: Inboxes,
        broadcasts: Inboxes | None,
        *,
        node_id: bytes,
        forms: MessageForms,
        now_ms: Callable[[], int],
        observe: Observe,
    ) -> None:
        self.name = settings.name
        self.is_connected = False
        self._settings = settings
        self._client_id = f"pushmesh-{node_id[:4].hex()}-{settings.name}"
        self._sources = sources(settings, inboxes, broadcasts, node_id)
        self._forms = forms
        self._now_ms = now_ms
        self._observe = observe
        self._failures = 0

    async def run(self) -> None:
        """Bridge for ever: dial, publish, and dial again after a wait that grows while nothing gets through."""
        while True:
            try:
                await self._run_once()
            except* aiomqtt.MqttError:
                self._observe("connection", Reason.NOT_READY)
            except* BrokerRefused:
                self._observe("publish", Reason.FORBIDDEN)
            except* Denied as denied:
                for reason in _reasons(denied):
                    self._observe("read", reason)
            await asyncio.sleep(wait_s(self._failures, self._settings.reconnect_max_s))
            self._failures += 1

    async def _run_once(self) -> None:
        async with _connected(self._settings, self._client_id) as client:
            self.is_connected = True
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_watch(client), name=f"bridge-{self._settings.name}-watch")
                    for source in self._sources:
                        group.create_task(self._pump(client, source), name=f"bridge-{self._settings.name}")
            except* aiomqtt.MqttError as lost:
                if client.refusal is not None:  # some brokers refuse, then hang up
                    raise BrokerRefused(client.refusal) from lost
                raise
            finally:
                self.is_connected = False

    async def _pump(self, client: "_Client", source: Source) -> None:
        device = f"bridge:{self._settings.name}"
        start = await find_start(source.inboxes, source.principal, None, device)
        with Session(source.inboxes, source.principal, start) as session:
            async with aclosing(session.batches()) as batches:
                async for batch in batches:
                    if isinstance(batch, WalletEvent):
                        continue
                    if not isinstance(batch, Marker):
                        await self._bridge(client, source, device, batch)
                    elif batch.mark is Mark.ENDED:
                        raise Denied(Reason(batch.reason), batch.detail)

    async def _bridge(self, client: "_Client", source: Source, device: str, batch: Sequence[Message]) -> None:
        for at in range(0, len(batch), self._settings.max_in_flight):
            part = batch[at : at + self._settings.max_in_flight]
            async with asyncio.TaskGroup() as group:
                for message in part:
                    group.create_task(self._publish(client, source.topic_of(message), message))
            if client.refusal is not None:
                raise BrokerRefused(client.refusal)
            await source.inboxes.acknowledge(source.principal, device, part[-1].commit_no)
            source.inboxes.delivered(TRANSPORT, source.principal.account, part)
            self._failures = 0

    async def _publish(self, client: "_Client", topic: str, message: Message) -> None:
        life_s = (message.envelope.body.expires_at - self._now_ms()) // 1000
        if life_s <= 0:
            self._observe("message", Reason.EXPIRED)
            return
        await client.publish(topic, self._forms.message(message), qos=1, properties=_properties(message, life_s))


async def _watch(client: "_Client") -> None:
    """Raises MqttError as soon as the broker has gone; a publish would notice only when its time is up."""
    async for _ in client.messages:
        pass


def _reasons(group: BaseExceptionGroup[Denied]) -> Iterator[Reason]:
    for each in group.exceptions:
        if isinstance(each, Denied):
            yield each.reason
        else:
            yield from _reasons(each)


def _properties(message: Message, life_s: int) -> Properties:
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types here
    properties.MessageExpiryInterval = life_s
    properties.ContentType = "application/json"
    properties.PayloadFormatIndicator = 1
    properties.UserProperty = [("id", message.envelope.id.hex()), ("verdict", message.verdict)]
    found: Properties = properties
    return found


@asynccontextmanager
async def _connected(settings: BridgeSettings, client_id: str) -> AsyncIterator["_Client"]:
    """A client that is connected. How it comes to hang up never hides why."""
    client = _client(settings, client_id)
    await client.dial()
    try:
        yield client
    finally:
        await client.hang_up()


class _Client(aiomqtt.Client):
    """aiomqtt 2.5.1 takes every PUBACK for a success; this one keeps the code of a refusal."""

    refusal: str | None = None

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
        with suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self.__aexit__(None, None, None)
        if self._disconnected.done():
            self._disconnected.exception()  # looked at, so that the loop does not log it as never retrieved

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Any) -> None:
        if reason_code.is_failure:
            self.refusal = str(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)


def _client(settings: BridgeSettings, client_id: str) -> _Client:
    logger = logging.getLogger("pushmesh.bridge")
    logger.setLevel(logging.CRITICAL)  # what goes wrong is raised and counted; aiomqtt would say it once per message
    client = _Client(
        settings.host,
        settings.port,
        username=settings.username,
        password=settings.password,
        identifier=client_id,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=True,
        timeout=CONFIRM_S,
        max_inflight_messages=settings.max_in_flight,
        tls_context=settings.tls,
        logger=logger,
    )
    client.pending_calls_threshold = 2 * settings.max_in_flight
    return client
