"""How far an envelope got: its receipt, its status once or as a stream, and wallets' own words about messages."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiohttp import web

from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.levels import LEVELS
from pushmesh_protocol.outcomes import Disclosure, decode_disclosure
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.receipts import Seal
from pushmesh_protocol.types import EnvelopeId

from ..admission import Ticket
from ..engine.answers import Acknowledged, Denied, Level, Permission, Principal, Wait
from ..http_kit import (
    JSON_TYPE,
    Authenticate,
    account,
    decode_json,
    hex_bytes,
    integer,
    json_encode,
    json_reply,
    principal_of,
    read_body,
    seconds,
)

MOST_RECIPIENTS: Final = 1_000
MOST_SEALS: Final = 1_000
MOST_WALLETS: Final = 1_000_000
LATEST_MS: Final = 253_402_300_799_999
LAST_NUMBER: Final = 10**16 - 1
DISCLOSURE_BYTES: Final = 1_048_576
DEFAULT_WAIT_S: Final = 10.0
SSE_TYPE: Final = "text/event-stream"
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_WAITABLE = tuple(level for level in LEVELS if level != Level.REFUSED)


class Publisher(Protocol):
    """Publishes with an answer that says how far it got."""

    def publish(
        self, frame: bytes, wait: Wait = ..., tickets: Sequence[Ticket] = ()
    ) -> Awaitable[Sequence[Acknowledged]]:
        """Publish a frame with its ticket of the door, and wait for a level. Raises Denied where the node cannot take
        more now."""


class Statuses(Protocol):
    """What became of an envelope. All raise Denied `not-found`; the author's part `forbidden` for others."""

    def receipt(self, id_: EnvelopeId, issued_at: int) -> Awaitable[bytes]:
        """The receipt that a publisher was given."""

    def seals(self, after: int, limit: int) -> Awaitable[Sequence[Seal]]:
        """The chain of this node's receipts, as far as it is kept."""

    def status(
        self, principal: Principal, id_: EnvelopeId, issued_at: int | None, after: bytes, limit: int
    ) -> Awaitable[dict[str, Any]]:
        """JSON-ready, with the first wallets after an account."""

    def watch(self, id_: EnvelopeId, changed: asyncio.Event) -> None:
        """Set the event when more is known."""

    def unwatch(self, id_: EnvelopeId, changed: asyncio.Event) -> None:
        """Idempotent."""


class Words(Protocol):
    """Takes wallets' own words."""

    def take(self, principal: Principal, disclosure: Disclosure) -> Awaitable[Sequence[Reason]]:
        """A reason for each message, durable on return. Raises Denied where the voucher does not hold."""


@dataclass(frozen=True, slots=True)
class Assured:
    """The three together: what the composition root hands in."""

    publisher: Publisher
    statuses: Statuses
    words: Words


@dataclass(frozen=True, slots=True)
class StatusLimits:
    """Of status streams: how many at a time, and how long one rests between two events at least."""

    streams: int = 1_024
    rest_s: float = 0.2
    heartbeat_s: float = 15.0
    write_s: float = 30.0


