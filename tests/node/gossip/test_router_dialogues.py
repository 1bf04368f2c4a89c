"""Whatever peers and driver say, in whatever order: the bounds hold, nothing unaccepted leaves, nothing is raised."""

from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings, strategies as st

from pushmesh_node.gossip.counts import COUNTS
from pushmesh_node.gossip.effects import Count, Dial, Disconnect, Effect, Inspect, SendRpc, Unsend
from pushmesh_node.gossip.events import (
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
from pushmesh_node.gossip.parameters import MeshParameters, RouterLimits, RouterParameters, ScoreParameters
from pushmesh_node.gossip.router import Router
from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.node_ids import to_peer_id
from pushmesh_node.gossip.wire.rpc import (
    MAX_CONTROL_ENTRIES,
    MAX_MESSAGE_IDS,
    MAX_SUBSCRIPTIONS,
    ExchangedPeer,
    Graft,
    IHave,
    Message,
    Prune,
    Rpc,
    Subscription,
)
from pushmesh_node.gossip.wire.rpc_wire import decode, encode
from pushmesh_protocol.reasons import Reason, Verdict
from support.router_world import crowd

NAMES = crowd(9)
TOPICS = ["/t", "/u", "/x/control/grant"]
BODIES = [b"", b"1", b"22", b"x" * 2_000, b"y" * 3_000]
PARAMETERS = RouterParameters(
    mesh=MeshParameters(
        d=3,
        d_low=2,
        d_high=4,
        d_score=1,
        d_out=1,
        d_lazy=2,
        opportunistic_graft_heartbeats=2,
        exchanged_peers=2,
        asked_at_once=2,
        idontwant_ids_per_heartbeat=2,
        ihave_ids_per_heartbeat=4,
        iwant_bytes_per_heartbeat=3_000,
    ),
    score=ScoreParameters(accept_px_threshold=0.0, opportunistic_graft_threshold=5.0),
    limits=RouterLimits(
        max_peers=7,
        max_topics_per_peer=2,
        max_data_bytes=2_500,
        max_pending_messages=3,
        max_pending_per_peer=2,
        max_seen_ids=5,
        max_recent_messages=4,
        max_recent_bytes=4_000,
        max_backoffs=6,
        max_promises=14,
        max_fanout_topics=1,
        max_owed_per_peer=1,
        judge_timeout_ms=3_000,
    ),
)

peers = st.sampled_from(NAMES)
topics = st.sampled_from(TOPICS)
bodies = st.sampled_from(BODIES)
message_ids = st.builds(message_id, topics, bodies) | st.binary(min_size=20, max_size=20)
exchanged = st.builds(ExchangedPeer, st.builds(to_peer_id, peers) | st.just(b"rsa"), st.sampled_from([b"", b"record"]))


def lists_of(one: st.SearchStrategy[object], size: int = 3) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(one, max_size=size).map(tuple)


rpcs = st.builds(
    Rpc,
    subscriptions=lists_of(st.builds(Subscription, st.booleans(), topics)),
    messages=lists_of(st.builds(Message, topics, bodies, st.sampled_from([False] * 9 + [True]))),
    ihave=lists_of(st.builds(IHave, topics, lists_of(message_ids))),
    iwant=lists_of(message_ids),
    graft=lists_of(st.builds(Graft, topics)),
    prune=lists_of(st.builds(Prune, topics, lists_of(exchanged), st.sampled_from([0, 1, 60, 2**63]))),
    idontwant=lists_of(message_ids, 5),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        PeerConnected, peers, st.booleans(), st.sampled_from(Dialect), st.sampled_from(["", "10.0.0.1", "10.0.0.2"])
    ),
    st.builds(PeerDisconnected, peers),
    st.builds(RecordShown, peers, st.just(b"record")),
    st.builds(RpcReceived, peers, rpcs),
    st.builds(RpcReceived, peers, rpcs),
    st.builds(RpcReceived, peers, rpcs),
    st.builds(Published, topics, bodies),
    st.builds(
        Judged,
        st.builds(message_id, topics, bodies),
        st.sampled_from(Verdict),
        st.sampled_from([Reason.THROTTLED, Reason.TOO_OLD, Reason.NO_CREDIT]),
        st.sampled_from([0, 5_000]),
    ),
    st.builds(Subscribed, st.frozensets(topics)),
    st.builds(Scored, peers, st.sampled_from([-20_000_000, -200_000, -1, 0, 50_000])),
    st.just(Heartbeat()),
    st.just(Heartbeat()),
)
dialogues = st.lists(st.tuples(events, st.sampled_from([0, 30, 1_000, 70_000])), max_size=60)
START: list[tuple[Event, int]] = [
    (Subscribed(frozenset(TOPICS)), 0),
    *((PeerConnected(name, at % 3 == 0, Dialect.V1_2), 0) for at, name in enumerate(NAMES[:6])),
    *((RpcReceived(name, Rpc((Subscription(True, "/t"),), graft=(Graft("/t"),))), 0) for name in NAMES[:5]),
]


