"""The way of a message: first sight, inspection, verdict, forwarding, and who is credited or blamed for it."""

from collections.abc import Callable, Iterable
from typing import Final

from pushmesh_protocol.reasons import Reason, Verdict

from ..caches import SeenCache
from ..counts import GATED, NOT_PENDING, REJECTED_BEFORE
from ..effects import Count, Inspect, Lane, SendRpc
from ..events import Judged
from ..frames.inspection_queue import Merit
from ..mesh.choking import Choking
from ..mesh.meshes import Meshes
from ..mesh.standing import Standing
from ..orders import Orders
from ..parameters import RouterParameters
from ..peers import Peer, Peers
from ..randomness import Randomness
from ..scores.gater import PeerGater
from ..scores.scoring import PeerScores
from ..topics import lane_of
from ..wire.rpc import IHave, Message, Rpc
from .fetching import Fetching
from .history import History
from .idontwant import told_of
from .pending import Credit, OpenCredits, Pending, PendingMessages
from .retrying import NO_ROOM, Retrying

_DUPLICATE: Final = Count("frames_ignored", Reason.DUPLICATE)
_NOT_SUBSCRIBED: Final = Count("frames_ignored", Reason.NOT_SUBSCRIBED)
_ACCEPTED: Final = Count("frames_accepted")


