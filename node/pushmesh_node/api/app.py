"""Builds the HTTP application of a node and serves it: publishing and look-ups; other rooms hand in their routes."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Middleware

from ..http_kit import Authenticate, RefusedAccess
from .acknowledged import AcknowledgedRoutes, Assured, Publisher, StatusLimits
from .contract import Directory, Publishing, Tokens
from .cors import allow_origins, answer_preflights
from .errors import Handler, Refused, Report, error_middleware, remember_started, server_logger, uncounted, unnoted
from .gate import Gate, GateLimits
from .health import HealthRoutes
from .lookups import LookupRoutes
from .opt_ins import OptInRoutes
from .peers import PeerRoutes
from .publish import JSON_OVERHEAD, PublishRoutes
from .publish_stream import StreamLimits, StreamRoutes
from .seal_keys import SealKeyRoutes
from .tokens import TokenRoutes


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """Byte limits are those of the network's genesis; `idle_s` ends a connection between two requests."""

    api_batch_bytes: int = 2_097_152
    item_bytes: int = 81_920
    header_bytes: int = 16_384
    body_timeout_s: float = 60.0
    idle_s: float = 75.0
    drain_s: float = 10.0
    longest_wait_s: float = 60.0
    status: StatusLimits = field(default_factory=StatusLimits)
    stream: StreamLimits = field(default_factory=StreamLimits)
    gate: GateLimits = field(default_factory=GateLimits)


@dataclass(frozen=True, slots=True)
class Api:
    """A node's HTTP side before it listens."""

    app: web.Application
    gate: Gate
    limits: ApiLimits
    drains: tuple[Callable[[], None], ...]
    logger: logging.Logger
    publishers: Callable[[], int]
    """How many publishing streams are open."""


def build_api(
    publishing: Publishing,
    directory: Directory,
    tokens: Tokens,
    authenticate: Authenticate,
    *,
    report: Report,
    limits: ApiLimits,
    metrics: Callable[[], bytes] | None = None,
    other_routes: Iterable[web.AbstractRouteDef] = (),
    drains: Iterable[Callable[[], None]] = (),
    assurance: Assured | None = None,
    answered: Callable[[str, int], None] | None = None,
    refused: Refused = uncounted,
    refused_access: RefusedAccess = unnoted,
) -> Api:
    """The application of a node; `other_routes` are the wallets' ways out, `metrics` gives Prometheus text.

    With `assurance` publishers get receipts, and may wait and ask. Each of `drains` is called when the server stops,
    so that open streams of other rooms end. `answered` is told the path template ("" where there is none) and the
    status of every answer, `refused` the reason of every request or connection that was refused as a whole, and
    `refused_access` the same of those that need a credential."""
    gate = Gate(limits.gate, refused)
    message_bytes = limits.api_batch_bytes * JSON_OVERHEAD
    publisher = None if assurance is None else assurance.publisher
    streams = StreamRoutes(
        publishing.publish,
        publishing.door,
        limits.stream,
        report,
        refused,
        message_bytes=message_bytes,
        publisher=publisher,
    )
    if assurance is not None:
        told = AcknowledgedRoutes(assurance, authenticate, limits.status, limits.body_timeout_s)
        other_routes = [*told.routes(), *other_routes]
        drains = [told.drain, *drains]
    errors = error_middleware(report, refused, refused_access)
    app = web.Application(middlewares=[_notice(gate, answered), answer_preflights, errors])
    app.on_response_prepare.append(allow_origins)
    app.on_response_prepare.append(remember_started)
    app.add_routes(build_routes(publishing, directory, tokens, authenticate, streams, limits, metrics, publisher))
    app.add_routes(other_routes)
    return Api(app, gate, limits, (streams.drain, *drains), server_logger(report), lambda: streams.open)


