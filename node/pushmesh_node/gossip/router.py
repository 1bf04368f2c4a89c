"""The gossip router: `handle(event, now_ms)` gives the effects to carry out. No I/O, clock or randomness.

Floods each accepted message to every peer that subscribed to its topic, and speaks gossipsub 1.1 well enough that other
implementations deliver and receive: it accepts their GRAFTs, asks for what they announce and answers IWANT.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pushmesh_protocol.reasons import Reason, Verdict

from .caches import RecentCache, SeenCache
from .effects import Count, Disconnect, Effect, Inspect, Lane, SendRpc
from .events import (
    Event,
    Heartbeat,
    Judged,
    PeerConnected,
    PeerDisconnected,
    Published,
    RecordShown,
    RpcReceived,
    Scored,
    Subscribed,
)
from .message_id import message_id
from .rpc import Graft, IHave, Message, Prune, Rpc, Subscription

PRUNE_BACKOFF_S: Final = 60
UNSUBSCRIBE_BACKOFF_S: Final = 10
NO_ROOM: Final = frozenset({Reason.THROTTLED, Reason.NO_CREDIT, Reason.QUEUE_FULL})
"""Verdicts on the moment or on the sender and not on the message: another's copy gets another look, else whoever is
over its budget could keep a message from this node by sending it first."""


@dataclass(frozen=True, slots=True)
class RouterLimits:
    """Bounds on everything the router keeps or sends."""

    max_peers: int = 64
    max_topics_per_peer: int = 64
    max_data_bytes: int = 512 * 1024
    seen_ttl_ms: int = 600_000
    max_seen_ids: int = 200_000
    max_pending_messages: int = 2_048
    max_pending_bytes: int = 32 * 1024 * 1024
    max_pending_per_peer: int = 512
    judge_timeout_ms: int = 30_000
    max_recent_messages: int = 1_024
    max_recent_bytes: int = 16 * 1024 * 1024
    iwant_bytes_per_heartbeat: int = 512 * 1024  # answered to one peer
    iwant_times_per_message: int = 2  # answered to one peer
    ihave_ids_per_heartbeat: int = 500  # asked of one peer
    max_rejects: int = 16  # then the peer is disconnected


@dataclass(slots=True)
class _Peer:
    topics: set[str] = field(default_factory=set)
    mesh: set[str] = field(default_factory=set)  # topics for which the peer holds this node in its mesh
    pending: int = 0
    rejects: int = 0
    iwant_bytes_left: int = 0
    ihave_ids_left: int = 0


@dataclass(slots=True)
class _Pending:
    topic: str
    data: bytes
    first_peer: bytes
    senders: set[bytes]
    since_ms: int


class Router:
    """Owns what is known of peers, topics and messages in flight. Never raises for what a peer sent."""

    def __init__(self, limits: RouterLimits | None = None) -> None:
        self._limits = limits or RouterLimits()
        self._topics: frozenset[str] = frozenset()
        self._peers: dict[bytes, _Peer] = {}
        self._pending: dict[bytes, _Pending] = {}
        self._pending_bytes = 0
        self._seen = SeenCache(self._limits.seen_ttl_ms, self._limits.max_seen_ids)
        self._recent = RecentCache(self._limits.max_recent_messages, self._limits.max_recent_bytes)
        self._asked: set[bytes] = set()  # ids asked for since the last heartbeat

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """The effects of one event, to be carried out in order. `now_ms` never goes back."""
        match event:
            case RpcReceived():
                return self._on_rpc(event, now_ms)
            case Judged():
                return self._on_judged(event)
            case Published():
                return self._on_published(event, now_ms)
            case PeerConnected():
                return self._on_connected(event)
            case PeerDisconnected():
                self._peers.pop(event.peer, None)
                return []
            case Subscribed():
                return self._on_subscribed(event)
            case Scored() | RecordShown():
                return []  # flooding chooses no peers, so there is nothing that an opinion could change
            case Heartbeat():
                return self._on_heartbeat(now_ms)

    def pending_of(self, peer: bytes) -> int:
        """Messages of this peer that wait for their judgement; the driver stops reading from it when they are many."""
        held = self._peers.get(peer)
        return held.pending if held is not None else 0

    def gauges(self) -> list[tuple[str, str, int]]:
        """(name, label, value) of what is held now."""
        return [
            ("router_peers", "", len(self._peers)),
            ("router_pending_frames", "", len(self._pending)),
            ("router_pending_bytes", "", self._pending_bytes),
            ("router_seen_ids", "", len(self._seen)),
        ]

    # Peers

    def _on_connected(self, event: PeerConnected) -> list[Effect]:
        if event.peer in self._peers:
            return []
        if len(self._peers) >= self._limits.max_peers:
            return [Disconnect(event.peer, "too-many-peers")]
        peer = self._peers[event.peer] = _Peer()
        self._refill(peer)
        if not self._topics:
            return []
        hello = Rpc(subscriptions=tuple(Subscription(True, topic) for topic in sorted(self._topics)))
        return [SendRpc(event.peer, hello, lane=Lane.CONTROL)]

    def _on_subscribed(self, event: Subscribed) -> list[Effect]:
        joined, left = sorted(event.topics - self._topics), sorted(self._topics - event.topics)
        self._topics = event.topics
        if not joined and not left:
            return []
        changes = [Subscription(True, topic) for topic in joined] + [Subscription(False, topic) for topic in left]
        effects: list[Effect] = []
        for name, peer in self._peers.items():
            prunes = [Prune(topic, (), UNSUBSCRIBE_BACKOFF_S) for topic in left if topic in peer.mesh]
            peer.mesh.difference_update(left)
            effects.append(SendRpc(name, Rpc(subscriptions=tuple(changes), prune=tuple(prunes)), lane=Lane.CONTROL))
        return effects

    # RPCs

    def _on_rpc(self, event: RpcReceived, now_ms: int) -> list[Effect]:
        peer = self._peers.get(event.peer)
        if peer is None:
            return [Count("rpcs_dropped", "unknown-peer")]
        rpc = event.rpc
        effects: list[Effect] = []
        self._take_subscriptions(peer, rpc.subscriptions, effects)
        for message in rpc.messages:
            self._take_message(event.peer, peer, message, now_ms, effects)
        answer = Rpc(
            messages=self._answer_iwant(event.peer, peer, rpc.iwant),
            iwant=self._ask_for(peer, rpc.ihave, now_ms),
            prune=self._take_grafts(peer, rpc.graft),
        )
        for prune in rpc.prune:
            peer.mesh.discard(prune.topic)
        effects += _split_answer(event.peer, answer)
        return effects

    def _take_subscriptions(self, peer: _Peer, changes: Iterable[Subscription], effects: list[Effect]) -> None:
        for change in changes:
            if not change.subscribe:
                peer.topics.discard(change.topic)
                peer.mesh.discard(change.topic)
            elif len(peer.topics) < self._limits.max_topics_per_peer:
                peer.topics.add(change.topic)
            elif change.topic not in peer.topics:
                effects.append(Count("subscriptions_dropped", "too-many-topics"))

    def _take_grafts(self, peer: _Peer, grafts: Iterable[Graft]) -> tuple[Prune, ...]:
        # Flooding needs no mesh of its own, but a peer that may not graft us delivers nothing eagerly.
        refused = []
        for graft in grafts:
            if graft.topic in self._topics:
                peer.mesh.add(graft.topic)
            else:
                refused.append(Prune(graft.topic, (), PRUNE_BACKOFF_S))
        return tuple(refused)

    def _ask_for(self, peer: _Peer, announced: Iterable[IHave], now_ms: int) -> tuple[bytes, ...]:
        wanted: list[bytes] = []
        for have in announced:
            if have.topic not in self._topics:
                continue
            for one in have.message_ids:
                if peer.ihave_ids_left <= 0:
                    return tuple(wanted)
                if one not in self._asked and not self._seen.has(one, now_ms):
                    peer.ihave_ids_left -= 1
                    self._asked.add(one)
                    wanted.append(one)
        return tuple(wanted)

    def _answer_iwant(self, name: bytes, peer: _Peer, ids: Iterable[bytes]) -> tuple[Message, ...]:
        messages: list[Message] = []
        for one in ids:
            if peer.iwant_bytes_left <= 0:
                break
            held = self._recent.take(one, name, self._limits.iwant_times_per_message)
            if held is not None:
                topic, data = held
                peer.iwant_bytes_left -= len(data)
                messages.append(Message(topic, data))
        return tuple(messages)

    # Messages

    def _take_message(self, name: bytes, peer: _Peer, message: Message, now_ms: int, effects: list[Effect]) -> None:
        """Cheap before dear: form, topic, size, duplicate, room; then the inspection."""
        if message.signed:
            # [REJECT] from, seqno, signature or key present: StrictNoSign
            effects += self._blame({name}, Reason.MALFORMED)
            return
        if message.topic not in self._topics:
            effects.append(Count("frames_ignored", Reason.NOT_SUBSCRIBED))
            return
        if len(message.data) > self._limits.max_data_bytes:
            effects += self._blame({name}, Reason.OVERSIZE)
            return
        one = message_id(message.topic, message.data)
        if self._seen.has(one, now_ms):
            pending = self._pending.get(one)
            if pending is not None:
                pending.senders.add(name)
            effects.append(Count("frames_ignored", Reason.DUPLICATE))
            return
        if not self._has_room(peer, len(message.data)):
            # Not marked as seen: a later copy may find room.
            effects.append(Count("frames_ignored", Reason.QUEUE_FULL))
            return
        self._seen.add(one, now_ms)
        self._pending[one] = _Pending(message.topic, message.data, name, {name}, now_ms)
        self._pending_bytes += len(message.data)
        peer.pending += 1
        effects.append(Inspect(name, one, message.topic, message.data))

    def _has_room(self, peer: _Peer, size_bytes: int) -> bool:
        limits = self._limits
        return (
            len(self._pending) < limits.max_pending_messages
            and self._pending_bytes + size_bytes <= limits.max_pending_bytes
            and peer.pending < limits.max_pending_per_peer
        )

    def _on_published(self, event: Published, now_ms: int) -> list[Effect]:
        if len(event.data) > self._limits.max_data_bytes:
            return [Count("publishes_dropped", Reason.OVERSIZE)]
        one = message_id(event.topic, event.data)
        self._seen.add(one, now_ms)
        self._recent.add(one, event.topic, event.data)
        sends = self._flood(event.topic, event.data, frozenset())
        return [*sends, Count("frames_published", "" if sends else "no-peer")]

    def _on_judged(self, event: Judged) -> list[Effect]:
        pending = self._pop_pending(event.message_id)
        if pending is None:
            return [Count("judgements_dropped", "not-pending")]
        match event.verdict:
            case Verdict.ACCEPT:
                self._recent.add(event.message_id, pending.topic, pending.data)
                sends = self._flood(pending.topic, pending.data, pending.senders)
                return [Count("frames_accepted"), *sends]
            case Verdict.REJECT:
                return self._blame(pending.senders, event.reason)
            case Verdict.IGNORE:
                if event.reason in NO_ROOM:
                    self._seen.forget(event.message_id)
                return [Count("frames_ignored", event.reason)]

    def _pop_pending(self, one: bytes) -> _Pending | None:
        pending = self._pending.pop(one, None)
        if pending is not None:
            self._pending_bytes -= len(pending.data)
            first = self._peers.get(pending.first_peer)
            if first is not None and first.pending > 0:
                first.pending -= 1
        return pending

    def _flood(self, topic: str, data: bytes, but: Iterable[bytes]) -> list[Effect]:
        rpc = Rpc(messages=(Message(topic, data),))
        return [SendRpc(name, rpc) for name, peer in self._peers.items() if topic in peer.topics and name not in but]

    def _blame(self, senders: Iterable[bytes], reason: str) -> list[Effect]:
        effects: list[Effect] = [Count("frames_rejected", reason)]
        for name in sorted(senders):
            peer = self._peers.get(name)
            if peer is None:
                continue
            peer.rejects += 1
            if peer.rejects == self._limits.max_rejects:
                effects.append(Disconnect(name, "rejects"))
        return effects

    # Time

    def _on_heartbeat(self, now_ms: int) -> list[Effect]:
        self._seen.expire(now_ms)
        self._asked.clear()
        for peer in self._peers.values():
            self._refill(peer)
        late = [one for one, held in self._pending.items() if now_ms - held.since_ms >= self._limits.judge_timeout_ms]
        for one in late:
            self._pop_pending(one)
        return [Count("frames_ignored", Reason.TIMEOUT, len(late))] if late else []

    def _refill(self, peer: _Peer) -> None:
        peer.iwant_bytes_left = self._limits.iwant_bytes_per_heartbeat
        peer.ihave_ids_left = self._limits.ihave_ids_per_heartbeat


def _split_answer(peer: bytes, answer: Rpc) -> list[Effect]:
    """Control first, then one RPC for each message, so that no answer grows over the limit of an RPC."""
    effects: list[Effect] = []
    if answer.iwant or answer.prune:
        effects.append(SendRpc(peer, Rpc(iwant=answer.iwant, prune=answer.prune), lane=Lane.CONTROL))
    effects += [SendRpc(peer, Rpc(messages=(message,))) for message in answer.messages]
    return effects
