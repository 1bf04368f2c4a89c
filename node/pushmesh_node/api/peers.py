"""What an operator asks about the mesh. It tells what this node thinks of others, so only this machine is answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied
from ..http_kit import json_reply
from ..remote import is_this_machine

FROM_ELSEWHERE: Final = ("Origin", "Forwarded", "X-Forwarded-For", "X-Real-IP")
"""Headers of a proxy's or a web page's request: neither is the operator, though it comes from this machine."""


@dataclass(frozen=True, slots=True)
class PeerRoutes:
    """`peers` gives JSON-ready rows, `sync` how far in step this node is with each of them."""

    peers: Callable[[], Sequence[dict[str, Any]]]
    sync: Callable[[], dict[str, Any]]

    async def list_peers(self, request: web.Request) -> web.Response:
        """Every connected peer: since when, whose dial, dialect, agent, meshes, and its score with its parts."""
        _check_operator(request)
        return json_reply({"peers": list(self.peers())})

    async def show_sync(self, request: web.Request) -> web.Response:
        """Whether the node is in sync, and for each peer what is missing, since when, and why a session ended."""
        _check_operator(request)
        return json_reply(self.sync())


def _check_operator(request: web.Request) -> None:
    if not is_this_machine(request.remote or "") or any(name in request.headers for name in FROM_ELSEWHERE):
        raise Denied(Reason.FORBIDDEN, "only this machine is told what the node thinks of its peers")
