"""An inbox over a WebSocket, in JSON: the wallet listens, acknowledges, vouches and publishes on one connection.

A wrong word is answered with `error` and the stream goes on; only the end of the log-in, of the node or of the reading
speed ends it, and then `end` says why.
"""

from aiohttp import web

from ..http_kit import ASKED_OVER, address_of, credential_of
from .heartbeat import Wheel
from .service import Service
from .upgrade import handshake_of, upgrade
from .wallet_socket import WalletSocket
from .wallet_words import WEBSOCKET


class SocketRoutes:
    """GET /v1/stream."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._wheel = Wheel(service.limits.heartbeat_s)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """One connection. A credential in the request is judged before the upgrade: 401 or 403."""
        request[ASKED_OVER] = WEBSOCKET
        credential, address = credential_of(request), address_of(request)
        principal = None if credential is None else await self._service.authenticate(credential, address)
        return upgrade(request, handshake_of(request), WalletSocket(self._service, self._wheel, principal, address))
