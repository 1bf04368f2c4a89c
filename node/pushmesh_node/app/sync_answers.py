"""Answers a peer that asks in sync: from the sets in memory, and from the store what it wants (SPEC section 9). Never
asks anything itself."""

import asyncio
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import encode_frame
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason

from ..engine.parts import leaf_parts
from ..engine.records import StoredItem
from ..storage.errors import StoreFailed
from ..storage.store import Store
from ..sync import answering
from ..sync.keys import ID_BYTES
from ..sync.node_sets import NodeSets
from ..sync.parts import common_floors
from ..sync.words import (
    AskHashes,
    AskHeads,
    AskIds,
    Compare,
    Frames,
    Head,
    Heads,
    Hello,
    Sorry,
    Steps,
    Want,
    WantedItem,
    Word,
)
from .gossip_streams import GossipStream, StreamLost
from .opened import Opener
from .serving_pace import WORK_US_PER_S, ServingPace
from .sync_intake import SyncIntake
from .sync_stream import ANSWER_S, WordStream, reason_of
from .topic_shards import tag_of

T = TypeVar("T")

SILENCE_S: Final = 180.0
"""A peer that asks nothing for so long is left."""

STREAMS_PER_PEER: Final = 2
"""The one that it asks on, and one that it has just given up."""

PAGE_BYTES: Final = 384 * 1024
READ_ITEMS: Final = 32
"""Read at a time: of the largest ones, 8 MiB."""

MAX_PAGE_FRAMES: Final = 1_024

MAX_SHOWN_FRAMES: Final = 64
SHOWN_EVERY_S: Final = 5.0
"""In each such time a peer may show so many frames unasked (SPEC 9.11)."""

MUCH_BYTES: Final = 64 * 1024
GIVING_S: Final = 5.0
"""A page of so many bytes in this time is much: who is given as much has more to come."""

EVERYTHING: Final = 1_000_000
MAX_HASHED: Final = 2 * EVERYTHING
HASHED_EVERY_S: Final = 6 * 3_600.0
"""In each such time a peer may have everything hashed twice; counted in millionths of what is held."""

MAX_HASHING: Final = 1_024
"""Peers of which that is remembered."""


class Allowed:
    """So many of something in each span of time."""

    def __init__(self, most: int, every_s: float) -> None:
        self._most = most
        self._every_s = every_s
        self._began_s = float("-inf")
        self._spent = 0

    def spend(self, amount: int, now_s: float) -> bool:
        """Whether there was enough left."""
        if now_s - self._began_s >= self._every_s:
            self._began_s, self._spent = now_s, 0
        self._spent += amount
        return self._spent <= self._most


class Answering:
    """One for the node."""

    def __init__(
        self,
        network: Network,
        store: Store,
        sets: NodeSets,
        intake: SyncIntake,
        opener: Opener,
        hello: Callable[[bool], Hello],
        heard: Callable[[bytes, Hello], None],
    ) -> None:
        self._network = network
        self._store = store
        self._sets = sets
        self._intake = intake
        self._opener = opener
        self._hello = hello
        self._heard = heard
        self._pace = ServingPace()
        self._work = ServingPace(WORK_US_PER_S, free=0)
        self._hashing = asyncio.Lock()  # one at a time: it takes the interpreter from everything else
        self._streams: Counter[bytes] = Counter()
        self._hashed: OrderedDict[bytes, Allowed] = OrderedDict()
        self._gave_s: dict[bytes, float] = {}  # when a peer was given much; of those that ask now

    def gives_much(self, node_id: bytes) -> bool:
        """Whether a peer is just being given much that it lacks."""
        gave_s = self._gave_s.get(node_id)
        return gave_s is not None and _now_s() - gave_s < GIVING_S

    def allowed_hashes(self, node_id: bytes) -> Allowed:
        """What a peer may have hashed still, whatever stream it asks on."""
        allowed = self._hashed.setdefault(node_id, Allowed(MAX_HASHED, HASHED_EVERY_S))
        self._hashed.move_to_end(node_id)
        if len(self._hashed) > MAX_HASHING:
            self._hashed.popitem(last=False)
        return allowed

    async def paced(self, make: Callable[[], T]) -> T:
        """What it makes, a little later where comparing sets took much of this node's time lately. Raises TimeoutError
        where it took far too much."""
        began_s = _now_s()
        made = make()
        now_s = _now_s()
        wait_s = self._work.wait_s(0, int((now_s - began_s) * 1e6), now_s)
        if wait_s:
            await asyncio.sleep(wait_s)
        return made

    async def serve(self, stream: GossipStream) -> None:
        """One peer's questions, until it ends the stream or does wrong."""
        node_id = stream.node_id
        if self._streams[node_id] >= STREAMS_PER_PEER:
            stream.reset("too many streams")
            return
        self._streams[node_id] += 1
        try:
            await _Asker(self, stream).serve()
            stream.close_write()
        except (StreamLost, TimeoutError, Refusal, StoreFailed) as error:
            stream.reset(reason_of(error))
        finally:
            self._gave_s.pop(node_id, None)
            self._streams[node_id] -= 1
            if not self._streams[node_id]:
                del self._streams[node_id]


