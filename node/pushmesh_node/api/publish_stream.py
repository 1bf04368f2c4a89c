"""The pipelined way in: one WebSocket, many unanswered requests. What has arrived together is judged together.

It reads, groups and answers, and never looks into a frame. What the node has no room for is refused as it arrives;
beyond its window it stops reading: TCP slows the publisher.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from pushmesh_protocol.display import frame_from_json
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from ..admission import Caller, Door, Ticket
from ..engine.answers import Acknowledged, Denied, Outcome, Wait
from ..http_kit import address_of, connection_of
from .acknowledged import MOST_WALLETS, Publisher, level_of
from .errors import Refused, Report

Publish = Callable[[Sequence[bytes], Sequence[Ticket]], Awaitable[Sequence[Sequence[Outcome]]]]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Of one stream. `window` and `window_bytes` bound unanswered requests (a single one is always taken), `batches`
    how many groups of them are at work at a time. A reply that is not taken for `write_s` ends the stream."""

    window: int = 4_096
    window_bytes: int = 8_388_608
    batches: int = 4
    write_s: float = 30.0
    heartbeat_s: float = 30.0
    close_s: float = 5.0


class WaitForm(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A level, how many others or wallets make it, and how long to wait for it at most."""

    wait: str
    k: Annotated[int, msgspec.Meta(ge=1, le=MOST_WALLETS)] = 1
    timeout_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 10_000


class WaitMembers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same in JSON."""

    level: str
    k: Annotated[int, msgspec.Meta(ge=1, le=MOST_WALLETS)] = 1
    timeout_s: Annotated[float, msgspec.Meta(ge=0, le=3_600)] = 10.0

    def form(self) -> WaitForm:
        """As a binary request says it."""
        return WaitForm(self.level, self.k, round(self.timeout_s * 1000))


class Request(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A binary message: the publisher's own number, a frame, and what to wait for where receipts are wanted."""

    number: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    frame: bytes
    wait: WaitForm | None = None


Row = tuple[bytes | None, str, str, str, str, int | None]
"""(id, level, reason, rule, detail, commit number) of one envelope; where the request said what to wait for, its
receipt and the list of holds stand behind. Where the same bytes may come again, the seconds until then stand behind
in their place."""

_decode = msgspec.msgpack.Decoder(Request).decode
_encode = msgspec.msgpack.Encoder().encode
_decode_json = msgspec.json.Decoder(dict[str, Any]).decode
_encode_json = msgspec.json.Encoder().encode


_Asked = tuple[Any, bytes, bool, Wait | None]
"""(the publisher's own number, frame, whether it came as JSON, what to wait for): tuples, for this runs once a
message."""

_Taken = tuple[bytes | str, Ticket]

_Reply = tuple[Any, Sequence[Outcome | Acknowledged], bool]

LEAST_BATCH = 32
"""Smaller parts would cost more in hand-overs than their overlap wins."""

OWN_FAULT = "this is the node's own fault; it has been logged"


class PublishStream:
    """One connection. `run` serves it to its end; `stop` lets it answer what it has taken and say good-bye."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        publish: Publish,
        door: Door,
        caller: Caller,
        limits: StreamLimits,
        *,
        report: Report,
        refused: Refused,
        abort: Callable[[], None],
        publisher: Publisher | None = None,
    ) -> None:
        self._door = door
        self._caller = caller
        self._publisher = publisher
        self._socket = socket
        self._abort = abort
        self._publish = publish
        self._limits = limits
        self._report = report
        self._refused = refused
        self._taken: list[_Taken] = []
        self._unanswered = 0
        self._unanswered_bytes = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._free = asyncio.Semaphore(limits.batches)
        self._replies: list[_Reply] = []
        self._answered: list[bytes | str] = []
        self._ready = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._stopping = False
        self._done = False

    async def run(self) -> None:
        """Returns when the publisher has gone or the stream was stopped, and everything taken is published."""
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write())
            self._reader = tasks.create_task(self._read())
            await self._work()
            self._done = True
            self._ready.set()
            await writer

    def stop(self) -> None:
        """Take nothing more. Idempotent."""
        self._stopping = True
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self) -> None:
        """Takes all messages that are there without giving way: `receive` waits only when there is none."""
        limits, receive = self._limits, self._socket.receive
        try:
            while not self._stopping:
                message = await receive()
                if message.type is not WSMsgType.BINARY and message.type is not WSMsgType.TEXT:
                    break
                self._unanswered += 1
                self._unanswered_bytes += len(message.data)
                self._take(message.data)
                while self._unanswered >= limits.window or self._unanswered_bytes >= limits.window_bytes:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._stopping = True
            self._arrived.set()

    def _take(self, data: bytes | str) -> None:
        """Queue a message, or refuse it here and now: it would wait too long."""
        try:
            ticket = self._door.admit(self._caller, len(data))
        except Denied as denied:
            opened = self._open(data)
            if opened is not None:
                self._refused(denied.reason)
                self._replies.append((opened[0], [denied.as_outcome()], opened[2]))
            self._answered.append(data)
            self._ready.set()
        else:
            self._taken.append((data, ticket))
            self._arrived.set()

    async def _work(self) -> None:
        """Hands what has gathered to the node, a few batches at a time; the busier the node, the larger they grow."""
        async with asyncio.TaskGroup() as batches:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                if self._taken:
                    await self._free.acquire()
                    # Not all at once: while one part is verified another is stored, and the publisher sends on.
                    size = max(LEAST_BATCH, len(self._taken) // self._limits.batches)
                    batch = self._taken[:size]
                    del self._taken[:size]
                    batches.create_task(self._serve(batch, batches))
                    if self._taken:
                        self._arrived.set()
                elif self._stopping:
                    return
                if self._stopping:
                    self._arrived.set()

    async def _serve(self, batch: list[_Taken], tasks: asyncio.TaskGroup) -> None:
        asked: list[_Asked] = []
        tickets: list[Ticket] = []
        served: list[bytes | str] = []
        for data, ticket in batch:
            each = self._open(data)
            if each is None:
                self._door.give_back(ticket)
            elif each[3] is not None:
                tasks.create_task(self._serve_waiting(data, each, ticket))
                continue
            else:
                asked.append(each)
                tickets.append(ticket)
            served.append(data)
        answers: Sequence[Sequence[Outcome]]
        try:
            answers = await self._publish([frame for _, frame, _, _ in asked], tickets) if asked else ()
        except Denied as denied:
            self._refused(denied.reason)
            answers = [[denied.as_outcome()]] * len(asked)
        except Exception as error:  # the node's own fault; the others of this connection go on
            self._report(error, "publish stream")
            answers = [[Denied(Reason.INTERNAL, OWN_FAULT).as_outcome()]] * len(asked)
        finally:
            self._free.release()
        for (number, _, is_json, _), outcomes in zip(asked, answers, strict=True):
            self._replies.append((number, outcomes, is_json))
        self._answered += served
        self._ready.set()

    async def _serve_waiting(self, data: bytes | str, asked: _Asked, ticket: Ticket) -> None:
        """One request that waits for a level: it holds up no other, but takes its place in the window."""
        number, frame, is_json, wait = asked
        answers: Sequence[Outcome | Acknowledged]
        try:
            if self._publisher is None or wait is None:
                self._door.give_back(ticket)
                raise Denied(Reason.BAD_REQUEST, "this node gives no receipts")
            answers = await self._publisher.publish(frame, wait, [ticket])
        except Denied as denied:
            self._refused(denied.reason)
            answers = [denied.as_outcome()]
        except Exception as error:  # the node's own fault; the others of this connection go on
            self._report(error, "publish stream")
            answers = [Denied(Reason.INTERNAL, OWN_FAULT).as_outcome()]
        self._replies.append((number, answers, is_json))
        self._answered.append(data)
        self._ready.set()

    def _open(self, data: bytes | str) -> _Asked | None:
        """The request in a message; one that cannot be read is answered here, without a number where it has none."""
        is_json, number = isinstance(data, str), None
        try:
            if isinstance(data, bytes):
                request = _decode(data)
                number = request.number
                return number, request.frame, False, None if request.wait is None else _wait_of(request.wait)
            form = _decode_json(data)
            number = form.pop("no", None)
            wait = form.pop("wait", None)
            return number, frame_from_json(form), True, None if wait is None else _wait_of_json(wait)
        except Denied as wrong:
            denied = wrong
        except Refusal as refusal:
            denied = Denied.from_refusal(refusal)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            denied = Denied(Reason.BAD_REQUEST, f"a request is [number, frame] or a JSON object with no: {error}")
        self._refused(denied.reason)
        self._replies.append((number, [denied.as_outcome()], is_json))
        return None

    async def _write(self) -> None:
        """One message, of each form, for all replies that are there."""
        while not self._done or self._replies:
            await self._ready.wait()
            self._ready.clear()
            replies, self._replies = self._replies, []
            answered, self._answered = self._answered, []
            try:
                async with asyncio.timeout(self._limits.write_s):
                    await self._send(replies)
            except (TimeoutError, ConnectionError):
                self._abort()  # what was published stays published; the publisher asks again and is told
                self.stop()
            self._unanswered -= len(answered)
            self._unanswered_bytes -= sum([len(data) for data in answered])
            self._room.set()

    async def _send(self, replies: Sequence[_Reply]) -> None:
        rows = [(number, [_row(each) for each in outcomes]) for number, outcomes, is_json in replies if not is_json]
        if rows:
            await self._socket.send_bytes(_encode(rows))
        if len(rows) < len(replies):
            forms = [
                {"no": number, "outcomes": [each.as_json() for each in outcomes]}
                for number, outcomes, is_json in replies
                if is_json
            ]
            await self._socket.send_frame(_encode_json(forms), WSMsgType.TEXT)


def _wait_of(form: WaitForm) -> Wait:
    return Wait(level_of(form.wait), form.k, form.timeout_ms / 1000)


def _wait_of_json(form: Any) -> Wait:
    try:
        return _wait_of(msgspec.convert(form, WaitMembers).form())
    except msgspec.ValidationError as error:
        raise Denied(Reason.BAD_REQUEST, f"wait: {error}") from error


def _row(each: Outcome | Acknowledged) -> Row | tuple[Any, ...]:
    if isinstance(each, Acknowledged):
        return (*_row(each.outcome), each.receipt, each.holds)
    outcome = each
    row = (outcome.id, outcome.level, outcome.reason, outcome.rule, outcome.detail, outcome.commit_no)
    return row if outcome.retry_after_s is None else (*row, round(outcome.retry_after_s, 3))


class StreamRoutes:
    """GET /v1/publish/stream. Knows its open streams, so that a node that stops can let them answer."""

    def __init__(
        self,
        publish: Publish,
        door: Door,
        limits: StreamLimits,
        report: Report,
        refused: Refused,
        *,
        message_bytes: int,
        publisher: Publisher | None = None,
    ) -> None:
        self._door = door
        self._publisher = publisher
        self._message_bytes = message_bytes
        self._publish = publish
        self._limits = limits
        self._report = report
        self._refused = refused
        self._open: set[PublishStream] = set()
        self._draining = False

    async def publish_stream(self, request: web.Request) -> web.StreamResponse:
        """Serves one publisher to its end."""
        if self._draining:
            raise Denied(Reason.DRAINING, "the node stops")
        limits = self._limits
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=self._message_bytes, heartbeat=limits.heartbeat_s, timeout=limits.close_s
        )
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        stream = PublishStream(
            socket,
            self._publish,
            self._door,
            self._door.caller("publish", address_of(request), connection_of(request)),
            limits,
            report=self._report,
            refused=self._refused,
            abort=transport.abort,
            publisher=self._publisher,
        )
        self._open.add(stream)
        try:
            await stream.run()
        finally:
            self._open.discard(stream)
        code = WSCloseCode.GOING_AWAY if self._draining else WSCloseCode.OK
        await socket.close(code=code, message=b"draining" if self._draining else b"")
        return socket

    @property
    def open(self) -> int:
        """How many publishers are connected."""
        return len(self._open)

    def drain(self) -> None:
        """Take no more requests; what was taken is answered before the streams close."""
        self._draining = True
        for stream in tuple(self._open):
            stream.stop()
