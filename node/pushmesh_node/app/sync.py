"""Sync with each peer: this node's own rounds on one long stream, and answers to the peer's on another (SPEC section
9).

The asker trusts nothing: every frame goes the common way in."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, assert_never

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import encode_frame
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import UnixMs

from ..engine.answers import Outcome
from ..engine.parts import leaf_part
from ..metrics import Metrics
from ..storage.errors import StoreFailed
from ..storage.sets import CONTROL_SET
from ..storage.store import Store
from ..sync.asking import Asking
from ..sync.claims import Claims
from ..sync.digests import digest_of
from ..sync.fetching import MAX_SHOWN
from ..sync.memory import MEMORY_MS, PeerMemory
from ..sync.parts import FLOOR_AHEAD_MS
from ..sync.ports import (
    Digest,
    Digested,
    Due,
    Effect,
    End,
    Event,
    Finished,
    Heard,
    Probe,
    Probed,
    Say,
    Settle,
    Settled,
    Show,
    Snapshot,
    Take,
    Taken,
)
from ..sync.words import PROTOCOL as PROTOCOL, Answer, Frames, Hello, Replies, Sorry
from .gossip_streams import GossipStream, StreamLost
from .ingest import Ingest
from .offers import slots_of
from .opened import Opener
from .own_topics import OwnTopics
from .sync_answers import Answering
from .sync_feed import SyncFeed
from .sync_intake import SyncIntake
from .sync_state import FLOOR_SLACK_MS, PeerSync, State, clock_offset_ms, is_in_sync
from .sync_stream import ANSWER_S, WordStream, reason_of

AGAIN_S: Final = 15.0
"""How long an asker rests when it has everything, on average, so that not all ask at the same time."""

BEHIND_S: Final = 2.0
"""The same where something is still missing, which others are asked for or time may mend."""

GIVING_REST_S: Final = 60.0
"""So long at most a peer is not asked while it is being given much: its set and this node's differ all over meanwhile,
and to compare them would cost both sides more than the giving."""

SETTLE_S: Final = 1.0
"""What a peer has committed just now, gossip may still bring before it is asked for."""

FIRST_REST_S, LONGEST_REST_S = 1.0, 300.0
"""After a session that failed an asker rests, twice as long each time in a row."""

MAX_MEMORIES: Final = 1_024
"""Peers that are remembered after they left."""

EVENTS_AHEAD: Final = 8
"""Words that are read before they are handled; then the peer's credit ends."""


