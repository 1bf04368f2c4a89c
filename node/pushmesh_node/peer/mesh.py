"""Drives the router: carries out its effects, keeps the queues to peers, and the frames that main is judging.

Everything here is synchronous but the two tasks of a peer's gossip streams, so the router never sees a half-done step.
"""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from pushmesh_protocol.reasons import Reason, Verdict

from ..gossip.effects import Count, Dial, Disconnect, Effect, Inspect, Lane, SendRpc, Unsend
from ..gossip.events import Event, Heartbeat, Judged, PeerConnected, PeerDisconnected, Published, RpcReceived
from ..gossip.framing import RpcSplitter
from ..gossip.inspection import Inspection
from ..gossip.router import Router
from ..gossip.rpc import MAX_RPC_BYTES, Rpc, RpcError
from ..gossip.rpc_wire import decode, encode
from ..ipc import Credit, Frame, Judge, Publish, Settings, Up
from .connection import Connection
from .errors import NegotiationError, StreamBroken
from .inspecting import Inspecting, Job
from .muxer import Stream
from .outbox import Outbox
from .stats import Counters

GOSSIPSUB: Final = "/meshsub/1.1.0"
PAUSE_AT_PENDING: Final = 256  # messages of one peer; what one read brings fits on top of it
_OPEN_ATTEMPTS: Final = 2
_PAUSE_S: Final = 1.0  # judgements time out without a word to anybody, so a pause looks again

log = structlog.get_logger()


