"""Packs accepted envelopes into this node's own frames: which ride together, and when a frame leaves (SPEC 8.8,
8.9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from pushmesh_protocol.auth.schemes import Erc1271, Erc6492
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame, gossip_topic_of
from pushmesh_protocol.limits import MAX_EPOCHS_OLD, PACK_TARGET_BYTES
from pushmesh_protocol.network import Network

SHORT_WAIT_MS = 20
LONG_WAIT_MS = 100
EDGE_MS = 60_000
AHEAD_MS = 30_000


class FrameClass(IntEnum):
    """What must not ride together, since peers may judge it differently (SPEC 8.9)."""

    ALLOWANCE = 0
    WORK = 1
    CONTRACT = 2
    EDGE = 3


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

    def add(self, parts: Iterable[Part], grants: Sequence[Envelope], now_ms: int) -> list[Packed]:
        """Take parts in; returns the frames that are full, and at once those of topics that were idle."""
        by_id: dict[bytes, Envelope] = {grant.id: grant for grant in grants}
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
        """The frames whose wait is over."""
        ready = []
        for (topic, _), box in self._bins.items():
            if box.due_ms is not None and box.due_ms <= now_ms:
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
        size = _estimate(part)
        count = len(part.envelopes)
        limit = self._network.limits.frame_items
        if box.parts and (box.bytes + size > PACK_TARGET_BYTES or box.envelopes + count + len(box.grants) + 1 > limit):
            ready.append(_flush(topic, box, now_ms))
        session = part.envelopes[0].session
        if session is not None and session.grant_id in grants and session.grant_id not in box.grants:
            box.grants[session.grant_id] = grants[session.grant_id]
            box.bytes += _estimate(Part((grants[session.grant_id],)))
        box.parts.append(part)
        box.bytes += size
        box.envelopes += count
        if box.bytes >= PACK_TARGET_BYTES:
            ready.append(_flush(topic, box, now_ms))

    def _class_of(self, part: Part, now_ms: int) -> FrameClass:
        envelope = part.envelopes[0]
        if isinstance(envelope.auth, Erc1271 | Erc6492):
            return FrameClass.CONTRACT
        network = self._network
        window_ends = (
            network.epoch_origin_ms
            + (network.epoch(envelope.body.issued_at) + 1 + MAX_EPOCHS_OLD) * network.epoch_length_ms
        )
        expires = min(e.body.expires_at for e in part.envelopes)
        latest = max(e.body.issued_at for e in part.envelopes)
        if min(expires, window_ends) - now_ms < EDGE_MS or latest - now_ms > AHEAD_MS:
            return FrameClass.EDGE
        return FrameClass.ALLOWANCE if envelope.auth.work is None else FrameClass.WORK


def _estimate(part: Part) -> int:
    """Encoded bytes of a part, from above."""
    bodies = sum(len(envelope.body_bytes) + 8 for envelope in part.envelopes)
    return bodies + (400 + 34 * len(part.path) if part.statement is not None else 220)


def _flush(topic: str, box: _Bin, now_ms: int) -> Packed:
    packed = Packed(topic, encode_frame(box.parts, list(box.grants.values())))
    box.parts, box.grants = [], {}
    box.bytes = box.envelopes = 0
    box.due_ms = None
    box.sent_ms = now_ms
    return packed
