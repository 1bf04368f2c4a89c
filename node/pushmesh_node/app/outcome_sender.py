"""Tells origins what became of their notifications at this node's wallets: kept on the disk, told in batches, tried
again until it was taken or the notification is over (SPEC 12.9)."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Notification
from pushmesh_protocol.levels import ACKNOWLEDGED, DELIVERED
from pushmesh_protocol.network import Network
from pushmesh_protocol.outcomes import (
    MAX_RECIPIENTS,
    OutcomeRow,
    OutcomeStatement,
    OutcomeWords,
    Recipient,
    decode_acknowledgement,
    sign_outcome,
)
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, UnixMs

from ..delivery.contract import Message
from ..engine.records import HandedRecord, Owed, ToldMark
from ..metrics import Metrics
from ..storage.errors import StoreBusy, StoreFailed
from ..storage.store import Store
from .gossip_streams import GossipStream, StreamLost
from .outcome_desk import OutcomeDesk
from .outcome_wire import (
    ANSWER_S,
    MAX_MESSAGE_BYTES,
    PROTOCOL,
    STATEMENT_BYTES,
    WRITE_S,
    EndOutcomes,
    Taken,
    Tell,
    answers,
    questions,
)
from .peer_messages import PeerMessages

MAX_QUEUED: Final = 16_384
"""Outcomes that wait for the disk; beyond it they are dropped and counted: a lower level is shown, never a
wrong one."""

FLUSH_S: Final = 0.25

ORIGINS_AT_ONCE: Final = 32
"""Origins that are told side by side: one that takes nothing for a minute holds up no other."""

FIRST_REST_S, LONGEST_REST_S = 1.0, 300.0
"""After a round that failed an origin is left alone, twice as long each time in a row."""

COUNT_AGAIN_S: Final = 600.0
ROWS_PER_S: Final = 2_000
"""A peer that tells faster waits."""


class OutcomeSender:
    """One for the node; `seed` is its own. `reach` tries to get a connection to a node that is none of the peers."""

    def __init__(
        self,
        network: Network,
        seed: bytes,
        node_id: bytes,
        store: Store,
        desk: OutcomeDesk,
        open_stream: Callable[[bytes, str], GossipStream | None],
        is_peer: Callable[[bytes], bool],
        reach: Callable[[bytes], None],
        metrics: Metrics,
        clock: Callable[[], UnixMs],
        *,
        max_rows: int,
    ) -> None:
        self._network = network
        self._seed = seed
        self._node_id = node_id
        self._store = store
        self._desk = desk
        self._open_stream = open_stream
        self._is_peer = is_peer
        self._reach = reach
        self._metrics = metrics
        self._clock = clock
        self._max_rows = max_rows
        self._rows = 0
        self._queue: deque[HandedRecord] = deque()
        self._owed: set[bytes] = set()
        self._rests: dict[bytes, tuple[float, float]] = {}
        self._telling: set[bytes] = set()
        self._serving: set[bytes] = set()

    # What happens at this node's wallets

    def delivered(self, account: Account, messages: Sequence[Message]) -> None:
        """These were handed to the wallet's transport."""
        for message in messages:
            envelope = message.envelope
            body = envelope.body
            if isinstance(body, Notification) and body.origin is not None and self._desk.counts(envelope, account):
                self._put(self._record(envelope, account, DELIVERED, None))

    async def acknowledged(self, envelope: Envelope, account: Account, evidence: bytes) -> None:
        """The wallet's own word, checked already; durable on return. Raises StoreBusy or StoreFailed."""
        record = self._record(envelope, account, ACKNOWLEDGED, evidence)
        await self._store.commit([record])
        self._rows += 1
        self._owed.add(record.origin)

    def _record(self, envelope: Envelope, account: Account, level: int, evidence: bytes | None) -> HandedRecord:
        body = envelope.body
        assert isinstance(body, Notification) and body.origin is not None
        named = self._desk.may_be_named(envelope, account)
        issued_at, ends_at = UnixMs(body.issued_at), UnixMs(body.expires_at)
        return HandedRecord(
            envelope.id, account, issued_at, body.origin, level, named, self._clock(), ends_at, evidence
        )

    def _put(self, record: HandedRecord) -> None:
        if len(self._queue) >= MAX_QUEUED or self._rows >= self._max_rows:
            self._metrics.dropped("outcomes", Reason.QUEUE_FULL)
            return
        self._queue.append(record)

    # Telling

    async def run(self) -> None:
        """Keep and tell, until cancelled."""
        counted_s: float | None = None
        async with asyncio.TaskGroup() as group:
            while True:
                now_s = asyncio.get_running_loop().time()
                if counted_s is None or now_s - counted_s >= COUNT_AGAIN_S:
                    counted_s = now_s if await self._look() else counted_s
                await self._flush()
                for origin in self._due(now_s):
                    self._telling.add(origin)
                    group.create_task(self._tell(origin), name="outcomes-tell")
                await asyncio.sleep(FLUSH_S)

    def _due(self, now_s: float) -> list[bytes]:
        """Whom to tell now: this node itself whatever the others do, and of these first who has failed least."""
        rests = {origin: self._rests.get(origin, (0.0, 0.0)) for origin in self._owed - self._telling}
        due = [origin for origin, (again_s, _) in rests.items() if again_s <= now_s]
        due.sort(key=lambda origin: rests[origin][1])
        others = [origin for origin in due if origin != self._node_id]
        room = ORIGINS_AT_ONCE - len(self._telling - {self._node_id})
        return [origin for origin in due if origin == self._node_id] + others[: max(0, room)]

    async def _look(self) -> bool:
        """What the store keeps and who is owed something; False where it cannot be read now."""
        try:
            self._owed.update(await self._store.origins_owed())
            self._rows, self._desk.rows = await self._store.outcome_rows()
        except StoreFailed:
            return False
        return True

    async def _flush(self) -> None:
        """What cannot be stored now stays in the queue."""
        if not self._queue:
            return
        batch = list(self._queue)
        try:
            await self._store.commit(batch)
        except (StoreBusy, StoreFailed):
            return
        for record in batch:
            self._queue.popleft()
            self._owed.add(record.origin)
        self._rows += len(batch)

    async def _tell(self, origin: bytes) -> None:
        self._owed.discard(origin)  # what comes meanwhile may be too late for this turn
        try:
            done = await self._tell_all(origin)
        except (StreamLost, TimeoutError, Refusal, StoreBusy, StoreFailed):
            self._metrics.acknowledgement("outcome-told", Reason.TIMEOUT)
            done = False
        finally:
            self._telling.discard(origin)
        if done:
            self._rests.pop(origin, None)
            return
        self._owed.add(origin)
        _, rest_s = self._rests.get(origin, (0.0, FIRST_REST_S))
        again_s = asyncio.get_running_loop().time() + rest_s * random.uniform(0.5, 1.0)
        self._rests[origin] = again_s, min(2 * rest_s, LONGEST_REST_S)

    async def _tell_all(self, origin: bytes) -> bool:
        """Whether nothing is owed any more."""
        if origin == self._node_id:
            while statement := await self._next(origin):
                await self._desk.take(statement[0], self._node_id)
                await self._store.commit(statement[1])
            return True
        if not await self._store.owed(origin, 1):
            return True  # it is over: who is away need not be looked for any more
        stream = None
        if self._is_peer(origin):
            stream = self._open_stream(origin, PROTOCOL)
        if stream is None:
            self._reach(origin)
            return False
        messages = PeerMessages(stream, MAX_MESSAGE_BYTES, WRITE_S)
        try:
            while statement := await self._next(origin):
                await messages.write(Tell(self._network.id, statement[0]))
                await _answer(messages)
                await self._store.commit(statement[1])
                self._metrics.acknowledgement("outcome-told", Reason.OK, len(statement[0].rows))
            return True
        finally:
            stream.reset("outcomes ended")

    async def _next(self, origin: bytes) -> tuple[OutcomeStatement, list[ToldMark]] | None:
        """The next statement for an origin, and what is told by it; None where nothing is owed."""
        owed = _fitting(await self._store.owed(origin, MAX_RECIPIENTS))
        if not owed:
            return None
        now_ms = self._clock()
        words = OutcomeWords(self._node_id, origin, now_ms, _rows_of(owed))
        marks = [ToldMark(each.handed.id, each.handed.account, each.handed.level) for each in owed]
        return await asyncio.to_thread(sign_outcome, self._seed, self._network, words), marks

    # Being told, as an origin

    async def serve(self, stream: GossipStream) -> None:
        """One peer's statements, until it ends the stream or does wrong. One stream a peer."""
        if stream.node_id in self._serving:
            self._metrics.acknowledgement("outcome-heard", Reason.TOO_MANY_CONNECTIONS)
            stream.reset("one stream at a time")
            return
        self._serving.add(stream.node_id)
        messages = PeerMessages(stream, MAX_MESSAGE_BYTES, WRITE_S)
        try:
            while (data := await messages.read(ANSWER_S)) is not None:
                told = questions.decode(data)
                if told.network_id != self._network.id:
                    await messages.write(EndOutcomes("other-network"))
                    break
                refused = await self._desk.take(told.statement, stream.node_id)
                await messages.write(Taken(refused))
                await asyncio.sleep(len(told.statement.rows) / ROWS_PER_S)
            stream.close_write()
        except Refusal as refusal:
            self._metrics.acknowledgement("outcome-heard", refusal.reason)
            stream.reset(str(refusal.reason))
        except (StreamLost, TimeoutError, StoreBusy, StoreFailed) as error:
            stream.reset(type(error).__name__)
        finally:
            self._serving.discard(stream.node_id)


