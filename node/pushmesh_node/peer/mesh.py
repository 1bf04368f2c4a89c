"""Drives the router: carries out its effects, keeps the queues to peers, and the frames that main is judging.

Everything here is synchronous but the two tasks of a peer's gossip streams, so the router never sees a half-done step.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
import trio

from pushmesh_protocol.reasons import Reason, Verdict

from ..gossip.effects import Count, Dial, Disconnect, Effect, Inspect, Lane, SendRpc, Unsend
from ..gossip.events import (
    Event,
    Heartbeat,
    Judged,
    PeerConnected,
    PeerDisconnected,
    Published,
    RecordShown,
    RpcReceived,
)
from ..gossip.frames.inspection import Inspection
from ..gossip.frames.inspection_queue import Merit
from ..gossip.router import Router
from ..gossip.windows import window_bytes
from ..gossip.wire.dialects import PROTOCOL_IDS, Dialect
from ..gossip.wire.framing import RpcSplitter, frame
from ..gossip.wire.rpc import MAX_RPC_BYTES, Rpc, RpcError
from ..gossip.wire.rpc_wire import decode_counting, encode
from ..ipc import Credit, Frame, Judge, Publish, Settings, Up
from .connection import Connection
from .errors import NegotiationError, StreamBroken
from .inspecting import Inspecting, Job
from .muxer import Stream
from .outbox import Outbox
from .rate import cost_of
from .stats import Counters
from .talk import Talk

_OPEN_ATTEMPTS: Final = 2
_COST_AT_ONCE: Final = 64  # in RPCs, so that no peer holds up the others, whatever one read brings
_PAUSE_S: Final = 1.0  # judgements time out without a word to anybody, so a pause looks again
_LANES: Final = {lane: lane.name.lower() for lane in Lane}  # as the counters name them

log = structlog.get_logger()

Introduce = Callable[[Connection, Dial], None]
"""A peer recommends another; never waits."""


class Mesh:
    """One for the process. `send` passes messages to main and never waits."""

    def __init__(
        self,
        router: Router,
        settings: Settings,
        counters: Counters,
        send: Callable[[Up], None],
        introduce: Introduce,
        now_ms: Callable[[], int],
    ) -> None:
        self.inspecting: Inspecting | None = None
        self._router = router
        self._settings = settings
        self._counters = counters
        self._send = send
        self._introduce = introduce
        self._now_ms = now_ms
        self._talks: dict[bytes, Talk] = {}
        self._judging: dict[int, bytes] = {}  # frame number -> message id
        self._next_frame_no = 1
        self._frames_left = settings.frame_window_frames
        self._bytes_left = settings.frame_window_bytes
        self._owed_frames = 0
        self._owed_bytes = 0
        self._paused: trio.Event | None = None  # somebody waits for judgements
        self._last_framed: tuple[Rpc, bytes] | None = None

    # Peers

    def connected(self, connection: Connection) -> None:
        """From here on `write` and `read` may be called; the router hears of the peer when it can answer it."""
        self._talks[connection.node_id] = Talk(connection)

    def disconnected(self, connection: Connection) -> None:
        """What was queued is lost."""
        talk = self._talk_of(connection)
        if talk is not None:
            self._fall(talk)
            del self._talks[connection.node_id]

    def _talk_of(self, connection: Connection) -> Talk | None:
        """None for a connection that is over, or that another one of the same peer took the place of."""
        talk = self._talks.get(connection.node_id)
        return talk if talk is not None and talk.connection is connection else None

    def _stand(self, talk: Talk, dialect: Dialect) -> Outbox:
        connection, settings = talk.connection, self._settings
        outbox = Outbox(settings.outbound_queue_rpcs, settings.outbound_queue_bytes, self._dropped)
        talk.stand(outbox, dialect)
        self.handle(PeerConnected(connection.node_id, connection.outbound, dialect, connection.place))
        if talk.record:
            self.handle(RecordShown(connection.node_id, talk.record))
        return outbox

    def _fall(self, talk: Talk) -> None:
        outbox = talk.fall()
        if outbox is not None:
            self._counters.add("outbox_dropped", "disconnected", len(outbox))
            self.handle(PeerDisconnected(talk.connection.node_id))
            self._give_credit()

    def _dropped(self, lane: Lane) -> None:
        self._counters.add("outbox_dropped", _LANES[lane])

    def show(self, connection: Connection, record: bytes) -> None:
        """The peer showed a signed record of itself that holds."""
        talk = self._talk_of(connection)
        if talk is not None:
            talk.record = record
            if talk.stands:
                self.handle(RecordShown(connection.node_id, record))

    async def write(self, connection: Connection) -> None:
        """The task that opens the gossip stream to a peer and empties its queue. Raises PeerError to end it all."""
        for _ in range(_OPEN_ATTEMPTS):
            try:
                stream, protocol = await connection.open_first(PROTOCOL_IDS)
            except NegotiationError:
                connection.close("no-gossip")
                return
            talk = self._talk_of(connection)
            if talk is None or connection.is_closing:
                return
            outbox = self._stand(talk, PROTOCOL_IDS[protocol])
            try:
                await self._empty(outbox, stream)
            except StreamBroken as error:
                log.info("gossip stream broke", peer=connection.node_id.hex(), error=str(error))
            # All that the peer was told may be lost, so it is a new acquaintance on a new stream.
            if self._talk_of(connection) is talk:
                self._fall(talk)
        raise StreamBroken("the peer takes no gossip")

    async def _empty(self, outbox: Outbox, stream: Stream) -> None:
        while True:
            batch = await outbox.take()
            await stream.write(batch)
            self._counters.add("bytes_out", n=len(batch))
            self._give_credit()

    async def read(self, connection: Connection, protocol: str, stream: Stream) -> None:
        """The handler of a peer's gossip stream: one at a time, a newer one ends the older; bytes that are no RPC end
        the connection."""
        talk = self._talk_of(connection)
        if talk is None:
            return
        if talk.is_read:
            self._counters.add("streams_refused", "replaced")
        with talk.reading() as allowed:
            if not allowed:
                connection.close("too-many-streams")
                return
            try:
                await self._read(talk, stream)
            except RpcError as error:
                self._counters.add("rpcs_dropped", "malformed")
                log.info("malformed rpc", peer=connection.node_id.hex(), error=str(error))
                connection.close("malformed-rpc")

    async def _read(self, talk: Talk, stream: Stream) -> None:
        """What comes before the router knows the peer waits in the stream, and so at the sender."""
        connection, splitter = talk.connection, RpcSplitter()
        await talk.wait()
        while data := await stream.read():
            self._counters.add("bytes_in", n=len(data))
            bodies = deque(splitter.feed(data))
            while bodies:
                await talk.wait()
                rpcs, cost = _decode_some(bodies)
                self._counters.add("rpcs_in", n=len(rpcs))
                self.handle_all([RpcReceived(connection.node_id, rpc) for rpc in rpcs], connection)
                if connection.is_closing:
                    return
                await talk.keep_pace(cost)
            await trio.lowlevel.checkpoint()
            await self._pause(connection)

    async def _pause(self, connection: Connection) -> None:
        """Reading stops while too much of a peer waits here: its own queue fills, and it learns to slow down."""
        while self._router.is_full_of(connection.node_id):
            self._paused = self._paused or trio.Event()
            with trio.move_on_after(_PAUSE_S):
                await self._paused.wait()

    # Main

    def publish(self, message: Publish) -> None:
        """Its credit goes back once the fastest peer's queue has room: a slow peer loses, it does not slow others."""
        self._owed_frames += 1
        self._owed_bytes += len(message.data)
        self.handle(Published(message.topic, message.data))
        self._give_credit()

    def judge(self, messages: Iterable[Judge]) -> None:
        """Verdicts that came together. One on a frame that this process did not ask about is counted and dropped."""
        judged: list[Judged] = []
        for message in messages:
            message_id = self._judging.pop(message.frame_no, None)
            if message_id is None:
                self._counters.add("judgements_dropped", "unknown-frame")
                continue
            if self.inspecting is not None:
                self.inspecting.done(message_id)
            judged.append(Judged(message_id, Verdict(message.verdict), message.reason, message.new_bytes))
        self.handle_all(judged)

    def credit(self, message: Credit) -> None:
        """Main let go of frames."""
        self._frames_left += message.frames
        self._bytes_left += message.bytes

    def heartbeat(self) -> None:
        """Every `heartbeat_ms`."""
        self.handle(Heartbeat())
        merits = {node_id: self._router.merit_of(node_id) for node_id in self._talks}
        strangers = sum(merit is not Merit.EARNED for merit in merits.values())
        for node_id, merit in merits.items():
            self._talks[node_id].connection.bound_unread(window_bytes(merit, strangers))

    def dialect_of(self, node_id: bytes) -> Dialect | None:
        """What is spoken with a peer; None where gossip does not stand."""
        talk = self._talks.get(node_id)
        return talk.dialect if talk is not None and talk.stands else None

    def gauges(self) -> list[tuple[str, str, int]]:
        """(name, label, value)."""
        waiting = sum(len(outbox) for outbox in self._outboxes())
        return [
            *self._router.gauges(),
            ("outbox_rpcs", "", waiting),
            ("judging_frames", "", len(self._judging)),
            ("frame_credit_bytes", "", max(0, self._bytes_left)),
        ]

    # Effects

    def handle(self, event: Event, source: Connection | None = None) -> None:
        """One step of the router, with all that follows from it. `source` is whose RPC it is."""
        self.handle_all((event,), source)

    def handle_all(self, events: Sequence[Event], source: Connection | None = None) -> None:
        """The same for events that came together; of RPCs all are of one source."""
        for effect in self._router.handle_all(events, self._now_ms()):
            self._do(effect, source)
        if self._paused is not None and any(isinstance(event, Judged) for event in events):
            self._paused.set()
            self._paused = None

    def _do(self, effect: Effect, source: Connection | None) -> None:
        match effect:
            case SendRpc():
                self._queue(effect)
            case Inspect():
                assert self.inspecting is not None
                self.inspecting.add(Job(effect.peer, effect.message_id, effect.topic, effect.data))
            case Count():
                self._counters.add(effect.name, effect.label, effect.n)
            case Unsend():
                if (outbox := self._outbox_of(effect.peer)) is not None and outbox.cancel(effect.message_id):
                    self._counters.add("rpcs_unsent")
            case Dial():
                assert source is not None  # only RPCs recommend
                self._introduce(source, effect)
            case Disconnect():
                if (talk := self._talks.get(effect.peer)) is not None:
                    talk.connection.close(effect.reason)

    def _outbox_of(self, peer: bytes) -> Outbox | None:
        talk = self._talks.get(peer)
        return talk.outbox if talk is not None else None

    def _outboxes(self) -> list[Outbox]:
        return [talk.outbox for talk in self._talks.values() if talk.outbox is not None]

    def _queue(self, effect: SendRpc) -> None:
        outbox = self._outbox_of(effect.peer)
        if outbox is None:
            self._counters.add("outbox_dropped", "disconnected")
            return
        framed = self._frame(effect.rpc)
        if not framed:
            self._counters.add("outbox_dropped", "oversize")
        elif outbox.push(framed, effect.lane, effect.message_id):
            self._counters.add("rpcs_out")

    def _frame(self, rpc: Rpc) -> bytes:
        """As it goes on the stream; b"" if it is larger than any RPC may be."""
        # One message goes to many peers in a row.
        if self._last_framed is None or self._last_framed[0] is not rpc:
            body = encode(rpc)
            self._last_framed = (rpc, frame(body) if len(body) <= MAX_RPC_BYTES else b"")
        return self._last_framed[1]

    def inspected(self, job: Job, inspection: Inspection) -> None:
        """Answers the router, or passes the frame up to main if there is credit for it."""
        if inspection.verdict is not None:
            self.handle(Judged(job.message_id, Verdict(inspection.verdict), inspection.reason))
            return
        size = len(job.data)
        if self._frames_left < 1 or self._bytes_left < size:
            if self.inspecting is not None:
                self.inspecting.done(job.message_id)
            self.handle(Judged(job.message_id, Verdict.IGNORE, Reason.NO_CREDIT))
            return
        self._frames_left -= 1
        self._bytes_left -= size
        frame_no, self._next_frame_no = self._next_frame_no, self._next_frame_no + 1
        self._judging[frame_no] = job.message_id
        self._send(Frame(frame_no, job.peer, job.topic, job.data, inspection.items))

    def _give_credit(self) -> None:
        if not self._owed_frames:
            return
        outboxes = self._outboxes()
        if outboxes and all(outbox.is_half_full for outbox in outboxes):
            return
        self._send(Credit(self._owed_frames, self._owed_bytes))
        self._owed_frames = self._owed_bytes = 0


def _decode_some(bodies: deque[bytes]) -> tuple[list[Rpc], int]:
    """As many of the first as are handled in one step, and what they cost. Raises RpcError."""
    rpcs: list[Rpc] = []
    cost = 0
    while bodies and cost < _COST_AT_ONCE:
        rpc, fields = decode_counting(bodies.popleft())
        rpcs.append(rpc)
        cost += cost_of(fields)
    return rpcs, cost
