"""Publishes inboxes and public broadcasts to an external MQTT broker, and takes what dapps publish there: at least
once, whatever the broker does.

What the broker has confirmed is remembered like a device's acknowledgement, so an outage or a restart loses nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import aiomqtt

from pushmesh_protocol.accounts import solana_account
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from ..engine.answers import Denied, Permission, Principal
from ..engine.records import OWN_DEVICES
from .bridge_client import BrokerClient, BrokerRefused, Inbound
from .bridge_intake import AT_A_TIME, Intake, WayIn
from .bridge_settings import BridgeSettings
from .bridge_way import Observe, Source, Way
from .contract import Inboxes, Message
from .messages import MessageForms

FIRST_WAIT_S = 0.5
READABLE = frozenset({Permission.READ})


def sources(settings: BridgeSettings, inboxes: Inboxes, broadcasts: Inboxes | None, node_id: bytes) -> list[Source]:
    """What a bridge reads. `broadcasts` reads the public notifications of the principal's topics, uncurated.

    Its principal is the node itself, as an account: it needs no more right than anybody has."""
    found = [inbox_of(settings, inboxes, account) for account in settings.accounts]
    if settings.topics:
        assert broadcasts is not None
        reader = Principal(solana_account(node_id), READABLE, frozenset(settings.topics), None, None)
        found.append(Source(broadcasts, reader, partial(_public_topic, settings)))
    return found


def inbox_of(settings: BridgeSettings, inboxes: Inboxes, account: Account) -> Source:
    """One wallet's, read with no more right than reading it."""
    return Source(inboxes, Principal(account, READABLE, None, None, None), partial(_inbox_topic, settings, account))


def _inbox_topic(settings: BridgeSettings, account: Account, _: Message) -> str:
    return settings.inbox_topic(account)


def _public_topic(settings: BridgeSettings, message: Message) -> str:
    assert message.envelope.topic is not None
    return settings.broadcast_topic(message.envelope.topic)


def _not_now(_source: Source) -> None:
    """There is no connection."""


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
        way_in: WayIn,
    ) -> None:
        self.name = settings.name
        self.is_connected = False
        self._settings = settings
        self._client_id = f"pushmesh-{node_id[:4].hex()}-{settings.name}"
        self._inboxes = inboxes
        self._sources = sources(settings, inboxes, broadcasts, node_id)
        self._guests: dict[Account, Source] = {}
        self._ways: dict[Account, asyncio.Task[None]] = {}
        self._begin: Callable[[Source], asyncio.Task[None] | None] = _not_now
        self._forms = forms
        self._now_ms = now_ms
        self._observe = observe
        self._way_in = way_in
        self._inbound = Inbound(AT_A_TIME, way_in.payload_bytes, partial(observe, "intake"))
        self._failures = 0

    def serve(self, account: Account) -> None:
        """Publish the inbox of this wallet too, from where the broker has confirmed it. Idempotent."""
        if account not in self._guests:
            source = self._guests[account] = inbox_of(self._settings, self._inboxes, account)
            self._start(account, source)

    def leave(self, account: Account) -> None:
        """Publish it no more; what is on its way may still arrive. Idempotent."""
        self._guests.pop(account, None)
        way = self._ways.pop(account, None)
        if way is not None:
            way.cancel()

    def _start(self, account: Account, source: Source) -> None:
        way = self._begin(source)
        if way is not None:
            self._ways[account] = way

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
        inbound = self._inbound if self._settings.takes_publishes else None
        async with _connected(BrokerClient(self._settings, self._client_id, inbound)) as client:
            self.is_connected = True
            try:
                await self._work(client)
            finally:
                self.is_connected = False

    async def _work(self, client: BrokerClient) -> None:
        """Until the connection is over; never returns."""
        room = asyncio.Semaphore(min(self._settings.max_in_flight, client.receive_maximum))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(client.until_lost(), name=f"bridge-{self._settings.name}-watch")
                if self._settings.takes_publishes:
                    intake = Intake(client, self._settings, self._way_in, room, self._observe)
                    group.create_task(intake.run(), name=f"bridge-{self._settings.name}-intake")
                self._begin = partial(self._begin_way, group, client, room)
                for source in self._sources:
                    self._begin(source)
                for account, source in self._guests.items():
                    self._start(account, source)
        except* aiomqtt.MqttError as lost:
            if client.failure is not None:  # a publish may notice the end before the reason of it is looked at
                raise client.failure from lost
            raise
        finally:
            self._begin, self._ways = _not_now, {}

    def _begin_way(
        self, group: asyncio.TaskGroup, client: BrokerClient, room: asyncio.Semaphore, source: Source
    ) -> asyncio.Task[None] | None:
        device = f"{OWN_DEVICES}{self._settings.name}"
        way = Way(client, source, device, room, self._forms, self._now_ms, self._observe, self._progressed)
        work = way.run()
        try:
            return group.create_task(work, name=f"bridge-{self._settings.name}")
        except RuntimeError:  # the connection is just being lost; the next one begins anew
            work.close()
            return None

    def _progressed(self) -> None:
        self._failures = 0


def _reasons(group: BaseExceptionGroup[Denied]) -> Iterator[Reason]:
    for each in group.exceptions:
        if isinstance(each, Denied):
            yield each.reason
        else:
            yield from _reasons(each)


@asynccontextmanager
async def _connected(client: BrokerClient) -> AsyncIterator[BrokerClient]:
    """The client, connected. How it comes to hang up never hides why."""
    await client.dial()
    try:
        yield client
    finally:
        await client.hang_up()
