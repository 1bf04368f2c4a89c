"""What a wallet says on its WebSocket, done: one word at a time, each with its answer. Knows no socket.

A wrong word is answered with `error` and the stream goes on.
"""

import asyncio
from contextlib import aclosing
from typing import Any, Final, Protocol

from pushmesh_protocol.display import frame_from_json
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Permission, Principal
from ..http_kit import require
from .cursor import commit_no_of
from .following import told
from .live_topics import LiveTopics, Readable, readable
from .service import Service, check_device
from .session import Session
from .wallet_forms import devices_form, mark_read
from .words import (
    AckWord,
    DevicesWord,
    ListenWord,
    LogInWord,
    PingWord,
    PublishWord,
    ReadWord,
    SubscriptionsWord,
    TopicsWord,
    Word,
    read_word,
)

WEBSOCKET: Final = "websocket"
"""The transport's name in metrics."""

_ACK: Final = '{"type":"ack"'
MOST_UNANSWERED: Final = 16
"""Acknowledgements that wait for the disk without a task."""


class Stream(Protocol):
    """The connection that the words come over."""

    async def say(self, form: dict[str, Any]) -> None:
        """Send one word. Raises TimeoutError or ConnectionError where it is not taken."""

    def put(self, form: dict[str, Any]) -> None:
        """Send one word without waiting, where the connection still is."""

    def start(self, session: Session, *, frames_only: bool) -> None:
        """Deliver from here on. Raises Denied where the session is not admitted."""


