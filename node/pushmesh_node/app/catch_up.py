"""Catch-up: on connect, and again from time to time, ask each peer what it committed since we last looked (SPEC
section 9).

The asker trusts nothing: every frame goes the common way in."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from pushmesh_protocol.codec import Codec, pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, open_frame
from pushmesh_protocol.kinds.fields import Bin16, Bin32
from pushmesh_protocol.limits import CATCH_UP_PAGE_BYTES
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import UnixMs

from ..engine.events import CaughtUp
from ..engine.records import PeerCursor
from ..metrics import Metrics
from ..storage.errors import StoreBusy, StoreFailed
from ..storage.store import Store
from .gossip_streams import GossipStream, StreamLost
from .ingest import Ingest
from .offers import entry_of, parts_of

PROTOCOL = "/pushmesh/catchup/1"
ANSWER_S = 30.0
"""How long either side waits for the other's next message."""

AGAIN_S = 15.0
"""How long an asker rests when it has everything; frames that gossip dropped come with the next round."""

MAX_MESSAGE_BYTES = 2 * CATCH_UP_PAGE_BYTES


MAX_PAGE_FRAMES = 4_096
"""More than fit into a page, were each of them the smallest envelope."""

FIRST_REST_S, LONGEST_REST_S = 1.0, 300.0
"""After a round that failed an asker rests, twice as long each time in a row."""

