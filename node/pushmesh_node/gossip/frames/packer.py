"""Packs accepted envelopes into this node's own frames: which ride together, and when a frame leaves (SPEC 8.8,
8.9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntFlag

from pushmesh_protocol.accounts import EVM_CONTRACT
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope, item_bytes
from pushmesh_protocol.frames import Part, encode_frame, gossip_topic_of
from pushmesh_protocol.limits import MAX_EPOCHS_OLD, PACK_TARGET_BYTES
from pushmesh_protocol.network import Network

SHORT_WAIT_MS = 20
LONG_WAIT_MS = 100
EDGE_MS = 60_000
AHEAD_MS = 30_000

FRAME_BYTES = 16
"""A frame's own bytes beside its members, from above: version and list headers."""

RUN_BYTES = 24
"""A run's own bytes beside bodies and path, from above: statement index, first, headers."""


class FrameClass(IntFlag):
    """What must not ride together, since peers may judge it differently (SPEC 8.9). Within allowance it is none."""

    ALLOWANCE = 0
    WORK = 1
    CONTRACT = 2
    EDGE = 4


@dataclass(frozen=True, slots=True)
class Packed:
    """A frame that is ready to leave."""

    topic: str
    data: bytes


@dataclass(slots=True)
class _Bin:
    """What waits for one gossip topic and class."""

    wait_ms: int
    parts: list[Part] = field(default_factory=list)
    grants: dict[bytes, Envelope] = field(default_factory=dict)
    ids: set[bytes] = field(default_factory=set)
    bytes: int = 0
    envelopes: int = 0
    due_ms: int | None = None
    sent_ms: int = -(10**9)


