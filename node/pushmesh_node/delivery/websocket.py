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

from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Permission, Principal
from ..http_kit import address_of, credential_of, require
from .contract import WalletEvent
from .service import Service
from .session import Mark, Marker, Portion, Session, pump
from .wallet_words import WalletWords
from .words import LogInWord, read_word

_encode = msgspec.json.Encoder().encode

OWN_FAULT = "this is the node's own fault; it has been logged"
NOT_TEXT = "a word is a text message with a JSON object"
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
        await self.say(
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
        words = WalletWords(self._service, self, principal, self._address)
        while True:
            message = await self._socket.receive()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            if message.type is WSMsgType.TEXT:
                await words.handle(str(message.data))
            else:
                await words.complain(Denied(Reason.BAD_REQUEST, NOT_TEXT))

    def start(self, session: Session, *, frames_only: bool) -> None:
        """Deliver from here on. Raises Denied where the session is not admitted."""
        self._admitted.enter_context(self._service.consumers.admit(session, "websocket"))
        self._session = session
        self._frames_only = frames_only
        self._delivery = asyncio.create_task(self._deliver(session))

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

    async def _write(self, portion: Portion) -> None:
        """Sends without waiting in between, so that the loop joins what it can into one write."""
        forms, send = self._service.forms, self._socket.send_frame
        if isinstance(portion, Marker):
            await send(forms.marker(portion), WSMsgType.TEXT)
        elif isinstance(portion, WalletEvent):
            await send(forms.event(portion), WSMsgType.TEXT)
        elif self._frames_only:
            await send(forms.packed(portion), WSMsgType.BINARY)
        else:
            for message in portion:
                await send(forms.message(message), WSMsgType.TEXT)

    async def _end(self, denied: Denied, marker: Marker | None = None) -> None:
        """Say why and close. A client that takes neither is cut."""
        code = _CLOSE_CODES.get(denied.reason, WSCloseCode.POLICY_VIOLATION)
        cursor = None if marker is None else self._service.forms.cursor(marker.commit_no)
        try:
            await self.say({"type": "end", "cursor": cursor, **denied.as_json()})
            await self._socket.close(code=code, message=str(denied.reason).encode())
        except (ConnectionError, TimeoutError):
            self._abort()

    async def say(self, form: dict[str, Any]) -> None:
        """Send one word. Raises TimeoutError or ConnectionError where it is not taken."""
        async with asyncio.timeout(self._service.sessions.write_s):
            await self._socket.send_frame(_encode(form), WSMsgType.TEXT)


def _text_of(message: WSMessage) -> str:
    if message.type is not WSMsgType.TEXT:
        raise Denied(Reason.BAD_REQUEST, NOT_TEXT)
    return str(message.data)