@dataclass
class Model:
    """What the router must know: a naive twin of its driver."""

    connected: set[bytes] = field(default_factory=set)
    topics: frozenset[str] = frozenset()
    subscribed: set[tuple[bytes, str]] = field(default_factory=set)
    inspecting: dict[bytes, str] = field(default_factory=dict)
    accepted: set[bytes] = field(default_factory=set)

    def before(self, event: Event) -> None:
        match event:
            case PeerDisconnected(peer):
                self.leave(peer)
            case RpcReceived(peer, rpc) if peer in self.connected:
                self.take_subscriptions(peer, rpc)
            case Subscribed(topics):
                self.topics = topics
            case Published(topic, data):
                self.accepted.add(message_id(topic, data))
            case Judged(one, Verdict.ACCEPT) if one in self.inspecting:
                self.accepted.add(one)

    def leave(self, peer: bytes) -> None:
        self.connected.discard(peer)
        self.subscribed = {(name, topic) for name, topic in self.subscribed if name != peer}

    def take_subscriptions(self, peer: bytes, rpc: Rpc) -> None:
        for change in rpc.subscriptions:
            (self.subscribed.add if change.subscribe else self.subscribed.discard)((peer, change.topic))
        self.subscribed.update([(peer, graft.topic) for graft in rpc.graft])

    def after(self, event: Event, effects: list[Effect]) -> None:
        if isinstance(event, PeerConnected) and not any(isinstance(effect, Disconnect) for effect in effects):
            self.connected.add(event.peer)
        for effect in effects:
            match effect:
                case SendRpc(peer, rpc, _, one):
                    assert peer in self.connected, "an RPC for a stranger"
                    self.check_rpc(rpc, one)
                case Unsend(peer) | Inspect(peer):
                    assert peer in self.connected or not isinstance(effect, Unsend)
                case Disconnect(peer):
                    self.leave(peer)
                case Count(name, label, n):
                    assert label in COUNTS[name] and n > 0
                case Dial(peer, record):
                    assert peer not in self.connected and record
            if isinstance(effect, Inspect):
                self.inspecting[effect.message_id] = effect.topic

    def check_rpc(self, rpc: Rpc, one: bytes | None) -> None:
        assert decode(encode(rpc)) == rpc != Rpc()
        sent = [message_id(message.topic, message.data) for message in rpc.messages]
        assert set(sent) <= self.accepted and not any(message.signed for message in rpc.messages)
        assert (one is not None) == bool(sent) and sent in ([], [one])
        assert len(rpc.idontwant) <= PARAMETERS.mesh.idontwant_ids_per_rpc
        assert len(rpc.graft) + len(rpc.prune) <= MAX_CONTROL_ENTRIES and len(rpc.subscriptions) <= MAX_SUBSCRIPTIONS
        assert sum([len(have.message_ids) for have in rpc.ihave]) + len(rpc.iwant) <= MAX_MESSAGE_IDS
        assert all(graft.topic in self.topics for graft in rpc.graft)


def check(router: Router, model: Model) -> None:
    limits = PARAMETERS.limits
    assert router.peers() == model.connected and len(model.connected) <= limits.max_peers
    for topic in TOPICS:
        assert router.mesh_of(topic) <= model.connected
        assert topic in model.topics or not router.mesh_of(topic)
        assert all((name, topic) in model.subscribed for name in router.mesh_of(topic))
    held = {name: value for name, _, value in router.gauges()}
    assert 0 <= held["router_pending_frames"] <= limits.max_pending_messages
    assert 0 <= held["router_pending_bytes"] <= limits.max_pending_messages * limits.max_data_bytes
    assert held["router_pending_frames"] == sum([router.pending_of(name) for name in NAMES])
    assert all(router.pending_of(name) <= limits.max_pending_per_peer for name in NAMES)
    assert held["router_seen_ids"] <= limits.max_seen_ids
    assert held["router_history_bytes"] <= limits.max_recent_bytes
    assert held["router_backoffs"] <= limits.max_backoffs
    assert held["router_wanted_ids"] <= limits.max_promises


def check_after_heartbeat(router: Router) -> None:
    p = PARAMETERS.mesh
    for topic in TOPICS:
        assert len(router.mesh_of(topic)) <= p.d_high + p.d_out + p.opportunistic_graft_peers
        assert all(router.score_of(name) >= 0 for name in router.mesh_of(topic))


@settings(max_examples=300, deadline=None)
@given(dialogues, st.integers(0, 3))
def test_no_dialogue_breaks_a_rule(dialogue: list[tuple[Event, int]], seed: int) -> None:
    router, model, now_ms = Router(PARAMETERS, Random(seed)), Model(), 0
    for event, later_ms in START + dialogue:
        now_ms += later_ms
        model.before(event)
        effects = router.handle(event, now_ms)
        model.after(event, effects)
        check(router, model)
        if isinstance(event, Heartbeat):
            check_after_heartbeat(router)


@settings(max_examples=50, deadline=None)
@given(dialogues, st.integers(0, 3))
def test_the_same_seed_and_dialogue_have_the_same_effects(dialogue: list[tuple[Event, int]], seed: int) -> None:
    def run() -> list[list[Effect]]:
        router, now_ms, log = Router(PARAMETERS, Random(seed)), 0, []
        for event, later_ms in START + dialogue:
            now_ms += later_ms
            log.append(router.handle(event, now_ms))
        return log

    assert run() == run()


@settings(max_examples=50, deadline=None)
@given(dialogues)
def test_after_everybody_left_and_time_passed_nothing_is_kept(dialogue: list[tuple[Event, int]]) -> None:
    router, now_ms = Router(PARAMETERS, Random(1)), 0
    for event, later_ms in START + dialogue:
        now_ms += later_ms
        router.handle(event, now_ms)
    for name in NAMES:
        router.handle(PeerDisconnected(name), now_ms)
    for _ in range(20):
        now_ms += 3_700_000
        router.handle(Heartbeat(), now_ms)
    assert {name: value for name, _, value in router.gauges() if value} == {}