async def _answer(messages: PeerMessages) -> None:
    data = await messages.read(ANSWER_S)
    if data is None:
        raise StreamLost("the origin ended the stream")
    answer = answers.decode(data)
    if isinstance(answer, EndOutcomes):
        raise StreamLost(answer.reason)


def _fitting(owed: Sequence[Owed]) -> list[Owed]:
    """As many as a statement has room for, but at least one."""
    size = 0
    fitting: list[Owed] = []
    for each in owed:
        size += 160 + len(each.handed.evidence or b"")
        if fitting and size > STATEMENT_BYTES:
            break
        fitting.append(each)
    return fitting


def _rows_of(owed: Sequence[Owed]) -> list[OutcomeRow]:
    rows = []
    by_id = sorted(owed, key=lambda each: (each.handed.id, each.handed.level, each.handed.account))
    for (id_, level), group in groupby(by_id, key=lambda each: (each.handed.id, each.handed.level)):
        same = list(group)
        first = same[0]
        if level == ACKNOWLEDGED:  # whoever acknowledged got it too
            rows.append(OutcomeRow(id_, first.handed.issued_at, DELIVERED, first.delivered, []))
        named = [_recipient(each) for each in same if each.handed.named]
        count = first.acknowledged if level == ACKNOWLEDGED else first.delivered
        rows.append(OutcomeRow(id_, first.handed.issued_at, level, count, named))
    return _merged(rows)


def _merged(rows: Sequence[OutcomeRow]) -> list[OutcomeRow]:
    """One row an id and level, ascending."""
    found: dict[tuple[bytes, int], OutcomeRow] = {}
    for row in rows:
        known = found.get((row.id, row.level))
        if known is None or len(row.recipients) > len(known.recipients):
            found[row.id, row.level] = row
    return [found[key] for key in sorted(found)]


def _recipient(owed: Owed) -> Recipient:
    handed = owed.handed
    evidence = None if handed.evidence is None else decode_acknowledgement(handed.evidence)
    return Recipient(handed.account, handed.at, evidence)