class _Asker:
    """One stream of questions."""

    def __init__(self, node: Answering, stream: GossipStream) -> None:
        self._node = node
        self._node_id = stream.node_id
        self._words = WordStream(stream)
        self._floors: Sequence[int] = ()
        self._given_bytes = 0
        self._shown = Allowed(MAX_SHOWN_FRAMES, SHOWN_EVERY_S)

    async def serve(self) -> None:
        while (word := await self._words.read(SILENCE_S)) is not None:
            if isinstance(word, Hello):
                if not await self._greet(word):
                    return
            elif not self._floors:
                raise Refusal(Reason.MALFORMED, "9.6", "a question before the hello")
            else:
                await self._answer(word)

    async def _greet(self, hello: Hello) -> bool:
        node = self._node
        if hello.network_id != node._network.id:
            await self._words.write(Sorry(str(Reason.OTHER_NETWORK)))
            return False
        mine = node._hello(False)
        if not hello.ask or len(hello.floors) != len(mine.floors):
            raise Refusal(Reason.MALFORMED, "9.6", "a hello of another shape")
        self._floors = common_floors(mine.floors, hello.floors, mine.now_ms)
        node._heard(self._node_id, hello)
        await self._words.write(mine)
        return True

    async def _answer(self, word: Word) -> None:
        sets, floors = self._node._sets, self._floors
        match word:
            case Compare():
                await self._words.write(await self._node.paced(lambda: answering.differ(sets, floors, word)))
            case Steps():
                await self._words.write(await self._node.paced(lambda: answering.replies(sets, floors, word)))
            case AskHeads():
                await self._words.write(await self._heads(word))
            case Want():
                await self._give(word)
            case AskHashes():
                await self._hash(word)
            case AskIds():
                await self._words.write(await self._node.paced(lambda: answering.ids(sets, floors, word)))
            case Frames(want_no=0, frames=frames):
                if not self._shown.spend(max(1, len(frames)), _now_s()):
                    raise Refusal(Reason.TOO_OFTEN, "9.11", "more frames than may be shown unasked")
                await self._node._intake.take(self._node_id, frames)
            case _:
                raise Refusal(Reason.MALFORMED, "9.5", "no question")

    async def _hash(self, asked: AskHashes) -> None:
        node = self._node
        found = await node.paced(lambda: answering.snapshots(node._sets, self._floors, asked))
        records = sum([len(each.ids) for each in found]) // ID_BYTES
        share = -(-EVERYTHING * records // max(1, len(node._sets)))
        if not node.allowed_hashes(self._node_id).spend(share, _now_s()):
            raise Refusal(Reason.TOO_OFTEN, "9.15", "hashes are asked for too often")
        async with asyncio.timeout(ANSWER_S), node._hashing:
            hashes = await asyncio.to_thread(answering.hashes, found)
        await self._words.write(hashes)

    async def _heads(self, asked: AskHeads) -> Heads:
        found = await self._node.paced(lambda: answering.places(self._node._sets, asked))
        rows = await self._node._store.heads(sorted(set(found.values())))
        by_item: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for place, commit_no in found.items():
            row = rows.get(commit_no)
            if row is not None:
                by_item[row.first_commit].append((place, commit_no - row.first_commit))
        items = {row.first_commit: row for row in rows.values()}
        return Heads(
            [
                Head(
                    first,
                    items[first].issued_at,
                    tag_of(items[first].topic),
                    items[first].size_bytes,
                    items[first].count,
                    [place for place, _ in pairs],
                    [index for _, index in pairs],
                )
                for first, pairs in by_item.items()
            ]
        )

    # Frames

    async def _give(self, want: Want) -> None:
        page: list[bytes] = []
        size = 0
        for start in range(0, len(want.items), READ_ITEMS):
            items = want.items[start : start + READ_ITEMS]
            rows = await self._node._store.frames([item.item_no for item in items])
            for item in items:
                if item.item_no not in rows:
                    continue  # gone since the head was told
                for frame in self._frames(item, *rows[item.item_no]):
                    if page and (size + len(frame) > PAGE_BYTES or len(page) == MAX_PAGE_FRAMES):
                        await self._send(Frames(want.want_no, True, page), size)
                        page, size = [], 0
                    page.append(frame)
                    size += len(frame)
        await self._send(Frames(want.want_no, False, page), size)

    def _frames(self, item: WantedItem, count: int, data: bytes) -> Iterator[bytes]:
        if item.indexes is None:
            yield data
            return
        indexes = sorted(set(item.indexes))
        if indexes[-1] >= count:
            raise Refusal(Reason.MALFORMED, "9.10", "an envelope that the item has not")
        part = self._node._opener.part(StoredItem(item.item_no, count, 0, data))
        for leaf in leaf_parts(part, indexes):
            yield encode_frame([leaf])

    async def _send(self, frames: Frames, size_bytes: int) -> None:
        wait_s = self._node._pace.wait_s(self._given_bytes, size_bytes, _now_s())
        self._given_bytes += size_bytes
        if wait_s:
            await asyncio.sleep(wait_s)
        await self._words.write(frames)
        if size_bytes >= MUCH_BYTES:
            self._node._gave_s[self._node_id] = _now_s()


def _now_s() -> float:
    return time.monotonic()  # the loop's own stands still while something is made
