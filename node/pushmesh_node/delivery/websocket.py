"""An inbox over a WebSocket, in JSON: the wallet listens, acknowledges, vouches and publishes on one connection.

A wrong word is answered with `error` and the stream goes on; only the end of the log-in, of the node or of the reading
speed ends it, and then `end` says why.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.display import frame_from_json
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Permission, Principal
from ..http_kit import MAX_TOPICS, address_of, credential_of, require, topic
from .cursor import commit_no_of
from .service import Service, check_device
from .session import Batch, Mark, Marker, Session, pump
from .words import AckWord, ListenWord, LogInWord, PingWord, PublishWord, TopicsWord, Word, read_word

_encode = msgspec.json.Encoder().encode

OWN_FAULT = "this is the node's own fault; it has been logged"
_CLOSE_CODES = {Reason.DRAINING: WSCloseCode.GOING_AWAY, Reason.INTERNAL: WSCloseCode.INTERNAL_ERROR}


class SocketRoutes:
    """GET /v1/stream."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """One connection to its end. A credential in the request is judged before the upgrade: 401 or 403."""
        service, limits = self._service, self._service.limits
        credential = credential_of(request)
        address = address_of(request)
        principal = None if credential is None else await service.authenticate(credential, address)
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=limits.message_bytes, heartbeat=limits.heartbeat_s, timeout=limits.close_s
        )
        await socket.prepare(request)
        if request.transport is not None:
            await WalletSocket(service, socket, address, request.transport.abort).run(principal)
        return socket


class WalletSocket:
    """One connection: a task reads the wallet's words in order, another (once it listens) delivers."""

    def __init__(
        self, service: Service, socket: web.WebSocketResponse, address: str, abort: Callable[[], None]
    ) -> None:
        self._service = service
        self._socket = socket
        self._address = address
        self._abort = abort
        self._principal: Principal | None = None
        self._session: Session | None = None
        self._device = ""
        self._topics: set[Topic] | None = None
        self._delivery: asyncio.Task[None] | None = None
        self._admitted = ExitStack()
        self._goodbye: asyncio.Task[None] | None = None
        self._frames_only = False

    async def run(self, principal: Principal | None) -> None:
        """Returns when the connection is closed; never raises for what the client or the network does."""
        self._principal = principal
        try:
            self._admitted.enter_context(self._service.consumers.attend(lambda: self._principal, self._end_by_node))
            if principal is None:
                self._principal = principal = await self._log_in()
            await self._welcome(principal)
            await self._read(principal)
        except Denied as denied:
            await self._end(denied)
        except (ConnectionError, TimeoutError):
            self._abort()
        except Exception as error:  # the node's own fault: told, logged, and no other connection is touched
            self._service.report(error, "wallet stream")
            await self._end(Denied(Reason.INTERNAL, OWN_FAULT))
        finally:
            if self._delivery is not None:
                self._delivery.cancel()
            owned = [task for task in (self._delivery, self._goodbye) if task is not None]
            if owned:
                await asyncio.wait(owned)
            self._admitted.close()

    def _end_by_node(self, reason: str, detail: str) -> None:
        """A stream that does not listen has no session that would end it."""
        if self._session is None and self._goodbye is None:
            self._goodbye = asyncio.create_task(self._end(Denied(Reason(reason), detail)))

    async def _log_in(self) -> Principal:
        try:
            message = await self._socket.receive(timeout=self._service.limits.login_s)
        except TimeoutError as error:
            raise Denied(Reason.TIMEOUT, "no log-in came in time", "11.1") from error
        word = read_word(_text_of(message))
        if not isinstance(word, LogInWord):
            raise Denied(Reason.LOGIN_REQUIRED, "the first word is login", "11.1")
        return await self._service.authenticate(word.auth, self._address)

    async def _welcome(self, principal: Principal) -> None:
        require(principal, Permission.READ)
        facts = self._service.facts
        await self._say(
            {
                "type": "welcome",
                "node_id": facts.node_id.hex(),
                "network": facts.network,
                "incarnation": self._service.inboxes.incarnation().hex(),
                "account": display_account(principal.account),
                "vouchers": await self._service.last_vouchers(principal),
            }
        )

    async def _read(self, principal: Principal) -> None:
        while True:
            message = await self._socket.receive()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            try:
                await self._handle(principal, read_word(_text_of(message)))
            except Denied as denied:
                await self._complain(denied)
            except Refusal as refusal:
                await self._complain(Denied.from_refusal(refusal))

    async def _handle(self, principal: Principal, word: Word) -> None:
        match word:
            case ListenWord():
                await self._listen(principal, word)
            case TopicsWord():
                await self._choose(word)
            case AckWord():
                await self._acknowledge(principal, word)
            case PublishWord():
                await self._publish(principal, word)
            case PingWord():
                await self._say({"type": "pong", "no": word.no})
            case LogInWord():
                raise Denied(Reason.BAD_REQUEST, "this stream is logged in already")

    async def _listen(self, principal: Principal, word: ListenWord) -> None:
        if self._session is not None:
            raise Denied(Reason.BAD_REQUEST, "this stream listens already; open another one")
        self._device = check_device(word.device)
        chosen = None if word.topics is None else await self._readable(principal, word.topics)
        wanted = None if chosen is None else frozenset(chosen)
        session = await self._service.session(principal, word.cursor, word.device, wanted)
        self._admitted.enter_context(self._service.consumers.admit(session, "websocket"))
        self._session, self._topics = session, chosen
        self._frames_only = word.format == "frames"
        self._delivery = asyncio.create_task(self._deliver(session))

    async def _choose(self, word: TopicsWord) -> None:
        if self._session is None or self._topics is None:
            raise Denied(Reason.BAD_REQUEST, "topics change on a stream that listens to a list of them")
        added = await self._readable(self._session.principal, word.add)
        removed = await self._readable(self._session.principal, word.remove)
        chosen = (self._topics | added) - removed
        if len(chosen) > MAX_TOPICS:
            raise Denied(Reason.BAD_REQUEST, f"at most {MAX_TOPICS} topics")
        self._topics = chosen
        self._session.choose(frozenset(chosen))
        await self._say({"type": "topics", "topics": sorted(map(display_topic, chosen))})

    async def _readable(self, principal: Principal, texts: list[str]) -> set[Topic]:
        """The topics that may be read; each other one gets its own error and spoils nothing."""
        if len(texts) > MAX_TOPICS:
            raise Denied(Reason.BAD_REQUEST, f"at most {MAX_TOPICS} topics")
        readable: set[Topic] = set()
        for text in texts:
            try:
                named = topic(text)
                if principal.topics is not None and named not in principal.topics:
                    raise Denied(Reason.FORBIDDEN, "the token does not cover this topic", "11.3")
                readable.add(named)
            except Denied as denied:
                await self._complain(denied, topic=text)
        return readable

    async def _acknowledge(self, principal: Principal, word: AckWord) -> None:
        service = self._service
        if self._session is not None:
            given = self._session.position
            if commit_no_of(word.cursor, service.inboxes.incarnation()) > given:
                raise Denied(Reason.BAD_CURSOR, f"this stream was given messages up to {service.forms.cursor(given)}")
        await service.acknowledge(principal, self._device, word.cursor)
        await self._say({"type": "acked", "cursor": word.cursor})
        if word.voucher is not None:
            await self._say({"type": "voucher", **await service.take_voucher(principal, word.voucher)})

    async def _publish(self, principal: Principal, word: PublishWord) -> None:
        require(principal, Permission.PUBLISH)
        door = self._service.door
        caller = door.caller("websocket", self._address, principal.account.hex())
        try:
            frame = frame_from_json(word.form())
            (outcomes,) = await self._service.publish([frame], [door.admit(caller, len(frame))])
        except Refusal as refusal:
            await self._complain(Denied.from_refusal(refusal), no=word.no)
        except Denied as denied:
            await self._complain(denied, no=word.no)
        else:
            await self._say({"type": "published", "no": word.no, "outcomes": [each.as_json() for each in outcomes]})

    async def _deliver(self, session: Session) -> None:
        try:
            ended = await pump(session, self._service.inboxes, "websocket", self._write)
        except (ConnectionError, TimeoutError):  # the client has gone, or its network
            return self._abort()
        except Exception as error:  # the node's own fault, on a task that nobody awaits for its result
            self._service.report(error, "wallet delivery")
            ended = Marker(Mark.ENDED, session.position, Reason.INTERNAL, OWN_FAULT)
        if ended.reason == Reason.SLOW_CONSUMER:
            return self._abort()
        await self._end(Denied(Reason(ended.reason), ended.detail), ended)

    async def _write(self, batch: Batch) -> None:
        """Sends without waiting in between, so that the loop joins what it can into one write."""
        forms, send = self._service.forms, self._socket.send_frame
        if isinstance(batch, Marker):
            await send(forms.marker(batch), WSMsgType.TEXT)
        elif self._frames_only:
            await send(pack([(one.commit_no, one.verdict, one.reason, one.frame) for one in batch]), WSMsgType.BINARY)
        else:
            for message in batch:
                await send(forms.message(message), WSMsgType.TEXT)

    async def _complain(self, denied: Denied, **about: Any) -> None:
        await self._say({"type": "error", **denied.as_json(), **about})

    async def _end(self, denied: Denied, marker: Marker | None = None) -> None:
        """Say why and close. A client that takes neither is cut."""
        code = _CLOSE_CODES.get(denied.reason, WSCloseCode.POLICY_VIOLATION)
        cursor = None if marker is None else self._service.forms.cursor(marker.commit_no)
        try:
            await self._say({"type": "end", "cursor": cursor, **denied.as_json()})
            await self._socket.close(code=code, message=str(denied.reason).encode())
        except (ConnectionError, TimeoutError):
            self._abort()

    async def _say(self, form: dict[str, Any]) -> None:
        async with asyncio.timeout(self._service.sessions.write_s):
            await self._socket.send_frame(_encode(form), WSMsgType.TEXT)


def _text_of(message: WSMessage) -> str:
    if message.type is not WSMsgType.TEXT:
        raise Denied(Reason.BAD_REQUEST, "a word is a text message with a JSON object")
    return str(message.data)
