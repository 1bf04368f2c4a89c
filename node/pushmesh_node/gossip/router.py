"""The gossip router: `handle(event, now_ms)` gives the effects to carry out. No I/O, clock or randomness of its own.

gossipsub v1.1 and v1.2, as PROTOCOL section 8 bends them. This file makes the parts and passes events to them.
"""

from collections.abc import Callable, Iterable

from .caches import SeenCache
from .counts import GRAYLISTED, TOO_MANY, TOO_MANY_PEERS, TOO_MANY_TOPICS, UNKNOWN_PEER, UNSUBSCRIBED
from .effects import Disconnect, Effect, Unsend
from .events import (
    Event,
    Heartbeat,
    Judged,
    PeerConnected,
    PeerDisconnected,
    Published,
    RecordShown,
    Remembered,
    RpcReceived,
    Scored,
    Subscribed,
)
from .frames.inspection_queue import Merit
from .mesh.backoff import Backoffs
from .mesh.choking import Choking
from .mesh.exchange import Exchange
from .mesh.grafting import Grafting
from .mesh.heartbeat import Maintenance
from .mesh.meshes import Meshes
from .mesh.standing import Standing
from .messages.announcing import Announcing
from .messages.fanout import Fanout
from .messages.fetching import Fetching
from .messages.history import History
from .messages.idontwant import IDontWants
from .messages.messages import Messages
from .messages.publishing import Publishing
from .orders import Orders
from .parameters import RouterParameters
from .peers import Peer, Peers, Spent
from .randomness import Randomness
from .scores.gater import PeerGater
from .scores.scoring import PeerScores, ScoreParts
from .wire.dialects import Dialect
from .wire.message_id import message_id
from .wire.rpc import Rpc, Subscription


