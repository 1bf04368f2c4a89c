"""The way in over plain requests: a frame, or a private envelope of a logged-in wallet. Streams have their own file."""

from dataclasses import dataclass

from aiohttp import web

from pushmesh_protocol.display import frame_from_json, item_from_json
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Permission
from ..http_kit import (
    JSON_TYPE,
    Authenticate,
    address_of,
    connection_of,
    decode_json,
    json_reply,
    principal_of,
    read_body,
)
from .acknowledged import Publisher, wait_of
from .contract import Publishing
from .statuses import status_of_outcomes

FRAME_TYPES = frozenset({"application/msgpack", "application/vnd.pushmesh.frame", "application/octet-stream"})
JSON_OVERHEAD = 2
"""JSON carries binary as base64: a body may be this many times as long as the bytes in it."""


@dataclass(frozen=True, slots=True)
class PublishRoutes:
    """POST /v1/publish and /v1/private; sizes in bytes of what is carried."""

    publishing: Publishing
    authenticate: Authenticate
    frame_bytes: int
    item_bytes: int
    body_timeout_s: float
    publisher: Publisher | None = None
    """Gives receipts and waits for levels."""
    longest_wait_s: float = 60.0

    async def publish(self, request: web.Request) -> web.Response:
        """Everything in one frame, answered when it got as far as `?wait=` says (durable), with its receipts. Where the
        node has no room the body is not even read."""
        door = self.publishing.door
        caller = door.caller("http", address_of(request), connection_of(request))
        door.check(caller, request.content_length or 0)
        frame = await self._carried(request, self.frame_bytes, private=False)
        if len(frame) > self.frame_bytes:
            raise Denied(Reason.OVERSIZE, f"the frame is larger than {self.frame_bytes} bytes", "8.2")
        if self.publisher is None:
            (outcomes,) = await self.publishing.publish([frame], [door.admit(caller, len(frame))])
            return json_reply({"outcomes": [each.as_json() for each in outcomes]}, status_of_outcomes(outcomes))
        wait = wait_of(request, self.longest_wait_s)
        answers = await self.publisher.publish(frame, wait, [door.admit(caller, len(frame))])
        status = status_of_outcomes([each.outcome for each in answers])
        return json_reply({"outcomes": [each.as_json() for each in answers]}, status)

    async def publish_private(self, request: web.Request) -> web.Response:
        """One private envelope (SPEC 4.19) for this node alone."""
        principal = await principal_of(request, self.authenticate, Permission.PUBLISH)
        item = await self._carried(request, self.item_bytes, private=True)
        door = self.publishing.door
        ticket = door.admit(door.caller("http", address_of(request), principal.account.hex()), len(item))
        try:
            outcome = await self.publishing.publish_private(principal, item)
        finally:
            door.give_back(ticket)
        return json_reply({"outcomes": [outcome.as_json()]}, status_of_outcomes([outcome]))

    async def _carried(self, request: web.Request, limit_bytes: int, *, private: bool) -> bytes:
        kind = request.content_type
        if kind in FRAME_TYPES:
            return await read_body(request, limit_bytes, self.body_timeout_s)
        if kind == JSON_TYPE:
            value = decode_json(await read_body(request, limit_bytes * JSON_OVERHEAD, self.body_timeout_s))
            return item_from_json(value) if private else frame_from_json(value)
        raise Denied(Reason.BAD_REQUEST, f"the content type is {JSON_TYPE} or one of {', '.join(sorted(FRAME_TYPES))}")
