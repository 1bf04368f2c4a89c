"""One wallet's WebSocket as a protocol on the event loop: frames in and out, log-in, the stream, the end.

What is live is written at once, without a task; a task runs only while a word is handled or the store is read. What the
words mean is `wallet_words`.
"""

import asyncio
from typing import Any, cast

import msgspec

from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Permission, Principal
from ..http_kit import require
from ..sockets import give_up_after
from .contract import Batch, WalletEvent
from .heartbeat import Wheel
from .service import Service
from .session import Mark, Marker, Portion, Session
from .wallet_words import WEBSOCKET, WalletWords
from .words import LogInWord, read_word
from .ws_frames import PING, BrokenFrames, CloseCode, FrameReader, Opcode, Received, close_frame, frame

_encode = msgspec.json.Encoder().encode

OWN_FAULT = "this is the node's own fault; it has been logged"
NOT_TEXT = "a word is a text message with a JSON object"
TOO_SLOW = "the client takes no bytes; it can go on with its cursor"
MOST_WORDS = 16
"""Words that wait for the one at work, before no more are read; nor are they where these are as long as one may be."""
SILENT_PERIODS = 3
"""A peer that confirms no byte for so many heartbeats is gone."""

_CLOSE_CODES = {
    Reason.DRAINING: CloseCode.GOING_AWAY,
    Reason.INTERNAL: CloseCode.INTERNAL_ERROR,
}


