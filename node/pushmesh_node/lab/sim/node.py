"""An honest node of a simulated world: the two halves, its peers, and its ends of connections."""

from collections.abc import Collection, Sequence
from random import Random
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pushmesh_protocol.frames import Part
from pushmesh_protocol.reasons import Reason, Verdict

from ...app.offers import entry_of, findings_of, hashes_to_remember, parts_of
from ...engine.effects import Judge
from ...engine.events import CaughtUp, Gossiped
from ...engine.records import Record
from ...gossip.effects import Lane
from ...gossip.events import PeerConnected, RecordShown, Remembered, Subscribed
from ...gossip.frames.inspect import FrameInspector
from ...gossip.frames.packer import Packed
from ...gossip.rotating import RotatingCounter
from ...gossip.wire.rpc import Rpc
from ...ipc import Settings
from ...peer.hosts import Address
from ...remote import place_of
from ...sync.words import Word
from .byte_counts import ByteCounts
from .carriage import Carried
from .clock import Clock, SkewedClock
from .gossip_half import FrameUp, GossipHalf
from .inlet import Inlet
from .lines import Line
from .main_half import MainHalf
from .peering import Peering
from .records import read_record, record_of
from .routers import mesh_of, new_router
from .sense import NodeSense
from .sync import SyncRounds
from .wire import Link, Payload, Sent, Way

if TYPE_CHECKING:
    from .world import World

COUNTED_IDS = 65_536


