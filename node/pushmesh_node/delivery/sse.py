"""An inbox as a stream over plain HTTP: Server-Sent Events, or one JSON object a line. Nothing comes in over it."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Permission
from ..http_kit import principal_of, topics
from .contract import WalletEvent
from .messages import MARK_NAMES, MessageForms
from .service import Service
from .session import Mark, Marker, Portion, pump

NDJSON_TYPE = "application/x-ndjson"
SSE_TYPE = "text/event-stream"
HEARTBEAT = b": idle\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class EventRoutes:
    """GET /v1/events."""

    service: Service

    async def events(self, request: web.Request) -> web.StreamResponse:
        """From `Last-Event-ID`, `?cursor=` or the `?device=`'s cursor; `?topics=` limits it. Ends with `end`.

        Raises ConnectionError where the client has gone or takes too long, which cuts its connection."""
        service = self.service
        principal = await principal_of(request, service.authenticate, Permission.READ)
        cursor = request.headers.get("Last-Event-ID") or request.query.get("cursor")
        session = await service.session(principal, cursor, request.query.get("device", ""), topics(request))
        lines = NDJSON_TYPE in request.headers.get("Accept", "")
        encode, transport = (encode_lines, "ndjson") if lines else (encode_events, "sse")
        response = web.StreamResponse(headers=HEADERS)
        response.content_type = NDJSON_TYPE if lines else SSE_TYPE

        async def write(portion: Portion) -> None:
            await response.write(encode(service.forms, portion))

        with service.consumers.admit(session, transport):
            await response.prepare(request)
            ended = await pump(session, service.inboxes, transport, write)
            slow = ended.reason == Reason.SLOW_CONSUMER
            try:  # a slow one hears why once it reads on: the end queues behind what it has not taken yet
                async with asyncio.timeout(service.limits.close_s if slow else service.sessions.write_s):
                    await write(ended)
            except TimeoutError as error:
                raise ConnectionAbortedError("the end was not taken in time") from error
        return response


def encode_events(forms: MessageForms, portion: Portion) -> bytes:
    """A portion as Server-Sent Events, whose ids are cursors, so that a browser resumes by itself."""
    if isinstance(portion, WalletEvent):
        return b"event: %b\ndata: %b\n\n" % (portion.kind.encode(), forms.event(portion))
    if isinstance(portion, Marker):
        if portion.mark is Mark.IDLE:
            return HEARTBEAT
        return _event(forms.cursor(portion.commit_no), MARK_NAMES[portion.mark], forms.marker(portion))
    return b"".join([_event(forms.cursor(each.commit_no), "message", forms.message(each)) for each in portion])


def encode_lines(forms: MessageForms, portion: Portion) -> bytes:
    """A portion as JSON lines."""
    if isinstance(portion, WalletEvent):
        return forms.event(portion) + b"\n"
    if isinstance(portion, Marker):
        return forms.marker(portion) + b"\n"
    return b"".join([forms.message(each) + b"\n" for each in portion])


def _event(cursor: str, name: str, data: bytes) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor.encode(), name.encode(), data)