class AcknowledgedRoutes:
    """GET /v1/receipts, /v1/receipts/{id}, /v1/notifications/{id}/status and its stream; POST /v1/acknowledged."""

    def __init__(
        self, assured: Assured, authenticate: Authenticate, limits: StatusLimits, body_timeout_s: float
    ) -> None:
        self._statuses = assured.statuses
        self._words = assured.words
        self._authenticate = authenticate
        self._limits = limits
        self._body_timeout_s = body_timeout_s
        self._streams: set[asyncio.Event] = set()
        self._draining = False

    def routes(self) -> list[web.RouteDef]:
        """The table of this file's routes."""
        return [
            web.get("/v1/receipts", self.seals),
            web.get("/v1/receipts/{id}", self.receipt),
            web.get("/v1/notifications/{id}/status", self.status),
            web.get("/v1/notifications/{id}/status/stream", self.status_stream, allow_head=False),
            web.post("/v1/acknowledged", self.acknowledged),
        ]

    def drain(self) -> None:
        """End open streams, which go on at another time or node."""
        self._draining = True
        for changed in tuple(self._streams):
            changed.set()

    async def receipt(self, request: web.Request) -> web.Response:
        """What a publisher was given for this id, byte for byte. Anybody may ask, so it has to be found at once."""
        issued_at = _issued_at(request)
        if issued_at is None:
            raise Denied(Reason.BAD_REQUEST, "issued_at is missing")
        return json_reply({"receipt": to_text(await self._statuses.receipt(_id(request), issued_at))})

    async def seals(self, request: web.Request) -> web.Response:
        """The signed chain after a number, for who keeps an eye on the node."""
        after = integer(request, "after", 0, 0, LAST_NUMBER)
        limit = integer(request, "limit", 100, 1, MOST_SEALS)
        found = await self._statuses.seals(after, limit)
        return json_reply({"seals": [to_text(pack(seal)) for seal in found]})

    async def status(self, request: web.Request) -> web.Response:
        """How far a notification got, in total and by wallet, for its author."""
        principal = await principal_of(request, self._authenticate, Permission.READ)
        after = account(request.query["after"]) if "after" in request.query else b""
        limit = integer(request, "limit", MOST_RECIPIENTS, 1, MOST_RECIPIENTS)
        return json_reply(await self._statuses.status(principal, _id(request), _issued_at(request), after, limit))

    async def status_stream(self, request: web.Request) -> web.StreamResponse:
        """The same as Server-Sent Events, at once and after each change, until the notification is over."""
        principal = await principal_of(request, self._authenticate, Permission.READ)
        if self._draining:
            raise Denied(Reason.DRAINING, "the node stops")
        if len(self._streams) >= self._limits.streams:
            raise Denied(Reason.TOO_MANY_CONNECTIONS, "too many authors follow a status here", retry_after_s=5)
        id_, issued_at = _id(request), _issued_at(request)
        changed = asyncio.Event()
        self._streams.add(changed)
        self._statuses.watch(id_, changed)
        try:
            said = await self._statuses.status(principal, id_, issued_at, b"", MOST_RECIPIENTS)
            response = web.StreamResponse(headers=HEADERS)
            response.content_type = SSE_TYPE
            await response.prepare(request)
            await self._write(response, b"event: status\ndata: %b\n\n" % json_encode(said))
            while not self._draining and not said["over"]:
                if not await self._wait(changed):
                    await self._write(response, b": idle\n\n")
                newer = await self._statuses.status(principal, id_, issued_at, b"", MOST_RECIPIENTS)
                if newer != said:
                    await self._write(response, b"event: status\ndata: %b\n\n" % json_encode(newer))
                said = newer
            await self._write(response, b"event: end\ndata: {}\n\n")
        finally:
            self._streams.discard(changed)
            self._statuses.unwatch(id_, changed)
        return response

    async def _wait(self, changed: asyncio.Event) -> bool:
        """Whether something changed; a little later, so that many changes are told together."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.heartbeat_s):
                await changed.wait()
        if not changed.is_set():
            return False
        await asyncio.sleep(self._limits.rest_s)
        changed.clear()
        return True

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._limits.write_s):
                await response.write(data)
        except TimeoutError as error:
            raise ConnectionAbortedError("an event was not taken in time") from error

    async def acknowledged(self, request: web.Request) -> web.Response:
        """A wallet's own word on messages: a voucher, its stream's salt, and the way from each message to its root."""
        principal = await principal_of(request, self._authenticate, Permission.READ)
        data = await read_body(request, DISCLOSURE_BYTES, self._body_timeout_s)
        if request.content_type == JSON_TYPE:
            form = decode_json(data)
            text = form.get("disclosure") if isinstance(form, dict) else None
            if not isinstance(text, str):
                raise Denied(Reason.BAD_REQUEST, "disclosure is missing")
            data = from_text(text)
        reasons = await self._words.take(principal, decode_disclosure(data))
        return json_reply({"messages": [str(reason) for reason in reasons]})


def wait_of(request: web.Request, longest_s: float) -> Wait:
    """What a publisher waits for: `?wait=`, `?k=`, `?timeout_s=`. Raises Denied `bad-request`."""
    count = integer(request, "k", 1, 1, MOST_WALLETS)
    timeout_s = seconds(request, "timeout_s", longest_s) if "timeout_s" in request.query else DEFAULT_WAIT_S
    return Wait(level_of(request.query.get("wait", Level.DURABLE)), count, timeout_s)


def level_of(name: str) -> Level:
    """A level that can be waited for. Raises Denied `bad-request`."""
    if name not in _WAITABLE:
        raise Denied(Reason.BAD_REQUEST, f"wait is one of {', '.join(_WAITABLE)}")
    return Level(name)


def _id(request: web.Request) -> EnvelopeId:
    return EnvelopeId(hex_bytes("id", request.match_info["id"]))


def _issued_at(request: web.Request) -> int | None:
    return integer(request, "issued_at", 0, 0, LATEST_MS) if "issued_at" in request.query else None
