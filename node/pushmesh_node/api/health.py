"""What a supervisor, a load balancer and a metrics scraper ask. Cheap, without log-in, never about a wallet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from ..http_kit import json_reply
from .statuses import UNAVAILABLE

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class HealthRoutes:
    """GET /healthz, /readyz and /metrics; `metrics` gives Prometheus text, or is None where it is turned off."""

    not_ready: Callable[[], Sequence[str]]
    metrics: Callable[[], bytes] | None

    async def alive(self, request: web.Request) -> web.Response:
        """The process answers."""
        return json_reply({"alive": True})

    async def ready(self, request: web.Request) -> web.Response:
        """200 when the node should get traffic, else 503 with every reason."""
        reasons = list(self.not_ready())
        return json_reply({"ready": not reasons, "reasons": reasons}, UNAVAILABLE if reasons else 200)

    async def scrape(self, request: web.Request) -> web.Response:
        """Prometheus text."""
        if self.metrics is None:
            raise web.HTTPNotFound
        return web.Response(body=self.metrics(), headers={"Content-Type": METRICS_TYPE})