class Sync:
    """Serves peers' questions and asks this node's own. `floors` are of this node's sets, from which timestamp up each
    is whole."""

    def __init__(
        self,
        network: Network,
        store: Store,
        feed: SyncFeed,
        ingest: Ingest,
        opener: Opener,
        own_topics: OwnTopics,
        metrics: Metrics,
        open_stream: Callable[[bytes, str], GossipStream | None],
        crashed: Callable[[BaseException], None],
        clock: Callable[[], UnixMs],
    ) -> None:
        self.peers: dict[bytes, PeerSync] = {}
        self._network = network
        self._store = store
        self._feed = feed
        self._intake = SyncIntake(network, ingest, metrics)
        self._opener = opener
        self._own_topics = own_topics
        self._metrics = metrics
        self._open_stream = open_stream
        self._crashed = crashed
        self._clock = clock
        self._claims = Claims()
        self._memories: OrderedDict[bytes, PeerMemory] = OrderedDict()
        self._answering = Answering(network, store, feed.sets, self._intake, opener, self._hello, self._heard)
        self._asking: dict[bytes, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def peer_came(self, node_id: bytes) -> None:
        """Start to ask a peer; a session that still runs on an older connection is given up."""
        self.peer_left(node_id)
        self._asking[node_id] = self._start(self._ask_forever(node_id), "sync-ask")

    def peer_left(self, node_id: bytes) -> None:
        """Ask no more. Idempotent."""
        asking = self._asking.pop(node_id, None)
        if asking is not None:
            asking.cancel()

    def stream_came(self, stream: GossipStream) -> None:
        """A peer asks."""
        self._start(self._answering.serve(stream), "sync-answer")

    def answer(self, request: int, outcomes: Sequence[Outcome]) -> None:
        """The driver's hand, for requests below 0."""
        self._intake.answer(request, outcomes)

    def floors(self) -> list[int]:
        """From which timestamp up each set is whole (SPEC 9.4)."""
        least, held = self._clock() + FLOOR_AHEAD_MS, self._store.floors
        sets = [*range(self._network.shard_count), CONTROL_SET]
        return [max(least, held.get(number, 0)) for number in sets]

    def rows(self) -> dict[str, Any]:
        """What operators are shown, JSON-ready."""
        now_ms = self._clock()
        return {
            "in_sync": is_in_sync(self.peers.values(), now_ms),
            "loaded": self._feed.is_settled,
            "envelopes": len(self._feed.sets),
            "floors": self.floors(),
            "clock_offset_ms": clock_offset_ms(self.peers),
            "peers": [{"node_id": node_id.hex(), **sync.row(now_ms)} for node_id, sync in self.peers.items()],
        }

    async def rivals(self, commit_nos: Sequence[int]) -> list[bytes]:
        """Frames of the envelopes that share slots with the void ones among these."""
        void = sorted(await self._store.is_void(commit_nos))
        parts = [leaf_part(*self._opener.open(row)) for row in await self._store.envelopes(void)]
        holders = await self._store.holders([slots_of(self._network, part) for part in parts])
        others = {
            holder.commit_no
            for part, found in zip(parts, holders, strict=True)
            for holder in found
            if holder.id != part.envelopes[0].id
        }
        rows = await self._store.envelopes(sorted(others)[:MAX_SHOWN])
        return [encode_frame([leaf_part(*self._opener.open(row))]) for row in rows]

    async def close(self) -> None:
        """End every session."""
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

    def _hello(self, ask: bool) -> Hello:
        return Hello(self._network.id, self._store.incarnation, self._clock(), self.floors(), ask)

    def _heard(self, node_id: bytes, hello: Hello) -> None:
        """What a hello tells of its peer, whoever asked."""
        sync = self.peers.get(node_id)
        if sync is not None:
            sync.clock_offset_ms = hello.now_ms - self._clock()
            sync.is_silent = False

    def _memory(self, node_id: bytes) -> PeerMemory:
        now_ms = self._clock()
        memory = self._memories.get(node_id)
        if memory is None or now_ms - memory.since_ms > MEMORY_MS:
            memory = self._memories[node_id] = PeerMemory(now_ms, None if memory is None else memory.hashed_ms)
            while len(self._memories) > MAX_MEMORIES:
                self._memories.popitem(last=False)
        return memory

    # Asking

    async def _ask_forever(self, node_id: bytes) -> None:
        """Sessions until the peer leaves; one that fails is tried again on a new stream, after a longer rest."""
        self.peers[node_id] = sync = PeerSync()
        rest_s = FIRST_REST_S
        try:
            while True:
                await self._feed.loaded()
                if (stream := self._open_stream(node_id, PROTOCOL)) is None:
                    return
                rounds = sync.rounds
                memory = self._memory(node_id)
                why = await _Session(self, stream, sync, memory).run()
                sync.reason = why
                sync.is_silent = sync.clock_offset_ms is None
                sync.state = State.POISONED if memory.is_poisoned else State.FAILED
                self._metrics.sync_ended(why)
                rest_s = FIRST_REST_S if sync.rounds > rounds else rest_s
                await asyncio.sleep(rest_s)
                rest_s = min(2 * rest_s, LONGEST_REST_S)
        finally:
            if self.peers.get(node_id) is sync:
                del self.peers[node_id]


class _Session:
    """Round after round on one stream."""

    def __init__(self, node: Sync, stream: GossipStream, sync: PeerSync, memory: PeerMemory) -> None:
        self._node = node
        self._stream = stream
        self._sync = sync
        self._memory = memory
        self._words = WordStream(stream)
        self._events: asyncio.Queue[Event | BaseException] = asyncio.Queue()
        self._room = asyncio.Semaphore(EVENTS_AHEAD)
        self._takes: asyncio.Queue[Take] = asyncio.Queue()
        self._asked_ms = 0
        network = node._network
        self._asking = Asking(
            network.id,
            network.shard_count,
            stream.node_id,
            node._feed.sets,
            node._claims,
            memory,
            node._own_topics.tags,
        )

    async def run(self) -> str:
        """Until it ends, and why."""
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._take_all())]
        try:
            self._sync.state = State.ASKING
            await self._handle(Due(self._node._hello(True)))
            while True:
                await self._next()
        except (StreamLost, TimeoutError, Refusal, StoreFailed) as error:
            why = reason_of(error)
            self._stream.reset(why)  # `malformed` and `oversize` blame the peer
            return why
        finally:
            self._asking.close()
            self._stream.reset("sync ended")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _next(self) -> None:
        async with asyncio.timeout(ANSWER_S if self._asking.waits and not self._asking.is_fed else None):
            event = await self._events.get()
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, Heard):
            self._room.release()
            if isinstance(event.word, Hello):
                self._greeted(event.word)
        await self._handle(event)

    def _greeted(self, hello: Hello) -> None:
        now_ms = self._node._clock()
        self._sync.clock_offset_ms = hello.now_ms - (self._asked_ms + now_ms) // 2
        self._sync.is_silent = False
        mine = self._node.floors()
        self._sync.has_floor_above = any(
            theirs > floor + FLOOR_SLACK_MS for theirs, floor in zip(hello.floors, mine, strict=False)
        )

    async def _handle(self, event: Event) -> None:
        pending: list[Event] = [event]
        while pending:
            for effect in await self._handled(pending.pop(0)):
                more = await self._do(effect)
                if more is not None:
                    pending.append(more)
        self._show()

    async def _handled(self, event: Event) -> Sequence[Effect]:
        now_ms = self._node._clock()
        if isinstance(event, Heard) and isinstance(event.word, Replies):  # which a peer can make cost much
            return await self._node._answering.paced(lambda: self._asking.handle(event, now_ms))
        return self._asking.handle(event, now_ms)

    async def _do(self, effect: Effect) -> Event | None:
        match effect:
            case Say(word):
                if isinstance(word, Hello):
                    self._asked_ms = self._node._clock()
                await self._words.write(word)
            case Probe(asked):
                return Probed(await self._node._store.numbers_of(asked))
            case Take():
                self._takes.put_nowait(effect)  # bounded by the pages that the asker lets be under way
            case Show(commit_nos):
                await self._show_rivals(commit_nos)
            case Digest(snapshots):
                return Digested(await asyncio.to_thread(_digests, snapshots))
            case Settle():
                asyncio.get_running_loop().call_later(SETTLE_S, self._events.put_nowait, Settled())
            case Finished(missing, elsewhere):
                self._finished(missing + elsewhere)
            case End(reason):
                raise Refusal(Reason(reason), "9.5", "the session ends")
            case _:
                assert_never(effect)
        return None

    def _finished(self, missing: int) -> None:
        self._sync.ended(missing, self._node._clock())
        self._again(BEHIND_S if missing else AGAIN_S, asyncio.get_running_loop().time() + GIVING_REST_S)

    def _again(self, rest_s: float, latest_s: float) -> None:
        """The next round, after a rest."""

        def due() -> None:
            if self._node._answering.gives_much(self._stream.node_id) and loop.time() < latest_s:
                self._again(BEHIND_S, latest_s)
            else:
                self._events.put_nowait(Due(self._node._hello(True)))

        loop = asyncio.get_running_loop()
        loop.call_later(rest_s * (0.5 + random.random()), due)

    def _show(self) -> None:
        sync, memory = self._sync, self._memory
        sync.accepted, sync.refused = memory.accepted, memory.refused
        if sync.state is State.ASKING or self._asking.missing:
            sync.found(self._asking.missing, self._node._clock())

    # Beside the asker

    async def _read(self) -> None:
        try:
            while True:
                await self._room.acquire()
                word = await self._words.read(None)
                if word is None:
                    raise StreamLost("the peer ended the stream")
                if not isinstance(word, Hello | Sorry | Answer):
                    raise Refusal(Reason.MALFORMED, "9.5", "a question in the place of an answer")
                self._events.put_nowait(Heard(word))
        except (StreamLost, Refusal) as error:
            self._events.put_nowait(error)

    async def _take_all(self) -> None:
        try:
            while True:
                take = await self._takes.get()
                outcomes = await self._node._intake.take(self._stream.node_id, take.frames)
                self._events.put_nowait(Taken(take.want_no, outcomes))
        except (TimeoutError, StoreFailed) as error:
            self._events.put_nowait(error)

    async def _show_rivals(self, commit_nos: Sequence[int]) -> None:
        """The other halves of slots that the peer holds one id of (SPEC 9.11)."""
        frames = await self._node.rivals(commit_nos)
        if frames:
            await self._words.write(Frames(0, False, frames))


def _digests(snapshots: Sequence[Snapshot]) -> list[bytes]:
    return [digest_of(each.ids) for each in snapshots]
