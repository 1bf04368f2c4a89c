"""The table of the wallets' HTTP routes, for the composition root to hand to the HTTP application."""

from aiohttp import web

from .rest import RestRoutes
from .service import Service
from .sse import EventRoutes
from .websocket import SocketRoutes


def delivery_routes(service: Service) -> list[web.RouteDef]:
    """All of them; when the node stops, `service.consumers.drain` ends what they have open."""
    rest, events, sockets = RestRoutes(service), EventRoutes(service), SocketRoutes(service)
    return [
        web.get("/v1/stream", sockets.stream, allow_head=False),
        web.get("/v1/events", events.events, allow_head=False),
        web.post("/v1/streams/{id}/topics", events.topics),
        web.get("/v1/inbox", rest.inbox, allow_head=False),
        web.get("/v1/challenge", rest.challenge),
        web.post("/v1/ack", rest.acknowledge),
        web.get("/v1/devices", rest.devices, allow_head=False),
        web.post("/v1/read", rest.read),
        web.get("/v1/unread", rest.unread, allow_head=False),
        web.get("/v1/vouchers", rest.last_vouchers),
        web.post("/v1/vouchers", rest.take_vouchers),
    ]
