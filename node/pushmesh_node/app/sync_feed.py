"""Keeps the sets of sync in step with the store: loaded at start, then fed with what became durable (SPEC 9.3). The one
place that changes them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Grant, Kind, Revocation
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import UnixMs

from ..engine.membership import REPLACED_KINDS, Member, belongs, member_of, siblings
from ..engine.records import Record, StoredEnvelope, StoredItem, VoidMark, Write
from ..engine.state import State
from ..storage.errors import StoreFailed
from ..storage.sets import CONTROL_SET
from ..storage.store import Store
from ..storage.sync_rows import START, RecordRow
from ..sync.node_sets import NodeSets
from .opened import Opener
from .topic_shards import TopicShards

LOAD_RECORDS: Final = 512
"""Of one step of the load, between two of which the node goes on."""

REPAIR_ENVELOPES: Final = 256

AGAIN_S: Final = 1.0
"""A disk that fails is asked again after so long."""

END: Final = 2**62

SIMPLE_KINDS: Final = frozenset({Kind.NOTIFICATION, Kind.RETRACTION})
"""New ones belong, unless a mark says otherwise; what the rest is, the engine must be asked."""

log = structlog.get_logger()


class SyncFeed:
    """`stored` at each commit; `run` is the task that loads, and looks again at what may have changed."""

    def __init__(
        self, network: Network, store: Store, sets: NodeSets, state: Callable[[], State], opener: Opener
    ) -> None:
        self.sets = sets
        self._network = network
        self._store = store
        self._state = state
        self._opener = opener
        self._shards = TopicShards(network)
        self._doubtful: dict[int, None] = {}  # commit numbers, in the order in which they came
        self._authors: dict[bytes, int] = {}  # with the time from which on their envelopes are in doubt
        self._came = asyncio.Event()
        self._loaded = asyncio.Event()
        self._is_busy = False

    async def loaded(self) -> None:
        """Returns when what was stored before the start stands in the sets."""
        await self._loaded.wait()

    @property
    def is_settled(self) -> bool:
        """Whether the sets are what the store and the engine say."""
        return self._loaded.is_set() and not self._doubtful and not self._authors and not self._is_busy

    def stored(self, writes: Sequence[Write]) -> None:
        """These are durable. Never waits."""
        for write in writes:
            if isinstance(write, Record):
                self._stored(write)
            elif isinstance(write, VoidMark):
                self._doubtful[write.commit_no] = None
        if self._doubtful or self._authors:
            self._came.set()

    def _stored(self, record: Record) -> None:
        if record.kind not in SIMPLE_KINDS:
            self._doubtful.update(dict.fromkeys(range(record.first_commit, record.first_commit + record.count)))
            return
        part = self._shards.part(record.kind, record.topic)
        ends = record.ends or (record.expires_at,) * record.count
        insert = self.sets.insert
        for place, (end, id_) in enumerate(zip(ends, record.ids, strict=True), record.first_commit):
            insert(part, end, id_, place)

    def let_go(self, timestamp: int) -> None:
        """The store has dropped, or is about to drop, what ends sooner."""
        self.sets.drop_below(timestamp)

    def raise_floors(self, floors: Mapping[int, int]) -> None:
        """The store let go of what ends sooner, by the numbers of its sets."""
        shards = self._network.shard_count
        for number, floor in floors.items():
            self.sets.drop_below(floor, shards if number == CONTROL_SET else number)

    def lost(self, ids: Iterable[bytes]) -> None:
        """These are not stored any more, by no fault of theirs: peers are asked for them again."""
        gone = frozenset(ids)
        for member in [each for each in self.sets.members() if each[2] in gone]:
            self.sets.remove(*member)

    async def run(self) -> None:
        """Load, then settle doubts as they come, until cancelled."""
        await self._patiently(self._load)
        self._loaded.set()
        while True:
            await self._came.wait()
            self._came.clear()
            await self._patiently(self._settle)

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            self._is_busy = True
            try:
                await work()
                return
            except StoreFailed as failure:
                log.warning("the sets of sync wait for the store", error=str(failure))
                await asyncio.sleep(AGAIN_S)
            finally:
                self._is_busy = False

    # The load

    async def _load(self) -> None:
        voids = await self._store.voids(-1, END)
        after = START
        while True:
            rows, position = await self._store.records(after, LOAD_RECORDS)
            for row in rows:
                self._load_row(row, voids)
            if position is None:
                break
            after = position
        self._authors.update(self._state().authority.disputes())
        self._came.set()

    def _load_row(self, row: RecordRow, voids: set[int]) -> None:
        numbers = range(row.first_commit, row.first_commit + len(row.ids))
        if row.kind not in SIMPLE_KINDS or row.ends is None:
            self._doubtful.update(dict.fromkeys(numbers))
            return
        part = self._shards.part(row.kind, row.topic)
        for commit_no, id_, end in zip(numbers, row.ids, row.ends, strict=True):
            if commit_no not in voids and commit_no not in self._doubtful:
                self.sets.insert(part, end, id_, commit_no)

    # Doubts

    async def _settle(self) -> None:
        while self._doubtful or self._authors:
            if self._doubtful:
                numbers = list(self._doubtful)[:REPAIR_ENVELOPES]
                await self._look(numbers)
                for number in numbers:
                    self._doubtful.pop(number, None)
            else:
                author, from_ms = next(iter(self._authors.items()))
                await self._look_at_author(author, from_ms)
                if self._authors.get(author) == from_ms:
                    del self._authors[author]

    async def _look(self, numbers: Sequence[int]) -> None:
        rows = await self._store.envelopes(numbers)
        voids = await self._store.is_void(numbers)
        looked: list[Envelope] = []
        for row in rows:
            envelope = self._open(row)
            if envelope is not None:
                self._place(envelope, row.commit_no, row.commit_no in voids)
                self._follow(envelope)
                if envelope.kind in REPLACED_KINDS:
                    looked.append(envelope)
        await self._look_at_siblings(looked)

    def _follow(self, envelope: Envelope) -> None:
        """A grant or a revocation casts doubt on what its author signed."""
        body, authority = envelope.body, self._state().authority
        from_ms: int | None = None
        if isinstance(body, Revocation):
            from_ms = body.cut_time
        elif isinstance(body, Grant):
            grant = authority.grant(envelope.id)
            if grant is not None and (authority.overlaps(grant) or authority.cut_of(grant) is not None):
                from_ms = body.not_before
        if from_ms is not None:
            self._authors[envelope.author] = min(from_ms, self._authors.get(envelope.author, from_ms))

    async def _look_at_siblings(self, envelopes: Iterable[Envelope]) -> None:
        state = self._state()
        others = {bytes(other.id): other for envelope in envelopes for other in siblings(state, envelope)}
        back = []
        for other in others.values():
            member = member_of(self._network, other)
            if not belongs(state, other, False):
                self.sets.remove(*member)
            elif not self.sets.has(*member):
                back.append((other.body.issued_at, bytes(other.id)))
        for id_, commit_no in (await self._store.numbers_of(back)).items():
            self._place(others[id_], commit_no, False)

    async def _look_at_author(self, author: bytes, from_ms: int) -> None:
        first_epoch = self._network.epoch(from_ms)
        after = 0
        while firsts := await self._store.of_author(author, first_epoch, after, REPAIR_ENVELOPES):
            frames = await self._store.frames(firsts)
            voids = await self._store.voids(firsts[0] - 1, firsts[-1] + 1_024)
            for first, (count, data) in frames.items():
                self._look_at_frame(StoredItem(first, count, 0, data), voids)
            after = firsts[-1]

    def _look_at_frame(self, item: StoredItem, voids: set[int]) -> None:
        try:
            part = self._opener.part(item)
        except Refusal:
            return
        if part.envelopes[0].session is None:
            return
        for commit_no, envelope in enumerate(part.envelopes, item.first_commit):
            self._place(envelope, commit_no, commit_no in voids)

    def _place(self, envelope: Envelope, commit_no: int, void: bool) -> None:
        member = member_of(self._network, envelope)
        if belongs(self._state(), envelope, void):
            self.sets.insert(*member, commit_no)
        else:
            self.sets.remove(*member)

    def _open(self, row: StoredEnvelope) -> Envelope | None:
        try:
            part, index = self._opener.open(row)
        except Refusal:
            return None  # a damaged record; the store says so where it reads it
        return part.envelopes[index]

    # The check

    async def verify(self, now_ms: UnixMs) -> list[tuple[str, Member]]:
        """Compare the sets with what the store and the engine say, record by record: what is `missing` there, what is
        `extra`. Reads everything; for tests and for an operator who asks."""
        state, wanted = self._state(), dict[Member, int]()
        voids = await self._store.voids(-1, END)
        after = 0
        while items := await self._store.log(after, 1 << 20):
            for item in items:
                for commit_no, envelope in enumerate(self._opener.part(item).envelopes, item.first_commit):
                    member = member_of(self._network, envelope)
                    if belongs(state, envelope, commit_no in voids) and member.timestamp >= now_ms:
                        wanted[member] = commit_no
            after = items[-1].first_commit + items[-1].count - 1
        found = {Member(*each) for each in self.sets.members() if each[1] >= now_ms}
        missing = [("missing", member) for member in wanted if member not in found]
        return missing + [("extra", member) for member in found if member not in wanted]
