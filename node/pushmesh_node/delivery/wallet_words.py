"""What a wallet says on its WebSocket, done: one word at a time, each with its answer. Knows no socket.

A wrong word is answered with `error` and the stream goes on.
"""

from typing import Any, Protocol

from pushmesh_protocol.accounts import Topic, display_topic
from pushmesh_protocol.display import frame_from_json
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Permission, Principal
from ..http_kit import MAX_TOPICS, require, topic
from .cursor import commit_no_of
from .service import Service, check_device
from .session import Session
from .words import AckWord, ListenWord, LogInWord, PingWord, PublishWord, TopicsWord, Word, read_word


class Stream(Protocol):
    """The connection that the words come over."""

    async def say(self, form: dict[str, Any]) -> None:
        """Send one word. Raises TimeoutError or ConnectionError where it is not taken."""

    def start(self, session: Session, *, frames_only: bool) -> None:
        """Deliver from here on. Raises Denied where the session is not admitted."""


class WalletWords:
    """The words of one connection that has logged in."""

    def __init__(self, service: Service, stream: Stream, principal: Principal, address: str) -> None:
        self._service = service
        self._stream = stream
        self._principal = principal
        self._address = address
        self._session: Session | None = None
        self._device = ""
        self._topics: set[Topic] | None = None

    async def handle(self, text: str) -> None:
        """Do what one text message says."""
        try:
            await self._obey(read_word(text))
        except Denied as denied:
            await self.complain(denied)
        except Refusal as refusal:
            await self.complain(Denied.from_refusal(refusal))

    async def complain(self, denied: Denied, **about: Any) -> None:
        """Answer a word that is wrong."""
        await self._stream.say({"type": "error", **denied.as_json(), **about})

    async def _obey(self, word: Word) -> None:
        match word:
            case ListenWord():
                await self._listen(word)
            case TopicsWord():
                await self._choose(word)
            case AckWord():
                await self._acknowledge(word)
            case PublishWord():
                await self._publish(word)
            case PingWord():
                await self._stream.say({"type": "pong", "no": word.no})
            case LogInWord():
                raise Denied(Reason.BAD_REQUEST, "this stream is logged in already")

    async def _listen(self, word: ListenWord) -> None:
        if self._session is not None:
            raise Denied(Reason.BAD_REQUEST, "this stream listens already; open another one")
        self._device = check_device(word.device)
        chosen = None if word.topics is None else await self._readable(word.topics)
        wanted = None if chosen is None else frozenset(chosen)
        session = await self._service.session(self._principal, word.cursor, word.device, wanted)
        self._stream.start(session, frames_only=word.format == "frames")
        self._session, self._topics = session, chosen

    async def _choose(self, word: TopicsWord) -> None:
        if self._session is None or self._topics is None:
            raise Denied(Reason.BAD_REQUEST, "topics change on a stream that listens to a list of them")
        added = await self._readable(word.add)
        removed = await self._readable(word.remove)
        chosen = (self._topics | added) - removed
        if len(chosen) > MAX_TOPICS:
            raise Denied(Reason.BAD_REQUEST, f"at most {MAX_TOPICS} topics")
        self._topics = chosen
        self._session.choose(frozenset(chosen))
        await self._stream.say({"type": "topics", "topics": sorted(map(display_topic, chosen))})

    async def _readable(self, texts: list[str]) -> set[Topic]:
        """The topics that may be read; each other one gets its own error and spoils nothing."""
        if len(texts) > MAX_TOPICS:
            raise Denied(Reason.BAD_REQUEST, f"at most {MAX_TOPICS} topics")
        readable: set[Topic] = set()
        for text in texts:
            try:
                named = topic(text)
                if self._principal.topics is not None and named not in self._principal.topics:
                    raise Denied(Reason.FORBIDDEN, "the token does not cover this topic", "11.3")
                readable.add(named)
            except Denied as denied:
                await self.complain(denied, topic=text)
        return readable

    async def _acknowledge(self, word: AckWord) -> None:
        service = self._service
        if self._session is not None:
            given = self._session.position
            if commit_no_of(word.cursor, service.inboxes.incarnation()) > given:
                raise Denied(Reason.BAD_CURSOR, f"this stream was given messages up to {service.forms.cursor(given)}")
        await service.acknowledge(self._principal, self._device, word.cursor)
        await self._stream.say({"type": "acked", "cursor": word.cursor})
        if word.voucher is not None:
            await self._stream.say({"type": "voucher", **await service.take_voucher(self._principal, word.voucher)})

    async def _publish(self, word: PublishWord) -> None:
        require(self._principal, Permission.PUBLISH)
        door = self._service.door
        caller = door.caller("websocket", self._address, self._principal.account.hex())
        try:
            frame = frame_from_json(word.form())
            (outcomes,) = await self._service.publish([frame], [door.admit(caller, len(frame))])
        except Refusal as refusal:
            await self.complain(Denied.from_refusal(refusal), no=word.no)
        except Denied as denied:
            await self.complain(denied, no=word.no)
        else:
            await self._stream.say(
                {"type": "published", "no": word.no, "outcomes": [each.as_json() for each in outcomes]}
            )