class SimNode:
    """Obeys `Endpoint`. `number` is its place in the world's lists."""

    def __init__(
        self, world: "World", number: int, node_id: bytes, host: str, settings: Settings, topics: frozenset[str]
    ) -> None:
        network, conditions = world.network, world.conditions
        clock = _clock_of(world, number)
        self.number = number
        self.node_id = node_id
        self.host = host
        self.up = Line(conditions.network.up_bits_per_s)
        self.down = Line(conditions.network.down_bits_per_s)
        self.bytes = ByteCounts()
        self.carried = Carried()
        self.is_running = False
        self._world = world
        self._clock = clock
        self._settings = settings
        self._topics = topics
        self._random = Random(f"{world.seed}/node/{number}")
        self._life = 0
        self._stopped_us = 0
        self.gossip = self._new_gossip(first_frame_no=1)
        self.main = MainHalf(
            network,
            clock,
            conditions.costs,
            world.sense,
            incarnation=node_id[:16],
            judge=self._judge,
            send=self._send,
            committed=self._committed,
            tally=lambda tally: None,
            keeps_sets=conditions.sync,
        )
        self.peering = Peering(node_id, settings, clock, self._random, self._dial)
        asking = Random(f"{world.seed}/sync/{number}")
        self.sync = SyncRounds(network, self.main, world.sense, clock, asking, self._say)
        self._auths = RotatingCounter(COUNTED_IDS)
        self._waiting: dict[int, tuple[FrameUp, Sequence[Part]]] = {}
        self._inlets: dict[bytes, Inlet] = {}

    def _new_gossip(self, first_frame_no: int) -> GossipHalf:
        world, settings = self._world, self._settings
        sense = NodeSense(world.sense)
        inspector = FrameInspector(
            world.network,
            checks_per_peer_per_s=settings.checks_per_peer_per_s,
            shuffle=self._random.shuffle,
            sense=sense,
        )
        return GossipHalf(
            new_router(world.parameters, settings, self._random, world.sense),
            inspector,
            sense,
            self._clock,
            world.conditions.costs,
            settings,
            to_main=self._frame_up,
            disconnect=self._disconnect,
            recommended=self._recommended,
            judged=self._judged,
            blamed=self._blamed,
            first_frame_no=first_frame_no,
        )

    # Life

    def start(self) -> None:
        """Subscribe, and from now on dial and beat, at a phase of its own. A node that ran before has its store, its
        engine as the store restores it, its peer book and bans, and nothing else."""
        if self._life:
            self.gossip = self._new_gossip(self.gossip.next_frame_no)
            self._world.measures.was_down(self.number, self._stopped_us, self._clock.now_us)
        self._life += 1
        self.is_running = True
        for known in self.peering.book.entries():
            if known.score_milli < 0:
                self.gossip.handle(Remembered(known.node_id, known.score_milli))
        self.gossip.handle(Subscribed(self._topics))
        heartbeat_us = self._settings.heartbeat_ms * 1_000
        dial_us = self._world.conditions.dial_tick_ms * 1_000
        self._clock.after(int(self._random.random() * heartbeat_us), self._beat, self._life)
        self._clock.after(int(self._random.random() * dial_us), self._dial_tick, self._life)

    def mesh(self, topic: str) -> Collection[bytes]:
        """The peers in its mesh of a topic."""
        return mesh_of(self.gossip.router, topic)

    def stop(self) -> None:
        """Say good-bye and end. What it stored is still there when it starts again."""
        self.is_running = False
        self._stopped_us = self._clock.now_us
        for link in list(self.peering.links.values()):
            link.close(self, "shutdown")

    def publish(self, parts: Sequence[Part]) -> None:
        """A publisher hands these to the node's API."""
        self.main.publish(parts)

    def preload(self, parts: Sequence[Part]) -> None:
        """What it knows from earlier, as if sync had brought it."""
        self.main.take(entry_of(CaughtUp(self.node_id), parts))

    def _beat(self, life: int) -> None:
        if self.is_running and life == self._life:
            self.gossip.heartbeat()
            self.main.tick()
            for inlet in self._inlets.values():
                if len(inlet):
                    inlet.look()
            self._clock.after(self._settings.heartbeat_ms * 1_000, self._beat, life)

    def _dial_tick(self, life: int) -> None:
        if self.is_running and life == self._life:
            self.peering.tick()
            self._clock.after(self._world.conditions.dial_tick_ms * 1_000, self._dial_tick, life)

    # Endpoint

    def enter(self, host: str, *, outbound: bool) -> str | None:
        """See `Endpoint`."""
        if not self.is_running:
            return "not-listening"
        return self.peering.enter(host, outbound=outbound)

    def shaken(self, host: str) -> None:
        """See `Endpoint`."""
        self.peering.gate.shaken(host)

    def leave(self, host: str, *, outbound: bool) -> None:
        """See `Endpoint`."""
        self.peering.gate.leave(host, outbound)

    def accepts(self, link: Link) -> str | None:
        """See `Endpoint`."""
        return self.peering.accepts(self, link, self.gossip.router.score_of) if self.is_running else "not-listening"

    def opened(self, link: Link) -> None:
        """See `Endpoint`."""
        peer = link.other(self)
        self.peering.opened(self, link)
        outbound = link.dialler is self
        event = PeerConnected(peer.node_id, outbound, self._world.conditions.dialect, place_of(peer.host))
        self._inlets[peer.node_id] = self._inlet(peer.node_id, link.way_from(peer))
        self.gossip.connected(peer.node_id, link.way_from(self), event)
        self.gossip.handle(RecordShown(peer.node_id, record_of(peer)))
        self.main.relays = True
        if self._world.conditions.sync:
            self.sync.peer_came(peer.node_id)

    def window_bytes(self, peer: bytes) -> int:
        """See `Endpoint`."""
        return self.gossip.window_bytes(peer)

    def ignores(self, payload: Payload) -> bool:
        """See `Endpoint`."""
        return False

    def received(self, link: Link, batch: Sequence[Sent], overhead_bytes: int) -> None:
        """See `Endpoint`."""
        sender = link.other(self)
        peer = sender.node_id
        if isinstance(sender, SimNode):
            self._world.carriage.count(self.carried, batch, overhead_bytes)
        self.bytes.control += overhead_bytes
        for payload, size in batch:
            if isinstance(payload, Rpc):
                self.bytes.count(payload, size, self.gossip.has_copy)
                if (inlet := self._inlets.get(peer)) is not None:
                    inlet.add(payload, size)
                continue
            link.way_from(sender).read(size)
            if isinstance(payload, Word):
                self.bytes.sync += size
                if self._world.conditions.sync:
                    self.sync.take(peer, payload)
            else:
                self.bytes.control += size
                link.close(self, "malformed-rpc")
                return

    def wrote(self, size_bytes: int) -> None:
        """See `Endpoint`."""
        self.bytes.sent += size_bytes
        self.gossip.spend_write(size_bytes)

    def closed(self, link: Link, reason: str) -> None:
        """See `Endpoint`."""
        peer = link.other(self).node_id
        self.leave(link.other(self).host, outbound=link.dialler is self)
        self.peering.closed(self, link, reason, self.gossip.router.score_of(peer))
        del self._inlets[peer]
        self.gossip.disconnected(peer)
        self.sync.peer_left(peer)
        self.main.relays = bool(self.peering.links)

    def _inlet(self, peer: bytes, way_in: Way) -> Inlet:
        gossip = self.gossip
        return Inlet(
            self._clock, way_in, lambda: gossip.paused(peer), lambda rpc, size: gossip.receive(peer, rpc, size)
        )

    # Between the halves

    def _frame_up(self, frame: FrameUp) -> None:
        job = frame.job
        if not self.main.room():
            self._refuse(frame, Verdict.IGNORE, Reason.QUEUE_FULL)
            return
        sense = self._world.sense
        parts, unreadable = parts_of(sense.open(job.data, job.topic))
        findings = findings_of(parts, frame.items)
        if findings is None:
            self._refuse(frame, Verdict.IGNORE, Reason.INTERNAL)
            return
        findings = [
            replace(finding, data=sense.frame_alone(part)) for part, finding in zip(parts, findings, strict=True)
        ]
        entry = entry_of(Gossiped(job.peer, frame.frame_no, len(job.data)), parts, findings, unreadable)
        self.main.take(entry, lambda: self._release(frame, parts))

    def _refuse(self, frame: FrameUp, verdict: Verdict, reason: Reason) -> None:
        self.gossip.judge(frame.frame_no, verdict, reason, 0)
        self.gossip.release(len(frame.job.data), ())

    def _release(self, frame: FrameUp, parts: Sequence[Part]) -> None:
        envelopes = [envelope for part in parts for envelope in part.envelopes]
        known = hashes_to_remember(frame.items, envelopes, self.main.is_authorised, self._auths)
        self.gossip.release(len(frame.job.data), known)

    def _judged(self, peer: bytes) -> None:
        inlet = self._inlets.get(peer)
        if inlet is not None and len(inlet):
            inlet.look()

    def _judge(self, effect: Judge) -> None:
        self.gossip.judge(effect.frame_no, effect.verdict, effect.reason, effect.new_bytes)

    def _send(self, frame: Packed) -> None:
        self.gossip.publish(frame.topic, frame.data)

    def _committed(self, record: Record) -> None:
        self._world.measures.committed(self.number, record, self._clock.now_us)

    def _blamed(self, peer: bytes, reason: str) -> None:
        self._world.measures.blamed(self.number, peer, reason)

    # Peers

    def _say(self, peer: bytes, word: Word, size: int) -> None:
        way = self.gossip.ways.get(peer)
        if way is not None:
            way.push(word, size, Lane.DATA)

    def _dial(self, address: Address) -> None:
        def answered(link: Link | None) -> None:
            if link is None:
                self.peering.failed(address)

        self._world.dial(self, address, answered)

    def _disconnect(self, peer: bytes, reason: str) -> None:
        link = self.peering.links.get(peer)
        if link is not None:
            link.close(self, reason)

    def _recommended(self, peer: bytes, record: bytes) -> None:
        """Peer exchange: `peer` is the one that is recommended, by the one whose RPC is being handled."""
        link = self.peering.links.get(self.gossip.speaker)
        address = read_record(record)
        if link is not None and address is not None and address.node_id == peer:
            self.peering.recommended(link.other(self).host, address)


def _clock_of(world: "World", number: int) -> Clock:
    skew_ms = world.conditions.skew_ms
    if not skew_ms:
        return world.clock
    return SkewedClock(world.clock, Random(f"{world.seed}/skew/{number}").randint(-skew_ms, skew_ms))