def build_routes(
    publishing: Publishing,
    directory: Directory,
    tokens: Tokens,
    authenticate: Authenticate,
    streams: StreamRoutes,
    limits: ApiLimits,
    metrics: Callable[[], bytes] | None,
    publisher: Publisher | None,
) -> list[web.RouteDef]:
    """The table of this room's routes."""
    publish = PublishRoutes(
        publishing,
        authenticate,
        limits.api_batch_bytes,
        limits.item_bytes,
        limits.body_timeout_s,
        publisher,
        limits.longest_wait_s,
    )
    lookups = LookupRoutes(directory, authenticate)
    opt_ins = OptInRoutes(directory)
    seal_keys = SealKeyRoutes(directory, limits.body_timeout_s)
    token_routes = TokenRoutes(tokens, authenticate)
    peers = PeerRoutes(directory.peers, directory.sync)
    health = HealthRoutes(directory.not_ready, metrics)
    return [
        web.post("/v1/publish", publish.publish),
        web.get("/v1/publish/stream", streams.publish_stream, allow_head=False),
        web.post("/v1/private", publish.publish_private),
        web.get("/v1/topics/{owner}/{name}", lookups.topic),
        web.get("/v1/topics/{owner}/{name}/subscribers", lookups.subscribers),
        web.get("/v1/accounts/{account}/subscriptions", lookups.subscriptions),
        web.get("/v1/accounts/{account}/grants", lookups.grants),
        web.get("/v1/grants/{grant_id}", lookups.grant),
        web.get("/v1/accounts/{account}/opt-ins/{owner}/{name}", opt_ins.opt_in),
        web.post("/v1/seal-keys", seal_keys.seal_keys),
        web.get("/v1/slots", lookups.slots),
        web.get("/v1/explain", lookups.explain),
        web.get("/v1/tokens", token_routes.list_tokens),
        web.delete("/v1/tokens/{digest}", token_routes.revoke_token),
        web.get("/v1/points", lookups.points),
        web.get("/v1/limits", lookups.limits),
        web.get("/v1/status", lookups.status),
        web.get("/v1/peers", peers.list_peers),
        web.get("/v1/sync", peers.show_sync),
        web.get("/healthz", health.alive),
        web.get("/readyz", health.ready),
        web.get("/metrics", health.scrape),
    ]


class HttpServer:
    """A listening Api. Leaving it drains: nothing new is taken, what was taken is answered."""

    def __init__(self, api: Api, host: str, port: int) -> None:
        self._api = api
        self._host = host
        self._asked_port = port
        limits = api.limits
        self._runner = web.AppRunner(
            api.app,
            access_log=None,
            logger=api.logger,
            keepalive_timeout=limits.idle_s,
            shutdown_timeout=limits.drain_s,
            max_line_size=limits.header_bytes,
            max_field_size=limits.header_bytes,
        )
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        """Raises OSError where the address cannot be listened on."""
        await self._runner.setup()
        assert self._runner.server is not None
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._api.gate.wrap(self._runner.server), self._host, self._asked_port, backlog=1_024
            )
        except OSError:
            await self._runner.cleanup()
            raise
        listening: socket.socket = self._server.sockets[0]
        self.port = listening.getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Returns when every connection is closed, after `drain_s` at the latest."""
        assert self._server is not None
        self._server.close()
        for drain in self._api.drains:
            drain()
        await asyncio.gather(self._runner.cleanup(), self._api.gate.empty(self._api.limits.drain_s))


def _notice(gate: Gate, answered: Callable[[str, int], None] | None) -> Middleware:
    @web.middleware
    async def notice(request: web.Request, handler: Handler) -> web.StreamResponse:
        gate.started(request.transport)
        response = await handler(request)
        if answered is not None:
            resource = request.match_info.route.resource
            answered("" if resource is None else resource.canonical, response.status)
        return response

    return notice


def routes_of(api: Api) -> list[str]:
    """The path templates that the application serves."""
    return [resource.canonical for resource in api.app.router.resources()]