class Router:
    """Owns what is known of peers, meshes and messages in flight. Never raises for what a peer sent.

    `identify` is `message_id` or a faster equal of it."""

    def __init__(
        self,
        parameters: RouterParameters,
        randomness: Randomness,
        *,
        identify: Callable[[str, bytes], bytes] = message_id,
    ) -> None:
        p, limits = parameters.mesh, parameters.limits
        self._parameters = parameters
        self._orders = orders = Orders(p.idontwant_ids_per_rpc)
        self._peers = peers = Peers(limits.max_topics_per_peer)
        self._scores = scores = PeerScores(parameters.score, parameters.direct)
        self._gater = PeerGater(parameters.gater)
        self._backoffs = Backoffs(p.backoff_slack_ms, limits.max_backoffs)
        self._seen = SeenCache(limits.seen_ttl_ms, limits.max_seen_ids)
        self._history = History(
            p.history_heartbeats, p.gossip_heartbeats, limits.max_recent_messages, limits.max_recent_bytes
        )
        self._idontwants = IDontWants(p)
        self._meshes = meshes = Meshes(p, peers, scores, self._backoffs, randomness, orders)
        self._fanout = Fanout(parameters, peers, scores, randomness)
        self._exchange = Exchange(parameters, peers, scores, randomness, orders)
        self._standing = Standing(parameters.score, peers, scores, meshes, orders, self._let_go)
        self._grafting = Grafting(p, peers, scores, meshes, self._backoffs, self._exchange, self._standing, orders)
        self._choking = choking = Choking(parameters.choking, meshes, orders)
        self._maintenance = Maintenance(parameters, scores, meshes, self._exchange, randomness)
        self._announcing = Announcing(
            parameters, peers, scores, meshes, self._fanout, self._history, randomness, orders
        )
        self._fetching = Fetching(
            parameters, peers, scores, meshes, choking, self._seen, self._standing, randomness, orders
        )
        self._messages = Messages(
            parameters,
            peers,
            scores,
            self._gater,
            meshes,
            choking,
            self._history,
            self._seen,
            self._fetching,
            self._standing,
            randomness,
            orders,
            identify,
        )
        self._publishing = Publishing(
            parameters, peers, scores, meshes, self._fanout, self._history, self._seen, orders, identify
        )

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """The effects of one event, to be carried out in order. `now_ms` never goes back."""
        self._take(event, now_ms)
        return self._orders.drain()

    def handle_all(self, events: Iterable[Event], now_ms: int) -> list[Effect]:
        """The same for events that came together: the control that they lead to is one RPC a peer, not one for each
        event."""
        for event in events:
            self._take(event, now_ms)
        return self._orders.drain()

    def _take(self, event: Event, now_ms: int) -> None:
        match event:
            case RpcReceived():
                self._on_rpc(event, now_ms)
            case Judged():
                self._messages.judge(event, now_ms)
            case Published():
                self._publishing.publish(event, now_ms)
            case Heartbeat():
                self._on_heartbeat(now_ms)
            case PeerConnected():
                self._on_connected(event, now_ms)
            case PeerDisconnected():
                self._let_go(event.peer, now_ms)
            case Subscribed():
                self._on_subscribed(event, now_ms)
            case RecordShown():
                self._on_record(event)
            case Scored():
                self._scores.set_app(event.peer, event.score_milli)
                self._standing.look((event.peer,), now_ms)
            case Remembered():
                self._scores.restore(event.peer, event.score_milli, now_ms)

    # What others may know

    def peers(self) -> frozenset[bytes]:
        """Those connected."""
        return frozenset(peer.node_id for peer in self._peers.all())

    def mesh_of(self, topic: str) -> frozenset[bytes]:
        """Empty for a topic without part in it."""
        return frozenset(self._meshes.of(topic))

    def has_choked(self, topic: str, peer: bytes) -> bool:
        """Whether this node asked a peer to announce instead of push."""
        return self._choking.has_choked(topic, peer)

    def score_of(self, peer: bytes) -> float:
        """Also of a peer that left and is remembered."""
        return self._scores.of(peer)

    def merit_of(self, peer: bytes) -> Merit:
        """How soon to look at what it sends."""
        return self._messages.merit_of(peer)

    def parts_of(self, peer: bytes) -> ScoreParts:
        """What its score is made of; nothing for a peer that is not known."""
        return self._scores.parts(peer)

    def meshes_with(self, peer: bytes) -> list[str]:
        """The topics in whose mesh it is, in order."""
        return sorted(topic for topic in self._meshes.topics() if peer in self._meshes.of(topic))

    def pending_of(self, peer: bytes) -> int:
        """Messages of this peer that wait for their judgement."""
        return self._messages.pending.of(peer)

    def is_full_of(self, peer: bytes) -> bool:
        """Whether so much of this peer waits that the driver does not read it: then it waits in the peer's own queue.
        Whoever has a bad name is read frame by frame."""
        limits, waiting = self._parameters.limits, self._messages.pending.of(peer)
        if waiting < limits.unread_beyond_pending_faulty:
            return False
        return waiting >= limits.unread_beyond_pending or self.merit_of(peer) is Merit.FAULTY

    def gauges(self) -> list[tuple[str, str, int]]:
        """(name, label, value) of what is held now."""
        return [
            ("router_peers", "", len(self._peers)),
            ("router_mesh_peers", "", sum([len(self._meshes.of(topic)) for topic in self._meshes.topics()])),
            ("router_backoffs", "", len(self._backoffs)),
            ("router_pending_frames", "", len(self._messages.pending)),
            ("router_pending_bytes", "", self._messages.pending.size_bytes),
            ("router_seen_ids", "", len(self._seen)),
            ("router_history_bytes", "", self._history.size_bytes),
            ("router_wanted_ids", "", self._fetching.wanted),
        ]

    # Peers

    def _on_connected(self, event: PeerConnected, now_ms: int) -> None:
        name = event.peer
        if self._peers.get(name) is not None:
            return
        if len(self._peers) >= self._parameters.limits.max_peers:
            self._orders.do(Disconnect(name, TOO_MANY_PEERS))
            return
        if self._scores.of(name) < self._parameters.score.graylist_threshold:
            self._orders.do(Disconnect(name, GRAYLISTED))
            return
        is_direct = name in self._parameters.direct
        self._peers.add(Peer(name, event.outbound, event.dialect, event.host or name.hex(), is_direct=is_direct))
        self._scores.connected(name, event.host, now_ms)
        topics = self._meshes.topics()
        if topics:
            self._orders.tell_topics(name, [Subscription(True, topic) for topic in topics])

    def _let_go(self, name: bytes, now_ms: int) -> None:
        """It left, or must leave: nothing is sent to it any more."""
        if self._peers.remove(name) is None:
            return
        self._meshes.forget(name)
        self._choking.forget(name)
        self._fetching.forget(name)
        self._scores.disconnected(name, now_ms)
        self._orders.drop(name)

    def _on_record(self, event: RecordShown) -> None:
        peer = self._peers.get(event.peer)
        if peer is not None and len(event.record) <= self._parameters.limits.max_record_bytes:
            peer.record = event.record

    def _on_subscribed(self, event: Subscribed, now_ms: int) -> None:
        before = set(self._meshes.topics())
        joined, left = sorted(event.topics - before), sorted(before - event.topics)
        if not joined and not left:
            return
        changes = [Subscription(True, topic) for topic in joined] + [Subscription(False, topic) for topic in left]
        for peer in self._peers.all():
            self._orders.tell_topics(peer.node_id, changes)
        for topic in joined:
            self._meshes.join(topic, self._fanout.end(topic), now_ms)
        for topic in left:
            self._meshes.leave(topic, now_ms)

    # RPCs

    def _on_rpc(self, event: RpcReceived, now_ms: int) -> None:
        peer = self._peers.get(event.peer)
        if peer is None:
            self._orders.count("rpcs_dropped", UNKNOWN_PEER)
            return
        if self._scores.of(event.peer) < self._parameters.score.graylist_threshold:
            self._orders.count("rpcs_dropped", GRAYLISTED)
            self._standing.look((event.peer,), now_ms)
            return
        rpc = event.rpc
        for change in rpc.subscriptions:
            self._take_subscription(peer, change, now_ms)
        if rpc.idontwant:
            self._take_idontwant(peer, rpc.idontwant)
        for message in rpc.messages:
            self._messages.take(peer, message, now_ms)
            if peer.is_gone:
                return
        self._take_control(peer, rpc, now_ms)

    def _take_control(self, peer: Peer, rpc: Rpc, now_ms: int) -> None:
        if rpc.graft:
            self._grafting.take_grafts(peer, rpc.graft, now_ms)
            if peer.is_gone:
                return
        if rpc.prune:
            self._grafting.take_prunes(peer, rpc.prune, now_ms)
        if peer.dialect >= Dialect.PUSHMESH:
            self._take_chokes(peer, rpc)
        if rpc.ihave:
            self._fetching.take_ihaves(peer, rpc.ihave, now_ms)
        if rpc.iwant:
            self._announcing.answer(peer, rpc.iwant)

    def _take_chokes(self, peer: Peer, rpc: Rpc) -> None:
        for topic in rpc.choke:
            if peer.node_id in self._meshes.of(topic):
                peer.chokes[topic] = None
        for topic in rpc.unchoke:
            peer.chokes.pop(topic, None)

    def _take_subscription(self, peer: Peer, change: Subscription, now_ms: int) -> None:
        if not change.subscribe:
            self._meshes.drop(change.topic, peer.node_id, now_ms, UNSUBSCRIBED)
            self._peers.unsubscribe(peer, change.topic)
        elif not self._peers.subscribe(peer, change.topic):
            self._orders.count("subscriptions_dropped", TOO_MANY_TOPICS)
        elif change.topic in self._meshes:
            self._maintenance.welcome(change.topic, peer, now_ms)

    def _take_idontwant(self, peer: Peer, ids: tuple[bytes, ...]) -> None:
        taken, dropped = self._idontwants.take(peer, ids)
        for one in self._history.held_of(taken):  # nothing of others can wait
            self._orders.do(Unsend(peer.node_id, one))
        if dropped:
            self._orders.count("idontwants_dropped", TOO_MANY, dropped)

    # Time

    def _on_heartbeat(self, now_ms: int) -> None:
        self._scores.refresh(now_ms)
        self._gater.refresh(now_ms)
        self._backoffs.expire(now_ms)
        self._exchange.refill()
        self._messages.expire(now_ms)
        for peer in self._peers.all():
            peer.spent = Spent()
        self._idontwants.expire(self._peers.all())
        self._standing.look([peer.node_id for peer in self._peers.all()], now_ms)
        self._fetching.follow_up(now_ms)
        self._maintenance.maintain(now_ms)
        self._choking.maintain()
        self._fanout.maintain(now_ms)
        self._announcing.announce()
        for peer in self._peers.all():
            if peer.owed:
                self._announcing.answer_owed(peer)
        self._history.shift()
