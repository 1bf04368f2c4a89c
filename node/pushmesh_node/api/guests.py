"""How a wallet asks for its inbox to go to the broker behind a bridge, and takes that back. Knows no broker."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from ..engine.answers import Permission, Principal
from ..http_kit import Authenticate, json_reply, principal_of


class Guests(Protocol):
    """Wallets that bridges serve because they asked. All raise Denied `forbidden` for a token of some topics."""

    def wishes(self, principal: Principal) -> Sequence[dict[str, Any]]:
        """`{"bridge", "topic", "until"}` of each bridge that takes wallets; until (Unix ms) is None where it does not
        serve this one."""

    def ask(self, principal: Principal, bridge: str) -> Awaitable[dict[str, Any]]:
        """Serve the wallet; durable on return. Raises Denied."""

    def leave(self, principal: Principal, bridge: str) -> Awaitable[dict[str, Any]]:
        """Serve it no more; durable on return. Idempotent. Raises Denied."""


@dataclass(frozen=True, slots=True)
class GuestRoutes:
    """GET /v1/bridges, PUT and DELETE /v1/bridges/{bridge}: whatever may read the whole inbox opens them."""

    guests: Guests
    authenticate: Authenticate

    def routes(self) -> list[web.RouteDef]:
        """The table of this file's routes."""
        return [
            web.get("/v1/bridges", self.wishes),
            web.put("/v1/bridges/{bridge}", self.ask),
            web.delete("/v1/bridges/{bridge}", self.leave),
        ]

    async def wishes(self, request: web.Request) -> web.Response:
        """Which bridges take wallets, and which of them serve this one."""
        principal = await principal_of(request, self.authenticate, Permission.READ)
        return json_reply({"bridges": list(self.guests.wishes(principal))})

    async def ask(self, request: web.Request) -> web.Response:
        """From now on the inbox goes to that broker too."""
        principal = await principal_of(request, self.authenticate, Permission.READ)
        return json_reply(await self.guests.ask(principal, request.match_info["bridge"]))

    async def leave(self, request: web.Request) -> web.Response:
        """From now on it does not."""
        principal = await principal_of(request, self.authenticate, Permission.READ)
        return json_reply(await self.guests.leave(principal, request.match_info["bridge"]))
