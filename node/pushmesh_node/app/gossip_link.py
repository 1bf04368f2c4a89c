"""Between the gossip process and the way in: frames come up, judgements go down, peers come and go."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import OpenFrame, open_frame
from pushmesh_protocol.kinds import CONTROL_KINDS
from pushmesh_protocol.kinds.registry import KIND_NAMES
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason, Verdict

from ..engine.effects import Judge as JudgeEffect
from ..engine.events import Gossiped
from ..gossip.rotating import RotatingCounter
from ..ipc import Credit, Down, Frame, Judge, Known, Peer, Stats, Subscribe, Up
from ..metrics import Metrics
from .ingest import Ingest
from .lanes import Lane
from .offers import Entry, entry_of, findings_of, hashes_to_remember, parts_of

COUNTED_IDS = 65_536
"""Ids whose remembered auths are counted; an older one has left the gossip process's cache, or soon will."""


class GossipLink:
    """Owns nothing of the process itself; `send` is its door, `peers` who is connected now.

    `authorised` tells for an envelope whose signature holds whether its signer may sign it (SPEC 7.5), `joined` which
    shards this node takes part in."""

    def __init__(
        self,
        network: Network,
        ingest: Ingest,
        metrics: Metrics,
        send: Callable[[Sequence[Down]], None],
        peer_came: Callable[[bytes], None],
        peer_left: Callable[[bytes], None],
        authorised: Callable[[Envelope], bool],
        joined: Callable[[], Iterable[int]],
    ) -> None:
        self._network = network
        self._ingest = ingest
        self._metrics = metrics
        self._send = send
        self._peer_came = peer_came
        self._peer_left = peer_left
        self._authorised = authorised
        self._joined = joined
        self._auths = RotatingCounter(COUNTED_IDS)
        self.peers: dict[bytes, Sequence[str]] = {}

    def topics(self) -> list[str]:
        """Those of control and of the joined shards."""
        prefix = f"/pushmesh/1/{self._network.id.hex()}"
        shards = [f"{prefix}/shard/{shard}" for shard in sorted(self._joined())]
        return [f"{prefix}/control/{KIND_NAMES[kind]}" for kind in CONTROL_KINDS] + shards

    def replay(self) -> Iterable[Down]:
        """What a new gossip process is told first."""
        return [Subscribe(self.topics())]

    def subscribe(self) -> None:
        """Tell the gossip process that the joined shards changed."""
        self._send([Subscribe(self.topics())])

    def lost(self) -> None:
        """The process is gone, and every connection with it."""
        for node_id in self.peers:
            self._peer_left(node_id)
        self.peers.clear()
        self._metrics.peers(0)
        self._auths = RotatingCounter(COUNTED_IDS)  # the next process remembers nothing

    def take(self, messages: Sequence[Up]) -> None:
        """All messages of one read."""
        for message in messages:
            if isinstance(message, Frame):
                self._take_frame(message)
            elif isinstance(message, Peer):
                self._take_peer(message)
            elif isinstance(message, Stats):
                self._metrics.gossip(message.counters, message.gauges)

    def judge(self, effect: JudgeEffect) -> None:
        """The driver's hand: the mesh waits for this."""
        self._metrics.frame("in", effect.verdict, effect.reason)
        self._send([Judge(effect.frame_no, int(effect.verdict), effect.reason, effect.new_bytes)])

    def _take_peer(self, peer: Peer) -> None:
        if peer.connected:
            came = peer.node_id not in self.peers  # else it only told where it can be dialled
            self.peers[peer.node_id] = peer.addresses
            if came:
                self._peer_came(peer.node_id)
        else:
            self.peers.pop(peer.node_id, None)
            self._peer_left(peer.node_id)
        self._metrics.peers(len(self.peers))

    def _take_frame(self, frame: Frame) -> None:
        if not self._ingest.room(Lane.GOSSIPED):
            self._refuse(frame, Verdict.IGNORE, Reason.QUEUE_FULL)
            return
        try:
            opened = open_frame(self._network, frame.data)
        except Refusal as refusal:  # the gossip process opens it first, so this is its disagreement with us
            self._refuse(frame, refusal.verdict, refusal.reason)
            return
        entry = _entry(frame, opened)
        if entry is None:
            self._refuse(frame, Verdict.IGNORE, Reason.INTERNAL)
            return
        envelopes = [envelope for part in entry.parts for envelope in part.envelopes]
        entry.decided.add_done_callback(lambda _: self._release(frame, envelopes))  # type: ignore[union-attr]  # _entry sets it
        self._ingest.take(entry)

    def _refuse(self, frame: Frame, verdict: Verdict, reason: Reason) -> None:
        self._metrics.frame("in", verdict, reason)
        self._send([Judge(frame.frame_no, int(verdict), reason, 0), Credit(1, len(frame.data))])

    def _release(self, frame: Frame, envelopes: Sequence[Envelope]) -> None:
        """Memory of the frame is free, and what is authorised needs no second check."""
        hashes = hashes_to_remember(frame.items, envelopes, self._authorised, self._auths)
        known = [Known(hashes)] if hashes else []
        self._send([*known, Credit(1, len(frame.data))])


def _entry(frame: Frame, opened: OpenFrame) -> Entry | None:
    """The frame on its way in, with the gossip process's verdicts beside its parts; None where the two do not match."""
    parts, unreadable = parts_of(opened)
    findings = findings_of(parts, frame.items)
    if findings is None:
        return None
    decided = asyncio.get_running_loop().create_future()
    return entry_of(Gossiped(frame.node_id, frame.frame_no, len(frame.data)), parts, findings, unreadable, decided)