class WalletWords:
    """The words of one connection that has logged in."""

    def __init__(self, service: Service, stream: Stream, principal: Principal, address: str) -> None:
        self._service = service
        self._stream = stream
        self._principal = principal
        self._address = address
        self._device = ""
        self._topics: LiveTopics | None = None
        self._following: asyncio.Task[None] | None = None
        self._unanswered = 0

    def close(self) -> None:
        """The connection has gone. Idempotent."""
        if self._following is not None:
            self._following.cancel()

    def at_once(self, text: str) -> bool:
        """Take an acknowledgement without a voucher, which is nearly all that wallets say, without a task; its answer
        follows. False for any other word, a wrong one, or one too many: `handle` does that."""
        if self._unanswered >= MOST_UNANSWERED or not text.startswith(_ACK):
            return False
        try:
            word = read_word(text)
            if not isinstance(word, AckWord) or word.voucher is not None:
                return False
            reached, cursor = self._reached(word), word.cursor
            inboxes = self._service.inboxes
            inboxes.acknowledge_soon(self._principal, self._device, reached, lambda denied: self._acked(cursor, denied))
        except Denied:
            return False
        self._unanswered += 1
        return True

    def _acked(self, cursor: str, denied: Denied | None) -> None:
        self._unanswered -= 1
        if denied is None:
            self._stream.put({"type": "acked", "cursor": cursor})
        else:
            self._service.refused_access(WEBSOCKET, denied.reason)
            self._stream.put({"type": "error", **denied.as_json()})

    async def handle(self, text: str) -> None:
        """Do what one text message says."""
        try:
            await self._obey(read_word(text))
        except Denied as denied:
            await self.refuse(denied)
        except Refusal as refusal:
            await self.refuse(Denied.from_refusal(refusal))

    async def refuse(self, denied: Denied, about: str | None = None) -> None:
        """Answer a word that is wrong, or not the wallet's to say; counted. `about` names one that the stream does not
        rest on."""
        self._service.refused_access(WEBSOCKET, denied.reason)
        word = {} if about is None else {"about": about}
        await self._stream.say({"type": "error", **word, **denied.as_json()})

    async def _obey(self, word: Word) -> None:
        match word:
            case ListenWord():
                await self._listen(word)
            case TopicsWord():
                await self._choose(word)
            case AckWord():
                await self._acknowledge(word)
            case ReadWord():
                await self._read(word)
            case DevicesWord():
                await self._stream.say({"type": "devices", **await devices_form(self._service, self._principal)})
            case SubscriptionsWord():
                self._follow()
            case PublishWord():
                await self._publish(word)
            case PingWord():
                await self._stream.say({"type": "pong", "no": word.no})
            case LogInWord():
                raise Denied(Reason.BAD_REQUEST, "this stream is logged in already")

    async def _listen(self, word: ListenWord) -> None:
        if self._topics is not None:
            raise Denied(Reason.BAD_REQUEST, "this stream listens already; open another one")
        self._device = check_device(word.device)
        wanted = None if word.topics is None else readable(self._principal, word.topics)
        chosen = None if wanted is None else wanted.topics
        session = await self._service.session(self._principal, word.cursor, word.device, chosen)
        if wanted is not None:
            await self._complain_of(wanted)
        self._stream.start(session, frames_only=word.format == "frames")
        self._topics = LiveTopics(session, chosen)

    async def _choose(self, word: TopicsWord) -> None:
        if self._topics is None:
            raise Denied(Reason.BAD_REQUEST, "topics change on a stream that listens")
        incarnation = self._service.inboxes.incarnation()
        await self._complain_of(self._topics.change(word.add, word.remove, word.since, incarnation))
        await self._stream.say({"type": "topics", **self._topics.as_json()})

    async def _complain_of(self, named: Readable) -> None:
        """Each topic that may not be read gets its own error and spoils nothing."""
        for complaint in self._service.complaints(WEBSOCKET, named):
            await self._stream.say({"type": "error", **complaint})

    def _reached(self, word: AckWord) -> int:
        """Raises Denied `bad-cursor` for what this stream was never given."""
        service = self._service
        commit_no = commit_no_of(word.cursor, service.inboxes.incarnation())
        if self._topics is not None and commit_no > (given := self._topics.session.given):
            raise Denied(Reason.BAD_CURSOR, f"this stream was given messages up to {service.forms.cursor(given)}")
        return commit_no

    async def _acknowledge(self, word: AckWord) -> None:
        service = self._service
        self._reached(word)
        await service.acknowledge(self._principal, self._device, word.cursor)
        await self._stream.say({"type": "acked", "cursor": word.cursor})
        if word.voucher is not None:
            taken = await service.take_voucher(WEBSOCKET, self._principal, word.voucher)
            await self._stream.say({"type": "voucher", **taken})

    async def _read(self, word: ReadWord) -> None:
        wallets, incarnation = self._service.wallets, self._service.inboxes.incarnation()
        try:
            form = await mark_read(wallets, incarnation, self._principal, self._device, word.cursor, word.messages)
        except Denied as denied:
            await self.refuse(denied, about="read")
            return
        await self._stream.say({"type": "read", **form})

    def _follow(self) -> None:
        if self._following is not None:
            raise Denied(Reason.BAD_REQUEST, "this stream follows the subscriptions already")
        self._following = asyncio.create_task(self._tell_subscriptions(), name="subscriptions")

    async def _tell_subscriptions(self) -> None:
        try:
            with self._service.subscriptions.follow(self._principal) as following:
                async with aclosing(told(following)) as forms:
                    async for form in forms:
                        await self._stream.say(form)
        except (ConnectionError, TimeoutError):
            pass  # the connection has gone, or is cut by whoever writes messages to it
        except Exception as error:  # the node's own fault, on a task that nobody awaits for its result
            self._service.report(error, "own subscriptions")

    async def _publish(self, word: PublishWord) -> None:
        require(self._principal, Permission.PUBLISH)
        door = self._service.door
        caller = door.caller(WEBSOCKET, self._address, self._principal.account.hex())
        try:
            frame = frame_from_json(word.form())
            (outcomes,) = await self._service.publish([frame], [door.admit(caller, len(frame))])
        except Refusal as refusal:
            await self._complain(Denied.from_refusal(refusal), word.no)
        except Denied as denied:
            await self._complain(denied, word.no)
        else:
            await self._stream.say(
                {"type": "published", "no": word.no, "outcomes": [each.as_json() for each in outcomes]}
            )

    async def _complain(self, denied: Denied, no: Any) -> None:
        """What is published is counted where it is judged, or turned away."""
        await self._stream.say({"type": "error", **denied.as_json(), "no": no})
