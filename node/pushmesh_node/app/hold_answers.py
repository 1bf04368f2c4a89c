"""Tells peers what is on this node's disk: at once what is, later what comes, always after the commit (SPEC 12.8).

Nothing is remembered for a peer but the ids that it waits for, and of those so many."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.holds import MAX_HOLD_IDS, HoldWords, sign_hold
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.tree import root_of
from pushmesh_protocol.types import UnixMs

from ..engine.records import Record
from ..metrics import Metrics
from ..storage.errors import StoreFailed
from ..storage.store import Store
from .gossip_streams import GossipStream, StreamLost
from .hold_wire import MAX_MESSAGE_BYTES, SILENCE_S, WRITE_S, EndHolds, TellHold, questions
from .peer_messages import PeerMessages

MAX_WAITING: Final = 4_096
"""Ids that one stream may wait for; the oldest is forgotten."""

MAX_WAITING_IN_ALL: Final = 65_536
"""The same of all streams together; beyond it nothing more is waited for, and the asker hears of what is held only."""

STREAMS_PER_PEER: Final = 2

GATHER_S: Final = 0.01
"""What becomes durable meanwhile goes into one statement: a signature covers all of it."""

IDS_PER_S: Final = 20_000
"""A peer that asks faster waits."""


class HoldAnswers:
    """Serves every stream that peers open. `seed` is the node's own."""

    def __init__(
        self,
        network: Network,
        seed: bytes,
        node_id: bytes,
        store: Store,
        metrics: Metrics,
        clock: Callable[[], UnixMs],
    ) -> None:
        self._network = network
        self._seed = seed
        self._node_id = node_id
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._waiting: dict[bytes, set[_Asker]] = {}
        self._streams: dict[bytes, int] = {}

    def committed(self, records: Sequence[Record]) -> None:
        """These became durable."""
        if not self._waiting:
            return
        for record in records:
            for id_ in record.ids:
                for asker in tuple(self._waiting.get(id_, ())):
                    asker.found([id_])

    async def serve(self, stream: GossipStream) -> None:
        """One peer's questions, until it ends the stream or does wrong."""
        node_id = stream.node_id
        if self._streams.get(node_id, 0) >= STREAMS_PER_PEER:
            self._metrics.acknowledgement("hold-asked", Reason.TOO_MANY_CONNECTIONS)
            stream.reset("too many streams")
            return
        self._streams[node_id] = self._streams.get(node_id, 0) + 1
        asker = _Asker(self._waiting)
        messages = PeerMessages(stream, MAX_MESSAGE_BYTES, WRITE_S)
        try:
            async with asyncio.TaskGroup() as group:
                telling = group.create_task(self._tell(messages, asker))
                await self._listen(messages, asker)
                telling.cancel()
            stream.close_write()
        except* (StreamLost, TimeoutError, Refusal, StoreFailed) as errors:
            stream.reset(_word_of(errors))
        finally:
            asker.forget()
            self._streams[node_id] -= 1
            if not self._streams[node_id]:
                del self._streams[node_id]

    async def _listen(self, messages: PeerMessages, asker: "_Asker") -> None:
        while (data := await messages.read(SILENCE_S)) is not None:
            try:
                asked = questions.decode(data)
            except Refusal as refusal:
                self._metrics.acknowledgement("hold-asked", refusal.reason)
                raise
            if asked.network_id != self._network.id:
                await messages.write(EndHolds("other-network"))
                return
            refused = asker.wait_for(id_ for id_, _ in asked.wanted)  # first, so that no commit falls between
            if refused:
                self._metrics.acknowledgement("hold-asked", Reason.QUEUE_FULL, refused)
            held = await self._store.held(asked.wanted)
            asker.tell([id_ for (id_, _), is_held in zip(asked.wanted, held, strict=True) if is_held])
            await asyncio.sleep(len(asked.wanted) / IDS_PER_S)

    async def _tell(self, messages: PeerMessages, asker: "_Asker") -> None:
        while True:
            await asker.has_news.wait()
            await asyncio.sleep(GATHER_S)
            while ids := asker.take(MAX_HOLD_IDS):
                words = HoldWords(self._node_id, self._clock(), len(ids), root_of(ids))
                await messages.write(TellHold(sign_hold(self._seed, self._network, words), ids))
                self._metrics.acknowledgement("hold-told", Reason.OK, len(ids))


def _word_of(errors: "BaseExceptionGroup[BaseException]") -> str:
    error = errors.exceptions[0]
    return str(error.reason) if isinstance(error, Refusal) else type(error).__name__


class _Asker:
    """What one stream waits for, and what it is to be told."""

    def __init__(self, waiting: "dict[bytes, set[_Asker]]") -> None:
        self.has_news = asyncio.Event()
        self._all = waiting
        self._mine: OrderedDict[bytes, None] = OrderedDict()
        self._found: dict[bytes, None] = {}

    def wait_for(self, ids: Iterable[bytes]) -> int:
        """Beyond its bound the oldest is forgotten: its publisher's time is most likely up. How many found no room
        beside those of all others."""
        refused = 0
        for id_ in ids:
            if id_ not in self._all and len(self._all) >= MAX_WAITING_IN_ALL:
                refused += 1
                continue
            self._mine[id_] = None
            self._all.setdefault(id_, set()).add(self)
            if len(self._mine) > MAX_WAITING:
                oldest, _ = self._mine.popitem(last=False)
                self._drop(oldest)
        return refused

    def found(self, ids: Iterable[bytes]) -> None:
        """These became durable; each that is waited for is told once."""
        self.tell([id_ for id_ in ids if id_ in self._mine])

    def tell(self, ids: Iterable[bytes]) -> None:
        """These were asked for and are durable."""
        for id_ in ids:
            if id_ in self._mine:
                del self._mine[id_]
                self._drop(id_)
            self._found[id_] = None
        if self._found:
            self.has_news.set()

    def take(self, most: int) -> list[bytes]:
        """What is to be told now."""
        ids = list(self._found)[:most]
        for id_ in ids:
            del self._found[id_]
        if not self._found:
            self.has_news.clear()
        return ids

    def forget(self) -> None:
        """The stream is over."""
        for id_ in self._mine:
            self._drop(id_)
        self._mine.clear()

    def _drop(self, id_: bytes) -> None:
        with suppress(KeyError):
            askers = self._all[id_]
            askers.discard(self)
            if not askers:
                del self._all[id_]