class WalletSocket(asyncio.Protocol):
    """One connection, from the upgrade to its end. `principal` is None where the log-in is still to come."""

    __slots__ = (
        "_address",
        "_closing",
        "_delivering",
        "_frames_only",
        "_inbox",
        "_inbox_size",
        "_ping",
        "_principal",
        "_reader",
        "_service",
        "_session",
        "_timer",
        "_transport",
        "_wheel",
        "_words",
        "_working",
        "_writable",
        "said",
    )

    def __init__(self, service: Service, wheel: Wheel, principal: Principal | None, address: str) -> None:
        self.said = 0
        self._service = service
        self._wheel = wheel
        self._principal = principal
        self._address = address
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader(service.limits.message_bytes)
        self._inbox: list[str | None] = []
        self._inbox_size = 0
        self._ping: bytes | None = None
        self._words: WalletWords | None = None
        self._session: Session | None = None
        self._frames_only = False
        self._working: asyncio.Task[None] | None = None
        self._delivering: asyncio.Task[None] | None = None
        self._writable: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The upgrade is answered; the log-in, or the welcome, comes first."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's are one in all but the class
        give_up_after(transport, SILENT_PERIODS * self._service.limits.heartbeat_s)
        try:
            self._service.consumers.join(self)
        except Denied as denied:
            return self._finish(denied)
        if self._closing:
            return None  # the node stops, and it has been told
        self._wheel.add(self)
        if self._principal is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._service.limits.login_s, self._on_late_log_in)
        else:
            self._work()

    def connection_lost(self, exc: Exception | None) -> None:
        """The word that is at work goes on to its end: what it publishes may be on its way to the disk."""
        self._closing = True
        self._transport = None
        self._wheel.remove(self)
        self._service.consumers.leave(self)
        self._stop_timer()
        self._inbox.clear()
        if self._session is not None:
            self._session.__exit__(None, None, None)
            self._service.consumers.go(self._session)
        if self._delivering is not None:
            self._delivering.cancel()
        if self._words is not None:
            self._words.close()
        self.resume_writing()

    def pause_writing(self) -> None:
        """The client, or its network, is slower than what is written."""
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        """It has caught up, or is gone."""
        if self._writable is not None:
            self._writable.set()
            self._writable = None
        if self._ping is not None:
            ping, self._ping = self._ping, None
            self._pong(ping)

    def eof_received(self) -> bool:
        """A client that says no more hears no more than what is on its way: nothing is left to wait for."""
        if not self._closing:
            self._part()
        return False

    def data_received(self, data: bytes) -> None:
        """Frames of the client, which may come in any pieces."""
        if self._closing:
            self._await_close(data)
        else:
            self._take_all(data)
        if self._reader.has_more and self._transport is not None:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """With what came, after others had their turn."""
        self.data_received(b"")
        if not self._is_crowded and self._transport is not None:
            self._transport.resume_reading()

    def _take_all(self, data: bytes) -> None:
        try:
            for each in self._reader.feed(data):
                if not self._closing:  # what follows a close counts for nothing
                    self._take(each)
        except (BrokenFrames, UnicodeDecodeError) as error:
            code = error.code if isinstance(error, BrokenFrames) else CloseCode.NOT_UTF8
            self._close(code, "not WebSocket as it is spoken here")

    def _take(self, received: Received) -> None:
        match received.opcode:
            case Opcode.TEXT:
                text = received.payload.decode()
                if not self._take_at_once(text):
                    self._put_off(text)
            case Opcode.BINARY:
                self._put_off(None)
            case Opcode.PING:
                self._pong(received.payload)
            case Opcode.CLOSE:
                self._write(frame(Opcode.CLOSE, received.payload[:2]))
                self._part()
                if self._transport is not None:
                    self._transport.close()

    def _pong(self, ping: bytes) -> None:
        """Of pings that come faster than the client takes answers the last is answered (RFC 6455, 5.5.3)."""
        if self._writable is None:
            self._write(frame(Opcode.PONG, ping))
        else:
            self._ping = ping

    def _await_close(self, data: bytes) -> None:
        """Nothing counts after the end but the client's own goodbye."""
        try:
            over = any(each.opcode == Opcode.CLOSE for each in self._reader.feed(data))
        except BrokenFrames:
            over = True
        if over and self._transport is not None:
            self._transport.close()

    def _take_at_once(self, text: str) -> bool:
        """Whether nothing had to wait: no word before it, and no bytes that the client has not taken."""
        if self._words is None or self._working is not None or self._writable is not None:
            return False
        return self._words.at_once(text)

    # Words in: one after the other, in a task that ends when there is none left.

    def _put_off(self, text: str | None) -> None:
        self._inbox.append(text)
        self._inbox_size += len(text or "")
        self._work()

    def _next_word(self) -> str | None:
        text = self._inbox.pop(0)
        self._inbox_size -= len(text or "")
        if not self._is_crowded and self._transport is not None:
            self._transport.resume_reading()
        return text

    @property
    def _is_crowded(self) -> bool:
        is_long = self._inbox_size >= self._service.limits.message_bytes
        return is_long or len(self._inbox) >= MOST_WORDS or self._reader.has_more

    def _work(self) -> None:
        if self._working is None:
            self._working = asyncio.create_task(self._handle_words())
        elif self._is_crowded and self._transport is not None:
            self._transport.pause_reading()

    async def _handle_words(self) -> None:
        try:
            if self._words is None and self._principal is not None:
                await self._welcome(self._principal)
            while self._inbox and not self._closing:
                await self._handle(self._next_word())
        except Denied as denied:
            self._finish(denied)
        except (ConnectionError, TimeoutError):
            self._cut()
        except Exception as error:  # the node's own fault: told, logged, and no other connection is touched
            self._service.report(error, "wallet stream")
            self._finish(Denied(Reason.INTERNAL, OWN_FAULT))
        finally:
            self._working = None

    async def _handle(self, text: str | None) -> None:
        words = self._words
        if words is None:
            await self._log_in(text)
        elif text is None:
            await words.refuse(Denied(Reason.BAD_REQUEST, NOT_TEXT))
        else:
            await words.handle(text)

    async def _log_in(self, text: str | None) -> None:
        if text is None:
            raise Denied(Reason.BAD_REQUEST, NOT_TEXT)
        word = read_word(text)
        if not isinstance(word, LogInWord):
            raise Denied(Reason.LOGIN_REQUIRED, "the first word is login", "11.1")
        principal = await self._service.authenticate(word.auth, self._address)
        await self._welcome(principal)

    def _on_late_log_in(self) -> None:
        self._finish(Denied(Reason.TIMEOUT, "no log-in came in time", "11.1"))

    async def _welcome(self, principal: Principal) -> None:
        require(principal, Permission.READ)
        service = self._service
        if self._closing:
            return
        self._stop_timer()
        self._principal = principal
        service.consumers.join(self)  # again: what the log-in rests on may have ended since it was looked at
        vouchers = await service.last_vouchers(principal)
        if self._closing:
            return
        self._words = WalletWords(service, self, principal, self._address)
        cut = service.consumers.last_cut(principal.account)
        await self.say(
            {
                "type": "welcome",
                "node_id": service.facts.node_id.hex(),
                "network": service.facts.network,
                "incarnation": service.inboxes.incarnation().hex(),
                "account": display_account(principal.account),
                "vouchers": vouchers,
                **({} if cut is None else {"cut": cut}),
            }
        )

    def who(self) -> Principal | None:
        """Whose connection it is, None before the log-in."""
        return self._principal

    def end(self, reason: str, detail: str) -> None:
        """The node ends the connection."""
        if self._session is not None:
            self._session.end(reason, detail)
        else:
            self._finish(Denied(Reason(reason), detail))

    # Messages out.

    def start(self, session: Session, *, frames_only: bool) -> None:
        """Deliver from here on. Raises Denied where the session is not admitted."""
        if self._transport is None:
            raise ConnectionResetError("the client has gone")
        self._service.consumers.come(session, WEBSOCKET)
        self._session = session.__enter__()
        self._frames_only = frames_only
        session.write_through(self._write_now, self._deliver)
        self._deliver()

    def _write_now(self, batch: Batch) -> bool:
        transport = self._transport
        if self._writable is not None or transport is None or self._closing:
            return False
        forms = self._service.forms
        if self._frames_only:
            batch.writes.append((transport.write, batch.encoded("ws-frames", forms.binary_frame)))
        else:
            batch.writes.append((transport.write, batch.encoded("ws-json", forms.text_frames)))
        self.said = self._wheel.now
        return True

    def _deliver(self) -> None:
        """The session has something that is not written at once: it is behind, or has a word between messages."""
        if self._delivering is None and not self._closing:
            self._delivering = asyncio.create_task(self._hand_over())

    async def _hand_over(self) -> None:
        session, inboxes = self._session, self._service.inboxes
        assert session is not None  # it was started
        try:
            while (portion := await session.next()) is not None:
                if isinstance(portion, Marker) and portion.mark is Mark.ENDED:
                    return self._finish(Denied(Reason(portion.reason), portion.detail), portion)
                self._write(self._encoded(portion))
                await self._drained()
                if not isinstance(portion, Marker | WalletEvent):
                    inboxes.delivered(session.transport, session.principal.account, portion)
        except TimeoutError:
            self._cut_slow(session)
        except ConnectionError:
            self._cut()
        except Denied as denied:
            self._finish(denied, Marker(Mark.ENDED, session.position))
        except Exception as error:  # the node's own fault, on a task that nobody awaits for its result
            self._service.report(error, "wallet delivery")
            self._finish(Denied(Reason.INTERNAL, OWN_FAULT), Marker(Mark.ENDED, session.position))
        finally:
            self._delivering = None

    def _encoded(self, portion: Portion) -> bytes:
        forms = self._service.forms
        if isinstance(portion, Marker):
            return frame(Opcode.TEXT, forms.marker(portion))
        if isinstance(portion, WalletEvent):
            return frame(Opcode.TEXT, forms.event(portion))
        return forms.binary_frame(portion) if self._frames_only else forms.text_frames(portion)

    def beat(self) -> None:
        """Say that the stream is alive; whoever does not listen is pinged."""
        if self._writable is not None:
            return
        if self._session is not None and self._session.is_resting:
            self._write(self._encoded(Marker(Mark.IDLE, self._session.position)))
        else:
            self._write(PING)

    # Writing, and the end.

    async def say(self, form: dict[str, Any]) -> None:
        """Send one word. Raises TimeoutError or ConnectionError where it is not taken."""
        if self._transport is None:
            raise ConnectionResetError("the client has gone")
        self._write(frame(Opcode.TEXT, _encode(form)))
        await self._drained()

    def put(self, form: dict[str, Any]) -> None:
        """Send one word without waiting, where the connection still is."""
        self._write(frame(Opcode.TEXT, _encode(form)))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._closing:
            self._transport.write(data)
            self.said = self._wheel.now

    async def _drained(self) -> None:
        if self._writable is not None:
            async with asyncio.timeout(self._service.sessions.write_s):
                await self._writable.wait()
            if self._transport is None:
                raise ConnectionResetError("the client has gone")

    def _finish(self, denied: Denied, marker: Marker | None = None) -> None:
        """Say why and close; it queues behind what the client has not taken yet. Idempotent."""
        if not self._closing and self._transport is not None:
            self._service.refused_access(WEBSOCKET, denied.reason)
        cursor = None if marker is None else self._service.forms.cursor(marker.commit_no)
        self._write(frame(Opcode.TEXT, _encode({"type": "end", "cursor": cursor, **denied.as_json()})))
        self._close(_CLOSE_CODES.get(denied.reason, CloseCode.POLICY_VIOLATION), str(denied.reason))

    def _close(self, code: CloseCode, reason: str) -> None:
        if self._closing or self._transport is None:
            return
        self._write(close_frame(code, reason))
        self._part()
        self._transport.resume_reading()  # for the client's own goodbye

    def _part(self) -> None:
        """Take and say nothing more. A client that does not take what was said, or keeps the connection, is cut after a
        grace."""
        self._closing = True
        self._stop_timer()
        self._inbox.clear()
        self._inbox_size = 0
        if self._session is not None:
            self._session.__exit__(None, None, None)
        if self._delivering is not None:  # which may be what calls this, and then is at its end
            self._delivering.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._service.limits.close_s, self._cut)

    def _cut_slow(self, session: Session) -> None:
        """It hears why once it reads on, within a grace; else when it comes again."""
        position = session.position
        self._service.consumers.note_cut(session.principal.account, Reason.SLOW_CONSUMER)
        self._finish(Denied(Reason.SLOW_CONSUMER, TOO_SLOW), Marker(Mark.ENDED, position))

    def _cut(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
