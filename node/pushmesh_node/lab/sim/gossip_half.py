"""The gossip process of a simulated node: router, inspector and queues to peers. The synchronous twin of `peer.mesh`
and `peer.inspecting`."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pushmesh_protocol.reasons import Reason, Verdict

from ...gossip.effects import Count, Dial, Disconnect, Effect, Inspect, SendRpc, Unsend
from ...gossip.events import Event, Heartbeat, Judged, PeerConnected, PeerDisconnected, Published, RpcReceived
from ...gossip.frames.inspect import FrameInspector
from ...gossip.frames.inspection import Inspection
from ...gossip.frames.inspection_queue import InspectionQueue, Job, Merit
from ...gossip.router import Router
from ...gossip.windows import window_bytes
from ...gossip.wire.protobuf import encode_varint
from ...gossip.wire.rpc import MAX_RPC_BYTES, Rpc
from ...gossip.wire.rpc_wire import encode
from ...ipc import ItemVerdict, Settings
from .clock import Clock
from .conditions import Costs
from .sense import NodeSense
from .wire import Way

COPIES_KEPT = 4_096
"""Frames of which it is remembered who sent them, to find out whom a REJECT blames."""


class FrameUp(NamedTuple):
    """A frame that main is to judge."""

    frame_no: int
    job: Job
    items: Sequence[ItemVerdict]


class GossipHalf:
    """`to_main(frame)` hands a frame up; `disconnect`, `recommended` carry out what the router orders of connections;
    `judged(peer)` is told when less of a peer waits, `blamed(peer)` each time one is found to have sent what must be
    REJECTed."""

    def __init__(
        self,
        router: Router,
        inspector: FrameInspector,
        sense: NodeSense,
        clock: Clock,
        costs: Costs,
        settings: Settings,
        to_main: Callable[[FrameUp], None],
        disconnect: Callable[[bytes, str], None],
        recommended: Callable[[bytes, bytes], None],
        judged: Callable[[bytes], None],
        blamed: Callable[[bytes, str], None],
        first_frame_no: int = 1,
    ) -> None:
        self.router = router
        self.inspector = inspector
        self.counters: Counter[tuple[str, str]] = Counter()
        self.ways: dict[bytes, Way] = {}
        self.speaker = b""
        """Whose RPC was handled last."""

        self._sense = sense
        self._clock = clock
        self._costs = costs
        self._to_main = to_main
        self._disconnect = disconnect
        self._recommended = recommended
        self._told_judged = judged
        self._blamed = blamed
        self._waiting = InspectionQueue(router.merit_of)
        self._inspecting = False
        self._loop_free_us = 0
        self._judging: dict[int, Job] = {}
        self._next_frame_no = first_frame_no
        self._frames_left = settings.frame_window_frames
        self._bytes_left = settings.frame_window_bytes
        self._strangers = 0
        self._last_encoded: tuple[Rpc, int] | None = None
        self._copies: OrderedDict[bytes, list[bytes]] = OrderedDict()
        self._rejected: dict[bytes, str] = {}

    # Peers

    def connected(self, peer: bytes, way: Way, event: PeerConnected) -> None:
        """From here on RPCs are queued."""
        self.ways[peer] = way
        self.handle(event)

    def disconnected(self, peer: bytes) -> None:
        """What was queued is lost."""
        del self.ways[peer]
        self.handle(PeerDisconnected(peer))

    def paused(self, peer: bytes) -> bool:
        """Whether so much of a peer waits that its connection is not read."""
        return self.router.is_full_of(peer)

    def window_bytes(self, peer: bytes) -> int:
        """How much of a peer may be on its way, as its connection's socket is told after each heartbeat."""
        return window_bytes(self.router.merit_of(peer), self._strangers)

    def receive(self, peer: bytes, rpc: Rpc, size_bytes: int) -> None:
        """An RPC is in; it has its turn on the core."""
        costs, now_us = self._costs, self._clock.now_us
        began_us = self._loop_free_us
        ids = len(rpc.iwant) + len(rpc.idontwant) + sum([len(each.message_ids) for each in rpc.ihave])
        cost_us = costs.rpc_read_us + size_bytes * costs.byte_ns // 1_000 + ids * costs.id_us
        if began_us <= now_us:
            self._loop_free_us = now_us + cost_us
            self._take(peer, rpc)
        else:
            self._loop_free_us = began_us + cost_us
            self._clock.at(began_us, self._take, peer, rpc)

    def spend_write(self, size_bytes: int) -> None:
        """A write costs the core too."""
        now_us = self._clock.now_us
        cost_us = self._costs.rpc_write_us + size_bytes * self._costs.byte_ns // 1_000
        self._loop_free_us = max(now_us, self._loop_free_us) + cost_us

    def _take(self, peer: bytes, rpc: Rpc) -> None:
        if peer not in self.ways:
            return
        for message in rpc.messages:
            self._note_copy(message.data, peer)
        self.speaker = peer
        self.handle(RpcReceived(peer, rpc))

    def has_copy(self, data: bytes) -> bool:
        """Whether this frame came, or was published, lately."""
        return data in self._copies

    def _note_copy(self, data: bytes, peer: bytes) -> None:
        reason = self._rejected.get(data)
        if reason is not None:
            self._blamed(peer, reason)
        self._copies.setdefault(data, []).append(peer)
        if len(self._copies) > COPIES_KEPT:
            old, _ = self._copies.popitem(last=False)
            self._rejected.pop(old, None)

    # Main

    def publish(self, topic: str, data: bytes) -> None:
        """An own frame."""
        self._copies[data] = []
        self.handle(Published(topic, data))

    def judge(self, frame_no: int, verdict: Verdict, reason: str, new_bytes: int) -> None:
        """Main's verdict; one on a frame of an earlier life is counted and dropped."""
        job = self._judging.pop(frame_no, None)
        if job is None:
            self.counters["judgements_dropped", "unknown-frame"] += 1
        else:
            self._judged(job, verdict, reason, new_bytes)

    def release(self, size_bytes: int, known: Sequence[bytes]) -> None:
        """Main let go of a frame; these items need no second check."""
        self._frames_left += 1
        self._bytes_left += size_bytes
        self.inspector.remember(known)

    # The router

    @property
    def next_frame_no(self) -> int:
        """Numbers from here on were never given."""
        return self._next_frame_no

    def heartbeat(self) -> None:
        """Every `heartbeat_ms`."""
        self.handle(Heartbeat())
        self._strangers = sum([self.router.merit_of(peer) is not Merit.EARNED for peer in self.ways])

    def handle(self, event: Event) -> None:
        """One step of the router, with all that follows from it."""
        for effect in self.router.handle(event, self._clock.now_ms):
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case SendRpc():
                self._queue(effect)
            case Inspect(peer, message_id, topic, data):
                self._waiting.add(Job(peer, message_id, topic, data))
                if not self._inspecting:
                    self._inspecting = True
                    self._clock.at(self._clock.now_us, self._inspect)
            case Count(name, label, n):
                self.counters[name, label] += n
            case Unsend(peer, message_id):
                way = self.ways.get(peer)
                if way is not None and way.queue.cancel(message_id):
                    self.counters["unsent", ""] += 1
            case Disconnect(peer, reason):
                self._disconnect(peer, reason)
            case Dial(peer, record):
                self._recommended(peer, record)

    def _queue(self, effect: SendRpc) -> None:
        way = self.ways.get(effect.peer)
        if way is None:
            return
        if self._last_encoded is None or self._last_encoded[0] is not effect.rpc:
            body = len(encode(effect.rpc))
            self._last_encoded = (effect.rpc, body + len(encode_varint(body)))
        size = self._last_encoded[1]
        if size > MAX_RPC_BYTES:
            self.counters["outbox_dropped", "oversize"] += 1
        else:
            way.push(effect.rpc, size, effect.lane, effect.message_id)

    # Inspection: one frame at a time, in what the loop leaves of the core

    def _inspect(self) -> None:
        job = self._waiting.take()
        if job is None:
            self._inspecting = False
            return
        before = self._sense.checks
        inspection = self.inspector.inspect(job.peer, job.topic, job.data, self._clock.unix_ms)
        costs = self._costs
        cost_us = (
            costs.frame_us
            + costs.item_us * len(inspection.items)
            + costs.signature_us * (self._sense.checks - before)
            + max(0, self._loop_free_us - self._clock.now_us)
        )
        self._clock.after(cost_us, self._inspected, job, inspection)

    def _inspected(self, job: Job, inspection: Inspection) -> None:
        if inspection.verdict is not None:
            self._judged(job, Verdict(inspection.verdict), inspection.reason, 0)
        elif self._frames_left < 1 or self._bytes_left < len(job.data):
            self._judged(job, Verdict.IGNORE, Reason.NO_CREDIT, 0)
        else:
            self._frames_left -= 1
            self._bytes_left -= len(job.data)
            frame_no, self._next_frame_no = self._next_frame_no, self._next_frame_no + 1
            self._judging[frame_no] = job
            self._to_main(FrameUp(frame_no, job, inspection.items))
        self._inspect()

    def _judged(self, job: Job, verdict: Verdict, reason: str, new_bytes: int) -> None:
        self._waiting.done(job.message_id)
        if verdict is Verdict.REJECT:
            self._rejected[job.data] = reason
            for peer in self._copies.get(job.data, ()):
                self._blamed(peer, reason)
        self.handle(Judged(job.message_id, verdict, reason, new_bytes))
        self._told_judged(job.peer)
