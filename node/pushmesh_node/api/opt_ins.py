"""A wallet's public word on a topic with all that it takes to check it elsewhere (SPEC 4.29)."""

from dataclasses import dataclass

from aiohttp import web

from pushmesh_protocol.armor import to_text
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied
from ..http_kit import account, json_reply, topic
from .contract import Directory


@dataclass(frozen=True, slots=True)
class OptInRoutes:
    """GET /v1/accounts/{account}/opt-ins/{owner}/{name}: public, as the subscription is."""

    directory: Directory

    async def opt_in(self, request: web.Request) -> web.Response:
        """The word in force, on or off, in base64url."""
        asked = topic(f"{request.match_info['owner']}/{request.match_info['name']}")
        found = self.directory.opt_in(account(request.match_info["account"]), asked)
        if found is None:
            raise Denied(Reason.NOT_FOUND, "this wallet's word on that topic is not known here")
        return json_reply({"opt_in": to_text(found)})