class Messages:
    """Holds what is in flight; forwards nothing that was not judged ACCEPT."""

    def __init__(
        self,
        parameters: RouterParameters,
        peers: Peers,
        scores: PeerScores,
        gater: PeerGater,
        meshes: Meshes,
        choking: Choking,
        history: History,
        seen: SeenCache,
        fetching: Fetching,
        standing: Standing,
        randomness: Randomness,
        orders: Orders,
        identify: Callable[[str, bytes], bytes],
    ) -> None:
        self._parameters = parameters
        self._peers = peers
        self._scores = scores
        self._gater = gater
        self._meshes = meshes
        self._choking = choking
        self._history = history
        self._seen = seen
        self._fetching = fetching
        self._standing = standing
        self._randomness = randomness
        self._orders = orders
        self._identify = identify
        limits = parameters.limits
        self.pending = PendingMessages(limits)
        self._credits = OpenCredits(parameters.score.sharing_ms, limits.max_pending_messages)
        self._rejected = SeenCache(limits.seen_ttl_ms, limits.max_rejected_ids)
        self._retrying = Retrying(parameters, peers, meshes, self.pending, seen, fetching, orders)

    # First sight

    def take(self, peer: Peer, message: Message, now_ms: int) -> None:
        """Cheap before dear: topic, form, size, duplicate, room; then the inspection."""
        topic, data = message.topic, message.data
        if topic not in self._meshes:
            self._orders.do(_NOT_SUBSCRIBED)
            return
        if message.signed:
            # [REJECT] from, seqno, signature or key present: StrictNoSign (SPEC 8.7)
            self._blame((peer.node_id,), topic, Reason.MALFORMED, now_ms)
            return
        if len(data) > self._parameters.limits.max_data_bytes:
            # [REJECT] larger than any frame (SPEC 8.2)
            self._blame((peer.node_id,), topic, Reason.OVERSIZE, now_ms)
            return
        one = self._identify(topic, data)
        self._choking.came(topic, peer.node_id, one)
        if self._seen.has(one, now_ms):
            self._take_copy(peer, topic, one, now_ms)
        else:
            self._take_first(peer, message, one, now_ms)

    def _take_copy(self, peer: Peer, topic: str, one: bytes, now_ms: int) -> None:
        pending = self.pending.get(one)
        if pending is not None:
            pending.senders.setdefault(peer.node_id, now_ms)
            if self.merit_of(peer.node_id) > self.merit_of(pending.account):
                # Else whoever is looked at last could hold a message up by sending it first.
                self.pending.hand_over(pending, peer.node_id)
                self._orders.do(Inspect(peer.node_id, one, topic, pending.message.data))
        elif len(self._rejected) and self._rejected.has(one, now_ms):
            self._blame((peer.node_id,), topic, REJECTED_BEFORE, now_ms)
            return
        else:
            self._credits.copy(one, peer.node_id, now_ms)
        self._gater.duplicate(peer.origin)
        self._orders.do(_DUPLICATE)

    def merit_of(self, name: bytes) -> Merit:
        """By its score as it is now."""
        score = self._scores.of(name)
        if score < 0:
            return Merit.FAULTY
        earned = score >= self._parameters.score.opportunistic_graft_threshold
        return Merit.EARNED if earned else Merit.STRANGE

    def _take_first(self, peer: Peer, message: Message, one: bytes, now_ms: int) -> None:
        name, size = peer.node_id, len(message.data)
        if self._retrying.was_refused(one, name):
            self._orders.count("frames_ignored", Reason.THROTTLED)
            return
        self._fetching.arrived(one, now_ms)
        earned = self.merit_of(name) is Merit.EARNED
        if not self.pending.has_room(name, size, len(self._peers), earned=earned):
            # Not marked as seen: a later copy may find room.
            self._gater.throttled(now_ms)
            self._orders.count("frames_ignored", Reason.QUEUE_FULL)
            return
        if not earned and not self._gater.admits(peer.origin, now_ms, self._randomness):
            self._orders.count("frames_ignored", GATED)
            return
        self._seen.add(one, now_ms)
        self.pending.add(one, message, name, now_ms)
        self._gater.validated()
        self._orders.do(Inspect(name, one, message.topic, message.data))
        for other in told_of(message, self._meshes, self._parameters.mesh):
            if other != name:
                self._orders.idontwant(other, one)

    # Verdict

    def judge(self, event: Judged, now_ms: int) -> None:
        """The end of a pending message, or a further try on another sender's account."""
        pending = self.pending.get(event.message_id)
        if pending is None:
            self._orders.count("judgements_dropped", NOT_PENDING)
            return
        if event.verdict is Verdict.IGNORE and event.reason in NO_ROOM:
            self._gater.throttled(now_ms)
            self._orders.count("frames_ignored", event.reason)
            self._retrying.retry(event.message_id, pending, event.reason, now_ms)
            return
        self.pending.pop(event.message_id)
        origin = self._origin(next(iter(pending.senders)))
        match event.verdict:
            case Verdict.ACCEPT:
                self._gater.delivered(origin)
                self._accept(event, pending)
            case Verdict.REJECT:
                self._rejected.add(event.message_id, now_ms)
                self._blame(pending.senders, pending.message.topic, event.reason, now_ms)
            case Verdict.IGNORE:
                if event.reason == Reason.DUPLICATE:  # a frame of known items only (PROTOCOL section 8)
                    self._gater.duplicate(origin)
                else:
                    self._gater.ignored(origin)
                self._orders.count("frames_ignored", event.reason)

    def _origin(self, name: bytes) -> str:
        peer = self._peers.get(name)
        return peer.origin if peer is not None else name.hex()

    def _accept(self, event: Judged, pending: Pending) -> None:
        one, message = event.message_id, pending.message
        rpc = Rpc(messages=(message,))
        self._history.put(one, rpc)
        self._credits.add(one, Credit(message.topic, event.new_bytes, pending.since_ms, pending.senders))
        self._orders.do(_ACCEPTED)
        self._choking.accepted(message.topic, one)
        lane = lane_of(message.topic)
        word: Rpc | None = None
        for name, peer in (self._meshes.of(message.topic) | self._peers.direct_of(message.topic)).items():
            if name in pending.senders or one in peer.unwanted:
                continue
            if message.topic in peer.chokes:
                word = word or Rpc(ihave=(IHave(message.topic, (one,)),))  # one object, encoded once
                self._orders.do(SendRpc(name, word, Lane.CONTROL))
            else:
                self._orders.do(SendRpc(name, rpc, lane, one))

    def _blame(self, senders: Iterable[bytes], topic: str, reason: str, now_ms: int) -> None:
        self._orders.count("frames_rejected", reason)
        names = list(senders)
        self._scores.rejected(names, topic)
        for name in names:
            self._gater.rejected(self._origin(name))
        self._standing.look(names, now_ms)

    # Time

    def expire(self, now_ms: int) -> None:
        """Each heartbeat."""
        self._seen.expire(now_ms)
        self._retrying.expire()
        for credit in self._credits.due(now_ms):
            self._scores.accepted(credit.senders, credit.topic, credit.new_bytes, now_ms)
        late = self.pending.late(now_ms)
        for one in late:
            self.pending.pop(one)
            self._gater.throttled(now_ms)
        if late:
            self._orders.count("frames_ignored", Reason.TIMEOUT, len(late))
