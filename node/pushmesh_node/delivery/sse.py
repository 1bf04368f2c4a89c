"""An inbox as a stream over plain HTTP: Server-Sent Events, or one JSON object a line. Nothing comes in over it; it has
a name, by which requests beside it change its topics.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Permission, Principal
from ..http_kit import decode_as, decode_json, json_reply, principal_of, read_body
from .contract import WalletEvent
from .following import told
from .live_topics import LiveTopics, chosen
from .messages import MARK_NAMES, MessageForms
from .pumping import pump
from .service import Service
from .session import Mark, Marker, Portion
from .streams import Streams

NDJSON_TYPE = "application/x-ndjson"
SSE_TYPE = "text/event-stream"
HEARTBEAT = b": idle\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_encode = msgspec.json.Encoder().encode


class TopicsForm(msgspec.Struct, forbid_unknown_fields=True):
    """POST /v1/streams/{id}/topics; what is added is given from the cursor `since` on, by default from now on."""

    add: list[str] = []
    remove: list[str] = []
    since: str | None = None


@dataclass(frozen=True, slots=True)
class EventRoutes:
    """GET /v1/events, POST /v1/streams/{id}/topics."""

    service: Service
    streams: Streams = field(default_factory=Streams)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """From `Last-Event-ID`, `?cursor=` or the `?device=`'s cursor; `?topics=` limits it, `?subscriptions=1` adds
        the wallet's own. Ends with `end`.

        Raises ConnectionError where the client has gone or takes too long, which cuts its connection."""
        service = self.service
        lines = _wants_lines(request)
        encode, transport = (encode_lines, "ndjson") if lines else (encode_events, "sse")
        principal = await principal_of(request, service.authenticate, Permission.READ, transport)
        cursor = request.headers.get("Last-Event-ID") or request.query.get("cursor")
        wanted = chosen(request, principal)
        session = await service.session(principal, cursor, request.query.get("device", ""), wanted.topics)
        response = _stream(lines)

        first: list[dict[str, Any]] = [{"type": "error", **each} for each in service.complaints(transport, wanted)]

        async def write(portion: Portion) -> None:
            words = b"".join([encode_word(form, lines=lines) for form in first])
            first.clear()
            await response.write(words + encode(service.forms, portion))

        topics = LiveTopics(session, wanted.topics)
        with service.consumers.admit(session, transport), self.streams.named(topics) as name:
            first.insert(0, {"type": "stream", "id": name})
            await response.prepare(request)
            async with self._beside(request, response, principal, lines=lines):
                ended = await pump(session, service.inboxes, transport, write)
            service.refused_access(transport, Reason(ended.reason))
            slow = ended.reason == Reason.SLOW_CONSUMER
            try:  # a slow one hears why once it reads on: the end queues behind what it has not taken yet
                async with asyncio.timeout(service.limits.close_s if slow else service.sessions.write_s):
                    await write(ended)
            except TimeoutError as error:
                raise ConnectionAbortedError("the end was not taken in time") from error
        return response

    @asynccontextmanager
    async def _beside(
        self, request: web.Request, response: web.StreamResponse, principal: Principal, *, lines: bool
    ) -> AsyncIterator[None]:
        """The wallet's own subscriptions on the same stream, where it asks for them."""
        if request.query.get("subscriptions") != "1":
            yield
            return
        telling = asyncio.create_task(self._tell_subscriptions(response, principal, lines=lines), name="subscriptions")
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.wait((telling,))

    async def _tell_subscriptions(self, response: web.StreamResponse, principal: Principal, *, lines: bool) -> None:
        try:
            with self.service.subscriptions.follow(principal) as following:
                async with aclosing(told(following)) as forms:
                    async for form in forms:
                        await response.write(encode_word(form, lines=lines))
        except ConnectionError:
            pass  # the client has gone, which whoever writes messages learns too
        except Exception as error:  # the node's own fault, on a task that nobody awaits for its result
            self.service.report(error, "own subscriptions")

    async def topics(self, request: web.Request) -> web.Response:
        """Change what a stream of the same wallet gives: `{topics, errors}`."""
        service = self.service
        principal = await principal_of(request, service.authenticate, Permission.READ)
        body = await read_body(request, service.limits.body_bytes, service.limits.body_timeout_s)
        form: TopicsForm = decode_as(TopicsForm, decode_json(body))
        topics = self.streams.find(request.match_info["id"], principal)
        changed = topics.change(form.add, form.remove, form.since, service.inboxes.incarnation())
        return json_reply({**topics.as_json(), "errors": service.complaints(topics.session.transport, changed)})


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


def encode_word(form: dict[str, Any], *, lines: bool) -> bytes:
    """A word that is no place in the stream, so that a browser's last id stays what it is."""
    data = _encode(form)
    return data + b"\n" if lines else b"event: %b\ndata: %b\n\n" % (str(form["type"]).encode(), data)


def _wants_lines(request: web.Request) -> bool:
    return NDJSON_TYPE in request.headers.get("Accept", "")


def _stream(lines: bool) -> web.StreamResponse:
    response = web.StreamResponse(headers=HEADERS)
    response.content_type = NDJSON_TYPE if lines else SSE_TYPE
    return response


def _event(cursor: str, name: str, data: bytes) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor.encode(), name.encode(), data)
