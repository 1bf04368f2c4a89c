"""A wallet's tokens at this node: which there are, and how to end one. Knows no signature."""

from dataclasses import dataclass

from aiohttp import web

from ..engine.answers import Permission
from ..http_kit import Authenticate, hex_bytes, json_reply, principal_of
from .contract import Tokens


@dataclass(frozen=True, slots=True)
class TokenRoutes:
    """GET /v1/tokens and DELETE /v1/tokens/{digest}: a log-in opens both, whatever its purpose; a token none."""

    tokens: Tokens
    authenticate: Authenticate

    async def list_tokens(self, request: web.Request) -> web.Response:
        """What each token opens, until when, and since when it is known here."""
        principal = await principal_of(request, self.authenticate, Permission.READ)
        return json_reply({"tokens": list(self.tokens.tokens(principal))})

    async def revoke_token(self, request: web.Request) -> web.Response:
        """End a token; answered once nothing brings it back."""
        principal = await principal_of(request, self.authenticate, Permission.READ)
        digest = hex_bytes("digest", request.match_info["digest"])
        return json_reply({"token": await self.tokens.revoke_token(principal, digest)})
