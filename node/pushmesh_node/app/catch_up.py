"""Catch-up: on connect, and again from time to time, ask each peer what it committed since we last looked (SPEC
section 9). Only what this node does not hold is sent: unless it holds nothing at all, peers first tell digests.

The asker trusts nothing: every frame goes the common way in."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, open_frame
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import UnixMs

from ..engine.events import CaughtUp
from ..engine.records import PeerCursor
from ..metrics import Metrics
from ..storage.errors import StoreBusy, StoreFailed
from ..storage.store import Store
from .catch_up_answers import Answering, reason_of
from .catch_up_wire import (
    ANSWER_S as ANSWER_S,
    PROTOCOL as PROTOCOL,
    Ask as Ask,
    AskDigests,
    Digests,
    Messages,
    Page as Page,
    Sorry as Sorry,
    Want,
    answers,
)
from .frame_digests import FrameDigests
from .gossip_streams import GossipStream, StreamLost
from .ingest import Ingest
from .offers import entry_of, parts_of

AGAIN_S = 15.0
"""How long an asker rests when it has everything, on average, so that not all ask at the same time; frames that gossip
dropped come with the next round."""

SETTLE_S = 1.0
"""What a peer has committed just now, gossip may still bring before it is asked for."""

FIRST_REST_S, LONGEST_REST_S = 1.0, 300.0
"""After a round that failed an asker rests, twice as long each time in a row."""

NOWHERE = bytes(16)
"""The incarnation of a cursor that never moved."""

A = TypeVar("A", Page, Digests)


@dataclass(slots=True)
class PeerSync:
    """How far in step this node is with one peer, for status and metrics."""

    commit_no: int = 0
    complete: bool = False


class CatchUp:
    """Serves peers' questions and asks this node's own. `digests` are of what is on the disk; `durable` waits until all
    that was decided is there too, and says whether it is."""

    def __init__(
        self,
        network: Network,
        store: Store,
        digests: FrameDigests,
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
        self._digests = digests
        self._answering = Answering(network, store, digests, 2 * AGAIN_S + ANSWER_S)
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
        self._start(self._answering.serve(stream), "catch-up-serve")

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
                await asyncio.sleep(AGAIN_S * (0.5 + random.random()))
        except (StreamLost, TimeoutError, Refusal, StoreBusy, StoreFailed) as error:
            why = reason_of(error)
            stream.reset(why)  # `malformed` blames the peer
            return why
        finally:
            stream.reset("catch-up ended")

    async def _ask_until_complete(self, node_id: bytes, messages: Messages, sync: PeerSync) -> None:
        cursor = await self._store.peer_cursor(node_id) or PeerCursor(node_id, NOWHERE, 0, self._clock())
        if cursor.incarnation == NOWHERE and self._store.last_commit == 0:
            await messages.write(Ask(self._network.id, None, 0))
            await self._take_pages(messages, cursor, sync)
            return
        more = True
        while more:
            await messages.write(AskDigests(self._network.id, cursor.incarnation, cursor.commit_no))
            told = await self._next(messages, Digests)
            more = told.more
            missing = self._missing(told.digests)
            if missing and not more:
                await asyncio.sleep(SETTLE_S)
                missing = self._missing(missing)
            if missing:
                after = cursor.commit_no if told.incarnation == cursor.incarnation else 0
                await messages.write(Want(told.incarnation, after, told.next_commit, missing))
                await self._take_pages(messages, cursor, sync)
            cursor = await self._move(cursor, told)
            sync.commit_no = cursor.commit_no

    def _missing(self, digests: Sequence[bytes]) -> list[bytes]:
        return [digest for digest in digests if digest not in self._digests]

    async def _take_pages(self, messages: Messages, cursor: PeerCursor, sync: PeerSync) -> None:
        """All pages that answer one question; the cursor follows what is durable."""
        more = True
        while more:
            page = await self._next(messages, Page)
            more = page.more
            await self._take_page(cursor.node_id, page)
            cursor = await self._move(cursor, page)
            sync.commit_no = cursor.commit_no

    async def _move(self, cursor: PeerCursor, told: Page | Digests) -> PeerCursor:
        """Where the next question starts. Raises Refusal for an answer that leads nowhere and says there is more."""
        moved = told.incarnation != cursor.incarnation or told.next_commit > cursor.commit_no
        if not moved:
            if told.more:
                raise Refusal(Reason.MALFORMED, "9.3", "an answer that does not move on has nothing behind it")
            return cursor
        cursor = PeerCursor(cursor.node_id, told.incarnation, told.next_commit, self._clock())
        await self._store.commit([cursor])
        return cursor

    async def _next(self, messages: Messages, kind: type[A]) -> A:
        data = await messages.read(ANSWER_S)
        if data is None:
            raise StreamLost("the peer ended the stream")
        answer = answers.decode(data)
        if isinstance(answer, Sorry):
            raise StreamLost(answer.reason)
        if not isinstance(answer, kind):
            raise Refusal(Reason.MALFORMED, "9.3", "the answer is not to what was asked")
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
            self._digests.let_go(data, [each.body.expires_at for each in frame.envelopes()], self._clock())
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