CommitNo = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Ask(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """What did you commit after this number of that incarnation?"""

    network_id: Bin32
    incarnation: Bin16 | None
    commit_no: CommitNo


class Page(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Frames in commit order; the next question starts at `next_commit`."""

    incarnation: Bin16
    next_commit: CommitNo
    more: bool
    frames: Annotated[list[bytes], msgspec.Meta(max_length=MAX_PAGE_FRAMES)]


class Sorry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """The stream ends, for this reason."""

    reason: Annotated[str, msgspec.Meta(max_length=64)]


_question: Codec[Ask] = Codec(Ask)
_answer: Codec[Page | Sorry] = Codec(Page | Sorry)


class Messages:
    """Length-prefixed messages over one stream; every wait is bounded."""

    def __init__(self, stream: GossipStream) -> None:
        self._stream = stream
        self._rest = bytearray()

    async def read(self, timeout_s: float) -> bytes | None:
        """The next message, None at the orderly end. Raises StreamLost, TimeoutError, or Refusal `oversize`."""
        async with asyncio.timeout(timeout_s):
            while True:
                if len(self._rest) >= 4:
                    size = int.from_bytes(self._rest[:4], "big")
                    if size > MAX_MESSAGE_BYTES:
                        raise Refusal(Reason.OVERSIZE, "9.3", "a catch-up message is too large")
                    if len(self._rest) >= 4 + size:
                        message = bytes(self._rest[4 : 4 + size])
                        del self._rest[: 4 + size]
                        return message
                data = await self._stream.read()
                if not data:
                    return None
                self._rest += data

    async def write(self, message: object) -> None:
        """Send one message. Raises StreamLost or TimeoutError."""
        data = pack(message)
        async with asyncio.timeout(ANSWER_S):
            await self._stream.write(len(data).to_bytes(4, "big") + data)


@dataclass(slots=True)
class PeerSync:
    """How far in step this node is with one peer, for status and metrics."""

    commit_no: int = 0
    complete: bool = False


class CatchUp:
    """Serves peers' questions and asks this node's own. `durable` waits until all that was decided is on the disk, and
    says whether it is."""

    def __init__(
        self,
        network: Network,
        store: Store,
        ingest: Ingest,
        metrics: Metrics,
        open_stream: Callable[[bytes, str], GossipStream | None],
        durable: Callable[[asyncio.Future[None]], Awaitable[bool]],
        crashed: Callable[[BaseException], None],
        clock: Callable[[], UnixMs],
    ) -> None:
        self._network = network
        self._store = store
        self._ingest = ingest
        self._metrics = metrics
        self._open_stream = open_stream
        self._durable = durable
        self._crashed = crashed
        self._clock = clock
        self._asking: dict[bytes, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.peers: dict[bytes, PeerSync] = {}

    def peer_came(self, node_id: bytes) -> None:
        """Start to ask a peer; a round that still runs on an older connection is given up."""
        self.peer_left(node_id)
        self._asking[node_id] = self._start(self._ask_forever(node_id), "catch-up-ask")

    def peer_left(self, node_id: bytes) -> None:
        """Ask no more. Idempotent."""
        asking = self._asking.pop(node_id, None)
        if asking is not None:
            asking.cancel()

    def stream_came(self, stream: GossipStream) -> None:
        """A peer asks."""
        self._start(self._serve(stream), "catch-up-serve")

    async def close(self) -> None:
        """End every round."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashed(error)

    # Asking

    async def _ask_forever(self, node_id: bytes) -> None:
        """Rounds until the peer leaves; one that fails is tried again on a new stream, after a longer rest."""
        self.peers[node_id] = sync = PeerSync()
        rest_s = FIRST_REST_S
        try:
            while (stream := self._open_stream(node_id, PROTOCOL)) is not None:
                why = await self._ask_on(node_id, stream, sync)
                self._metrics.catch_up_ended(why)
                rest_s = FIRST_REST_S if sync.complete else rest_s
                sync.complete = False
                await asyncio.sleep(rest_s)
                rest_s = min(2 * rest_s, LONGEST_REST_S)
        finally:
            if self.peers.get(node_id) is sync:
                del self.peers[node_id]

    async def _ask_on(self, node_id: bytes, stream: GossipStream, sync: PeerSync) -> str:
        """Round after round on one stream; why it ended."""
        messages = Messages(stream)
        try:
            while True:
                await self._ask_until_complete(node_id, messages, sync)
                sync.complete = True
                await asyncio.sleep(AGAIN_S)
        except (StreamLost, TimeoutError, Refusal, StoreBusy, StoreFailed) as error:
            return _why(error)
        finally:
            stream.reset("catch-up ended")

    async def _ask_until_complete(self, node_id: bytes, messages: Messages, sync: PeerSync) -> None:
        cursor = await self._store.peer_cursor(node_id)
        incarnation = None if cursor is None else cursor.incarnation
        commit_no = 0 if cursor is None else cursor.commit_no
        await messages.write(Ask(self._network.id, incarnation, commit_no))
        more = True
        while more:
            page = await self._next_page(messages)
            more = page.more
            moved = page.incarnation != incarnation or page.next_commit > commit_no
            if more and not moved:
                raise Refusal(Reason.MALFORMED, "9.3", "a page that does not move on has nothing behind it")
            await self._take_page(node_id, page)
            incarnation, commit_no = page.incarnation, page.next_commit
            sync.commit_no = commit_no
            if moved:
                await self._store.commit([PeerCursor(node_id, incarnation, commit_no, self._clock())])

    async def _next_page(self, messages: Messages) -> Page:
        data = await messages.read(ANSWER_S)
        if data is None:
            raise StreamLost("the peer ended the stream")
        answer = _answer.decode(data)
        if isinstance(answer, Sorry):
            raise StreamLost(answer.reason)
        return answer

    async def _take_page(self, node_id: bytes, page: Page) -> None:
        """Send a page's frames the common way in, and wait until they are durable: one page is under way at a time,
        and no cursor passes what a failed commit lost."""
        parts: list[Part] = []
        for data in page.frames:
            try:
                frame = open_frame(self._network, data)
            except Refusal as refusal:
                self._metrics.judged("caught-up", refusal.verdict, refusal.reason, 1)
                continue
            found, unreadable = parts_of(frame)
            parts += found
            for _, why in unreadable:
                self._metrics.judged("caught-up", why.verdict, why.reason, 1)
        self._metrics.caught_up(sum(len(part.envelopes) for part in parts))
        if not parts:
            return
        await self._ingest.wait_for_room()
        decided: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ingest.take(entry_of(CaughtUp(node_id), parts, decided=decided))
        if not await self._durable(decided):
            raise StoreFailed("what a page brought could not be kept")

    # Serving

    async def _serve(self, stream: GossipStream) -> None:
        messages = Messages(stream)
        try:
            while (data := await messages.read(AGAIN_S + ANSWER_S)) is not None:
                await self._answer(messages, _question.decode(data))
            stream.close_write()
        except (StreamLost, TimeoutError, Refusal, StoreFailed) as error:
            stream.reset(_why(error))

    async def _answer(self, messages: Messages, ask: Ask) -> None:
        if ask.network_id != self._network.id:
            await messages.write(Sorry("other-network"))
            return
        after = ask.commit_no if ask.incarnation == self._store.incarnation else 0
        while True:
            end = self._store.last_commit
            items = await self._store.log(after, CATCH_UP_PAGE_BYTES - 4_096)
            next_commit = items[-1].first_commit + items[-1].count - 1 if items else max(after, end)
            more = bool(items) and next_commit < self._store.last_commit
            await messages.write(Page(self._store.incarnation, next_commit, more, [item.data for item in items]))
            after = next_commit
            if not more:
                return


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, Refusal):
        return str(error.reason)
    return type(error).__name__