class Packer:
    """Pure: the caller adds, sends what comes back, and calls `due` when `next_due_ms` has come."""

    def __init__(
        self, network: Network, *, short_wait_ms: int = SHORT_WAIT_MS, long_wait_ms: int = LONG_WAIT_MS
    ) -> None:
        """A frame waits for more envelopes the short time, and under load up to the long one."""
        self._network = network
        self._short_wait_ms = short_wait_ms
        self._long_wait_ms = long_wait_ms
        self._bins: dict[tuple[str, FrameClass], _Bin] = {}

    def add(self, parts: Sequence[Part], grants: Sequence[Envelope], now_ms: int) -> list[Packed]:
        """Take parts in; returns the frames that are full, and at once those of topics that were idle. Each of the
        grants rides in the first frame that has something which rests on it."""
        by_id: dict[bytes, Envelope] = {grant.id: grant for grant in grants}
        if by_id:
            parts = [*parts, *self._without_room(parts, by_id)]
        ready: list[Packed] = []
        touched: dict[tuple[str, FrameClass], bool] = {}
        for part in parts:
            key = (gossip_topic_of(self._network, part.envelopes[0]), self._class_of(part, now_ms))
            box = self._bins.setdefault(key, _Bin(wait_ms=self._short_wait_ms))
            touched.setdefault(key, not box.parts and now_ms - box.sent_ms >= box.wait_ms)
            self._put(key[0], box, part, by_id, now_ms, ready)
        for key, idle in touched.items():
            box = self._bins[key]
            if box.parts and idle:
                box.wait_ms = self._short_wait_ms
                ready.append(_flush(key[0], box, now_ms))
            elif box.parts and box.due_ms is None:
                box.due_ms = now_ms + box.wait_ms
        return ready

    def due(self, now_ms: int) -> list[Packed]:
        """The frames whose wait is over, and with them those whose is more than half over: what leaves together costs
        each peer along the way one read and one write instead of one for each topic."""
        ready: list[Packed] = []
        first_ms = self.next_due_ms()
        if first_ms is None or first_ms > now_ms:
            return ready
        for (topic, _), box in self._bins.items():
            if box.due_ms is not None and box.due_ms - box.wait_ms // 2 <= now_ms:
                # It was not idle: under load frames wait longer and fill better.
                box.wait_ms = min(self._long_wait_ms, max(1, box.wait_ms) * 2)
                ready.append(_flush(topic, box, now_ms))
        return ready

    def next_due_ms(self) -> int | None:
        """When `due` has something, None while nothing waits."""
        return min((box.due_ms for box in self._bins.values() if box.due_ms is not None), default=None)

    def _put(
        self, topic: str, box: _Bin, part: Part, grants: dict[bytes, Envelope], now_ms: int, ready: list[Packed]
    ) -> None:
        rider = self._rider(part, grants)
        size, ids = _size_of(part), [envelope.id for envelope in part.envelopes]
        if box.parts and (self._is_over(box, part, rider, size) or not box.ids.isdisjoint(ids)):
            ready.append(_flush(topic, box, now_ms))
        if rider is not None and grants.pop(rider.id).id not in box.grants:
            box.grants[rider.id] = rider
            box.bytes += len(item_bytes(rider))
        box.parts.append(part)
        box.ids.update(ids)
        box.bytes += size
        box.envelopes += len(ids)
        if box.bytes >= PACK_TARGET_BYTES:
            ready.append(_flush(topic, box, now_ms))

    def _without_room(self, parts: Iterable[Part], grants: dict[bytes, Envelope]) -> list[Part]:
        """The grants that find no room beside their part: they travel by themselves, on their own gossip topic."""
        sessions = [part.envelopes[0].session for part in parts if self._rider(part, grants) is None]
        lonely = dict.fromkeys([s.grant_id for s in sessions if s is not None and s.grant_id in grants])
        return [Part((grants[grant_id],)) for grant_id in lonely]

    def _rider(self, part: Part, grants: dict[bytes, Envelope]) -> Envelope | None:
        """The grant that rides with a part; None where it has none, or no frame has room for both."""
        session = part.envelopes[0].session
        grant = grants.get(session.grant_id) if session is not None else None
        if grant is None or len(part.envelopes) >= self._network.limits.frame_items:
            return None
        room = self._network.limits.frame_bytes - FRAME_BYTES
        return grant if _size_of(part) + len(item_bytes(grant)) <= room else None

    def _is_over(self, box: _Bin, part: Part, rider: Envelope | None, size: int) -> bool:
        more = 0 if rider is None or rider.id in box.grants else len(item_bytes(rider))
        count = box.envelopes + len(box.grants) + len(part.envelopes) + (more > 0)
        return box.bytes + size + more > PACK_TARGET_BYTES or count > self._network.limits.frame_items

    def _class_of(self, part: Part, now_ms: int) -> FrameClass:
        envelope = part.envelopes[0]
        found = FrameClass.ALLOWANCE if envelope.auth.work is None else FrameClass.WORK
        if envelope.author[0] == EVM_CONTRACT:  # its own signature is a contract's, and so is that of its grants
            found |= FrameClass.CONTRACT
        return found | FrameClass.EDGE if self._is_at_an_edge(part, now_ms) else found

    def _is_at_an_edge(self, part: Part, now_ms: int) -> bool:
        """Under 60 s from expiry or from the end of the window in which peers take it, or over 30 s ahead."""
        network = self._network
        first_epoch_too_old = network.epoch(part.envelopes[0].body.issued_at) + 1 + MAX_EPOCHS_OLD
        window_ends = network.epoch_start(first_epoch_too_old)
        expires = min([envelope.body.expires_at for envelope in part.envelopes])
        latest = max([envelope.body.issued_at for envelope in part.envelopes])
        return min(expires, window_ends) - now_ms < EDGE_MS or latest - now_ms > AHEAD_MS


def _size_of(part: Part) -> int:
    """Encoded bytes of a part and its statement, from above."""
    if part.statement is None:
        return len(item_bytes(part.envelopes[0]))
    bodies = sum([len(envelope.body_bytes) + 3 for envelope in part.envelopes])
    return bodies + RUN_BYTES + 34 * len(part.path) + len(pack(part.statement))


def _flush(topic: str, box: _Bin, now_ms: int) -> Packed:
    packed = Packed(topic, encode_frame(box.parts, list(box.grants.values())))
    box.parts, box.grants, box.ids = [], {}, set()
    box.bytes = box.envelopes = 0
    box.due_ms = None
    box.sent_ms = now_ms
    return packed