class Mesh:
    """One for the process. `send` passes messages to main and never waits."""

    def __init__(
        self,
        router: Router,
        settings: Settings,
        counters: Counters,
        send: Callable[[Up], None],
        now_ms: Callable[[], int],
    ) -> None:
        self.inspecting: Inspecting | None = None
        self._router = router
        self._settings = settings
        self._counters = counters
        self._send = send
        self._now_ms = now_ms
        self._outboxes: dict[bytes, Outbox] = {}
        self._connections: dict[bytes, Connection] = {}
        self._judging: dict[int, bytes] = {}  # frame number -> message id
        self._next_frame_no = 1
        self._frames_left = settings.frame_window_frames
        self._bytes_left = settings.frame_window_bytes
        self._owed_frames = 0
        self._owed_bytes = 0
        self._paused: trio.Event | None = None  # somebody waits for judgements
        self._last_encoded: tuple[Rpc, bytes] | None = None

    # Peers

    def connected(self, connection: Connection) -> None:
        """From here on RPCs are queued; `write` sends them."""
        node_id = connection.node_id
        self._connections[node_id] = connection
        self._outboxes[node_id] = Outbox(
            self._settings.outbound_queue_rpcs,
            self._settings.outbound_queue_bytes,
            lambda lane: self._counters.add("outbox_dropped", lane),
        )
        self.handle(PeerConnected(node_id, connection.outbound))

    def disconnected(self, connection: Connection) -> None:
        """What was queued is lost."""
        left = len(self._outboxes.pop(connection.node_id))
        self._counters.add("outbox_dropped", "disconnected", left)
        del self._connections[connection.node_id]
        self.handle(PeerDisconnected(connection.node_id))
        self._give_credit()

    async def write(self, connection: Connection) -> None:
        """The task that opens the gossip stream to a peer and empties its queue. Raises PeerError to end it all."""
        outbox = self._outboxes[connection.node_id]
        batch = b""
        for _ in range(_OPEN_ATTEMPTS):
            try:
                stream = await connection.open(GOSSIPSUB)
            except NegotiationError:
                connection.close("no-gossip")
                return
            try:
                while True:
                    batch = batch or await outbox.take()
                    await stream.write(batch)
                    self._counters.add("bytes_out", n=len(batch))
                    batch = b""
                    self._give_credit()
            except StreamBroken as error:
                log.info("gossip stream broke", peer=connection.node_id.hex(), error=str(error))
        raise StreamBroken("the peer takes no gossip")

    async def read(self, connection: Connection, protocol: str, stream: Stream) -> None:
        """The handler of a peer's gossip stream; bytes that are no RPC end the connection."""
        splitter = RpcSplitter()
        try:
            while data := await stream.read():
                self._counters.add("bytes_in", n=len(data))
                for body in splitter.feed(data):
                    self._counters.add("rpcs_in")
                    self.handle(RpcReceived(connection.node_id, decode(body)))
                await trio.lowlevel.checkpoint()
                await self._pause(connection)
        except RpcError as error:
            self._counters.add("rpcs_dropped", "malformed")
            log.info("malformed rpc", peer=connection.node_id.hex(), error=str(error))
            connection.close("malformed-rpc")

    async def _pause(self, connection: Connection) -> None:
        """Reading stops while too much of a peer waits here: its own queue fills, and it learns to slow down."""
        while self._router.pending_of(connection.node_id) >= PAUSE_AT_PENDING:
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

    def judge(self, message: Judge) -> None:
        """A verdict on a frame that this process did not ask about is counted and dropped."""
        message_id = self._judging.pop(message.frame_no, None)
        if message_id is None:
            self._counters.add("judgements_dropped", "unknown-frame")
            return
        self.handle(Judged(message_id, Verdict(message.verdict), message.reason, message.new_bytes))

    def credit(self, message: Credit) -> None:
        """Main let go of frames."""
        self._frames_left += message.frames
        self._bytes_left += message.bytes

    def heartbeat(self) -> None:
        """Every `heartbeat_ms`."""
        self.handle(Heartbeat())

    def gauges(self) -> list[tuple[str, str, int]]:
        """(name, label, value)."""
        waiting = sum(len(outbox) for outbox in self._outboxes.values())
        return [
            *self._router.gauges(),
            ("outbox_rpcs", "", waiting),
            ("judging_frames", "", len(self._judging)),
            ("frame_credit_bytes", "", max(0, self._bytes_left)),
        ]

    # Effects

    def handle(self, event: Event) -> None:
        """One step of the router, with all that follows from it."""
        for effect in self._router.handle(event, self._now_ms()):
            self._do(effect)
        if self._paused is not None and isinstance(event, Judged):
            self._paused.set()
            self._paused = None

    def _do(self, effect: Effect) -> None:
        match effect:
            case SendRpc():
                self._queue(effect)
            case Inspect():
                assert self.inspecting is not None
                self.inspecting.add(Job(effect.peer, effect.message_id, effect.topic, effect.data))
            case Count():
                self._counters.add(effect.name, effect.label, effect.n)
            case Unsend() | Dial():
                pass  # the router does not order these yet
            case Disconnect():
                if (connection := self._connections.get(effect.peer)) is not None:
                    connection.close(effect.reason)

    def _queue(self, effect: SendRpc) -> None:
        outbox = self._outboxes.get(effect.peer)
        if outbox is None:
            self._counters.add("outbox_dropped", "disconnected")
            return
        body = self._encode(effect.rpc)
        if len(body) > MAX_RPC_BYTES:
            self._counters.add("outbox_dropped", "oversize")
        elif outbox.push(body, effect.lane is Lane.CONTROL):
            self._counters.add("rpcs_out")

    def _encode(self, rpc: Rpc) -> bytes:
        # One message goes to many peers in a row.
        if self._last_encoded is None or self._last_encoded[0] is not rpc:
            self._last_encoded = (rpc, encode(rpc))
        return self._last_encoded[1]

    def inspected(self, job: Job, inspection: Inspection) -> None:
        """Answers the router, or passes the frame up to main if there is credit for it."""
        if inspection.verdict is not None:
            self.handle(Judged(job.message_id, Verdict(inspection.verdict), inspection.reason))
            return
        size = len(job.data)
        if self._frames_left < 1 or self._bytes_left < size:
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
        if self._outboxes and all(outbox.is_half_full for outbox in self._outboxes.values()):
            return
        self._send(Credit(self._owed_frames, self._owed_bytes))
        self._owed_frames = self._owed_bytes = 0
