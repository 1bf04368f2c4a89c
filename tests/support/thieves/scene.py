"""One attack over one transport: what it opens, what it says, and what it has to be told."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from support.thieves.knocking import (
    BROKER,
    LABELS,
    MQTT,
    MQTT_WEBSOCKET,
    NDJSON,
    REST,
    SSE,
    WEBSOCKET,
    Client,
    Events,
    Mqtt,
    Socket,
    Told,
    ask_hook,
    open_events,
)
from support.thieves.world import OWNER, Attacked

HTTP: Final = (REST, SSE, NDJSON, WEBSOCKET)
OVER_MQTT: Final = (MQTT, MQTT_WEBSOCKET)
EVERYWHERE: Final = (*HTTP, *OVER_MQTT, BROKER)

POLICY_VIOLATION: Final = 1008
NOT_AUTHORIZED: Final = 0x87


@dataclass
class Scene:
    """`stack` closes what is opened; what stands in `listening` is a stream that goes on, with what it may hear."""

    world: Attacked
    transport: str
    stack: AsyncExitStack
    listening: list[Client] = field(default_factory=list)

    @property
    def label(self) -> str:
        """What the node counts the transport as."""
        return LABELS.get(self.transport, self.transport)

    async def events(self, credential: str, **query: str) -> Events:
        """Open."""
        events = await open_events(self.world, self.transport, credential, **query)
        self.stack.push_async_callback(events.close)
        assert events.response.status == 200
        return events

    async def socket(self, credential: str) -> Socket:
        """Logged in."""
        client = Socket(self.world, await self.world.http.ws_connect(f"{self.world.url}/v1/stream"))
        self.stack.push_async_callback(client.close)
        await client.say(type="login", auth=credential)
        await client.up_to("welcome")
        return client

    async def mqtt(self, credential: str, name: str = OWNER.display) -> Mqtt:
        """Logged in."""
        client = await Mqtt.dial(self.world, self.transport)
        self.stack.push_async_callback(client.close)
        assert (await client.log_in(credential, name)).reason == "ok"
        return client

    async def at_broker(self, credential: str, name: str = OWNER.display) -> str:
        """The client id of a connection that the broker let in."""
        client_id = secrets.token_hex(8)
        assert (await ask_hook(self.world, "auth", name, client_id, password=credential)).reason == "ok"
        return client_id


Act = Callable[[], Awaitable[Sequence[Told]]]
"""The attack itself, once all is prepared: what it was told, in order."""

Prepare = Callable[[Scene], Awaitable[Act]]


@dataclass(frozen=True)
class Attack:
    """`codes` by transport: one for all answers, or one each. All `times` answers have the reason."""

    name: str
    over: tuple[str, ...]
    reason: str
    codes: Mapping[str, int | Sequence[int]]
    prepare: Prepare
    times: int = 1

    def expected(self, transport: str) -> list[Told]:
        """What the answers have to be."""
        codes = self.codes[transport]
        return [Told(code, self.reason) for code in ([codes] * self.times if isinstance(codes, int) else codes)]


Request = tuple[str, str, str, Any]
"""Method, path, credential, what is said."""


async def ask_all(world: Attacked, requests: Sequence[Request]) -> Sequence[Told]:
    """Plain requests that are refused as a whole."""
    answers = [await world.ask(*request) for request in requests]
    return [Told(status, said["reason"]) for status, said in answers]


def errors_in(words: Sequence[Mapping[str, Any]], code: int = 0) -> Sequence[Told]:
    """What was told beside the rest of a stream."""
    return [Told(code, word["reason"]) for word in words if word["type"] == "error"]


def of_owner(world: Attacked) -> str:
    """A credential: everything of the owner's is open to it, to read."""
    return world.token()


def for_covered(world: Attacked) -> str:
    """The same for one topic of two."""
    return world.token(topics=[world.covered])


def of_thief(world: Attacked) -> str:
    """Everything of the thief's own."""
    return world.token_of_thief()
