"""The way of a message: first sight, inspection, verdict, forwarding, and who is credited or blamed for it."""

from collections.abc import Callable, Iterable
from typing import Final

from pushmesh_protocol.reasons import Reason, Verdict

from ..caches import SeenCache
from ..counts import GATED, NO_PEER, NOT_PENDING, REJECTED_BEFORE
from ..effects import Count, Inspect, Lane, SendRpc
from ..events import Judged, Published
from ..frames.inspection_queue import Merit
from ..mesh.choking import Choking
from ..mesh.meshes import Meshes
from ..mesh.standing import Standing
from ..orders import Orders
from ..parameters import RouterParameters
from ..peers import Peer, Peers
from ..randomness import Randomness
from ..rotating import RotatingCounter
from ..scores.gater import PeerGater
from ..scores.scoring import PeerScores
from ..topics import lane_of
from ..wire.dialects import Dialect
from ..wire.rpc import IHave, Message, Rpc
from .fanout import Fanout
from .fetching import Fetching
from .history import History
from .pending import Credit, OpenCredits, Pending, PendingMessages, Refusals

NO_ROOM: Final = frozenset({Reason.THROTTLED, Reason.NO_CREDIT, Reason.QUEUE_FULL})
"""Verdicts on the moment or on the sender and not on the message: another's copy gets another look, else whoever is
over its budget could keep a message from this node by sending it first."""

HOPES_PER_MESSAGE: Final = 3
"""Rounds of asking for what found no room; under lasting load more would only add to it, and sync repairs."""

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
        fanout: Fanout,
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
        self._fanout = fanout
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
        self._refusals = Refusals(limits.max_pending_messages)
        self._hopes = RotatingCounter(limits.max_pending_messages)

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
        if len(self._refusals) and self._refusals.has(one, name):
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
        if size >= self._parameters.mesh.idontwant_least_bytes:
            for other in self._spared(message.topic):
                if other != name:
                    self._orders.idontwant(other, one)

    def _spared(self, topic: str) -> list[bytes]:
        """Who is told of a large message that came, so that it is not sent here again."""
        return [name for name, peer in self._meshes.of(topic).items() if peer.dialect >= Dialect.V1_2]

    # Verdict

    def judge(self, event: Judged, now_ms: int) -> None:
        """The end of a pending message, or a further try on another sender's account."""
        pending = self.pending.get(event.message_id)
        if pending is None:
            self._orders.count("judgements_dropped", NOT_PENDING)
            return
        if event.verdict is Verdict.IGNORE and event.reason in NO_ROOM:
            self._no_room(event.message_id, pending, event.reason, now_ms)
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
        for name, peer in self._meshes.of(message.topic).items():
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

    def _no_room(self, one: bytes, pending: Pending, reason: str, now_ms: int) -> None:
        """No word on the message: another sender's account may do, else it may come again.

        The mesh may hold it back by now, as it was told that it came: so the mesh is asked for it, a few times."""
        self._gater.throttled(now_ms)
        self._orders.count("frames_ignored", reason)
        message, tried = pending.message, pending.tried
        others = [name for name in pending.senders if name not in tried and name != pending.account]
        if reason == Reason.THROTTLED:
            self._refusals.add(one, pending.account)
        if reason == Reason.THROTTLED and others and self.pending.has_room(others[0], 0, len(self._peers)):
            self.pending.move(pending, others[0])
            self._orders.do(Inspect(others[0], one, message.topic, message.data))
            return
        self.pending.pop(one)
        self._seen.forget(one)
        if self._hopes.add(one) > HOPES_PER_MESSAGE:
            return
        may_have_it = dict.fromkeys(others)
        if len(message.data) >= self._parameters.mesh.idontwant_least_bytes:
            may_have_it.update(dict.fromkeys(self._spared(message.topic)))
        if reason == Reason.THROTTLED:
            may_have_it.pop(pending.account, None)
        else:
            may_have_it[pending.account] = None
        self._fetching.hope([name for name in may_have_it if self._peers.get(name) is not None], one, now_ms)

    # Own messages

    def publish(self, event: Published, now_ms: int) -> None:
        """To all of the topic that are worth it, or to the mesh or fanout only."""
        topic, data = event.topic, event.data
        if len(data) > self._parameters.limits.max_data_bytes:
            self._orders.count("publishes_dropped", Reason.OVERSIZE)
            return
        one = self._identify(topic, data)
        rpc = Rpc(messages=(Message(topic, data),))
        self._seen.add(one, now_ms)
        self._history.put(one, rpc)
        lane, sent = lane_of(topic), False
        for name, peer in self._hearers(topic, now_ms).items():
            if one not in peer.unwanted:
                sent = True
                self._orders.do(SendRpc(name, rpc, lane, one))
        self._orders.count("frames_published", "" if sent else NO_PEER)

    def _hearers(self, topic: str, now_ms: int) -> dict[bytes, Peer]:
        subscribers = self._peers.of_topic(topic)
        if topic in self._meshes:
            hearers = dict(self._meshes.of(topic))
        else:
            self._fanout.use(topic, now_ms)
            hearers = {name: subscribers[name] for name in self._fanout.members(topic) if name in subscribers}
        if self._parameters.mesh.flood_publish:
            threshold = self._parameters.score.publish_threshold
            for name, peer in subscribers.items():
                if name not in hearers and self._scores.of(name) >= threshold:
                    hearers[name] = peer
        return hearers

    # Time

    def expire(self, now_ms: int) -> None:
        """Each heartbeat."""
        self._seen.expire(now_ms)
        self._refusals.shift()
        for credit in self._credits.due(now_ms):
            self._scores.accepted(credit.senders, credit.topic, credit.new_bytes, now_ms)
        late = self.pending.late(now_ms)
        for one in late:
            self.pending.pop(one)
            self._gater.throttled(now_ms)
        if late:
            self._orders.count("frames_ignored", Reason.TIMEOUT, len(late))
