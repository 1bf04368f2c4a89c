import pytest
from hypothesis import given, strategies as st

from pushmesh_node.gossip.effects import Count, Disconnect, Effect, Inspect, Lane, SendRpc
from pushmesh_node.gossip.events import (
    Event,
    Heartbeat,
    Judged,
    PeerConnected,
    PeerDisconnected,
    Published,
    RpcReceived,
    Scored,
    Subscribed,
)
from pushmesh_node.gossip.message_id import message_id
from pushmesh_node.gossip.router import NO_ROOM, Router, RouterLimits
from pushmesh_node.gossip.rpc import Graft, IHave, Message, Prune, Rpc, Subscription
from pushmesh_protocol.reasons import Verdict

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32
T, U = "/t", "/u"
DATA = b"data"
ID = message_id(T, DATA)
NOW = 1_000_000


def a_router(*peers: bytes, limits: RouterLimits | None = None) -> Router:
    """Subscribed to T, with peers that are too."""
    router = Router(limits)
    router.handle(Subscribed(frozenset({T})), NOW)
    for peer in peers:
        router.handle(PeerConnected(peer), NOW)
        router.handle(RpcReceived(peer, Rpc(subscriptions=(Subscription(True, T),))), NOW)
    return router


def from_peer(peer: bytes, data: bytes = DATA, topic: str = T) -> RpcReceived:
    return RpcReceived(peer, Rpc(messages=(Message(topic, data),)))


def carrying(data: bytes = DATA, topic: str = T) -> Rpc:
    return Rpc(messages=(Message(topic, data),))


def test_a_new_peer_is_told_the_topics() -> None:
    hello = Rpc(subscriptions=(Subscription(True, T),))
    assert a_router().handle(PeerConnected(A), NOW) == [SendRpc(A, hello, lane=Lane.CONTROL)]


def test_a_peer_that_connects_twice_is_told_once() -> None:
    assert a_router(A).handle(PeerConnected(A), NOW) == []


def test_one_peer_too_many_is_disconnected() -> None:
    router = a_router(A, limits=RouterLimits(max_peers=1))
    assert router.handle(PeerConnected(B), NOW) == [Disconnect(B, "too-many-peers")]


def test_a_message_is_inspected_before_anything_is_sent() -> None:
    assert a_router(A, B).handle(from_peer(A), NOW) == [Inspect(A, ID, T, DATA)]


def test_an_accepted_message_goes_to_every_subscriber_but_those_who_sent_it() -> None:
    router = a_router(A, B, C)
    router.handle(from_peer(A), NOW)
    router.handle(from_peer(B), NOW)
    assert router.handle(Judged(ID, Verdict.ACCEPT), NOW) == [Count("frames_accepted"), SendRpc(C, carrying())]


def test_an_accepted_message_does_not_go_to_those_who_did_not_subscribe() -> None:
    router = a_router(A, B)
    router.handle(RpcReceived(B, Rpc(subscriptions=(Subscription(False, T),))), NOW)
    router.handle(from_peer(A), NOW)
    assert router.handle(Judged(ID, Verdict.ACCEPT), NOW) == [Count("frames_accepted")]


def test_an_ignored_message_goes_nowhere_and_blames_nobody() -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    assert router.handle(Judged(ID, Verdict.IGNORE, "too-old"), NOW) == [Count("frames_ignored", "too-old")]


@pytest.mark.parametrize("reason", sorted(NO_ROOM))
def test_what_was_ignored_for_want_of_room_is_looked_at_again_from_another_peer(reason: str) -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    router.handle(Judged(ID, Verdict.IGNORE, reason), NOW)
    assert router.handle(from_peer(B), NOW) == [Inspect(B, ID, T, DATA)]


def test_what_was_ignored_for_itself_is_not_looked_at_again() -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    router.handle(Judged(ID, Verdict.IGNORE, "too-old"), NOW)
    assert router.handle(from_peer(B), NOW) == [Count("frames_ignored", "duplicate")]


def test_a_rejected_message_goes_nowhere_and_too_many_disconnect_the_sender() -> None:
    router = a_router(A, B, limits=RouterLimits(max_rejects=2))
    router.handle(from_peer(A), NOW)
    assert router.handle(Judged(ID, Verdict.REJECT, "bad-signature"), NOW) == [
        Count("frames_rejected", "bad-signature")
    ]
    router.handle(from_peer(A, b"2"), NOW)
    effects = router.handle(Judged(message_id(T, b"2"), Verdict.REJECT, "malformed"), NOW)
    assert effects == [Count("frames_rejected", "malformed"), Disconnect(A, "rejects")]


def test_second_copy_has_no_effect_but_a_count() -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    assert router.handle(from_peer(B), NOW) == [Count("frames_ignored", "duplicate")]


def test_a_judgement_counts_once() -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    router.handle(Judged(ID, Verdict.ACCEPT), NOW)
    assert router.handle(Judged(ID, Verdict.ACCEPT), NOW) == [Count("judgements_dropped", "not-pending")]


def test_a_message_is_forgotten_after_its_time_and_can_come_again() -> None:
    router = a_router(A)
    router.handle(from_peer(A), NOW)
    router.handle(Judged(ID, Verdict.ACCEPT), NOW)
    assert router.handle(from_peer(A), NOW + 599_999) == [Count("frames_ignored", "duplicate")]
    assert router.handle(from_peer(A), NOW + 600_000) == [Inspect(A, ID, T, DATA)]


def test_a_signed_message_is_rejected() -> None:
    signed = Rpc(messages=(Message(T, DATA, signed=True),))
    assert a_router(A).handle(RpcReceived(A, signed), NOW) == [Count("frames_rejected", "malformed")]


def test_an_oversize_message_is_rejected() -> None:
    router = a_router(A, limits=RouterLimits(max_data_bytes=3))
    assert router.handle(from_peer(A), NOW) == [Count("frames_rejected", "oversize")]


def test_a_topic_of_no_interest_is_ignored() -> None:
    assert a_router(A).handle(from_peer(A, topic=U), NOW) == [Count("frames_ignored", "not-subscribed")]


def test_an_rpc_of_nobody_is_dropped() -> None:
    assert a_router().handle(from_peer(A), NOW) == [Count("rpcs_dropped", "unknown-peer")]


@pytest.mark.parametrize(
    "limits",
    [
        RouterLimits(max_pending_messages=1),
        RouterLimits(max_pending_bytes=7),
        RouterLimits(max_pending_per_peer=1),
    ],
)
def test_what_finds_no_room_is_ignored_and_may_come_again(limits: RouterLimits) -> None:
    router = a_router(A, limits=limits)
    router.handle(from_peer(A), NOW)
    assert router.handle(from_peer(A, b"more"), NOW) == [Count("frames_ignored", "queue-full")]
    router.handle(Judged(ID, Verdict.IGNORE, "too-old"), NOW)
    assert router.handle(from_peer(A, b"more"), NOW) == [Inspect(A, message_id(T, b"more"), T, b"more")]


def test_a_judgement_that_never_comes_frees_its_room() -> None:
    router = a_router(A, limits=RouterLimits(max_pending_messages=1, judge_timeout_ms=10))
    router.handle(from_peer(A), NOW)
    assert router.handle(Heartbeat(), NOW + 9) == []
    assert router.handle(Heartbeat(), NOW + 10) == [Count("frames_ignored", "timeout", 1)]
    assert router.handle(from_peer(A, b"2"), NOW + 11) == [Inspect(A, message_id(T, b"2"), T, b"2")]


def test_an_own_message_goes_to_every_subscriber_and_comes_back_as_duplicate() -> None:
    router = a_router(A, B)
    effects = router.handle(Published(T, DATA), NOW)
    assert effects == [SendRpc(A, carrying()), SendRpc(B, carrying()), Count("frames_published")]
    assert router.handle(from_peer(A), NOW) == [Count("frames_ignored", "duplicate")]


def test_an_own_message_that_nobody_wants_is_counted() -> None:
    assert a_router().handle(Published(T, DATA), NOW) == [Count("frames_published", "no-peer")]


def test_an_own_message_over_the_limit_is_counted_and_not_sent() -> None:
    router = a_router(A, limits=RouterLimits(max_data_bytes=3))
    assert router.handle(Published(T, DATA), NOW) == [Count("publishes_dropped", "oversize")]


def test_peers_are_told_of_topics_that_come_and_go() -> None:
    changes = (Subscription(True, U), Subscription(False, T))
    effects = a_router(A).handle(Subscribed(frozenset({U})), NOW)
    assert effects == [SendRpc(A, Rpc(subscriptions=changes), lane=Lane.CONTROL)]


def test_a_topic_that_is_left_is_pruned_where_it_was_grafted() -> None:
    router = a_router(A)
    router.handle(RpcReceived(A, Rpc(graft=(Graft(T),))), NOW)
    effects = router.handle(Subscribed(frozenset()), NOW)
    rpc = Rpc(subscriptions=(Subscription(False, T),), prune=(Prune(T, (), 10),))
    assert effects == [SendRpc(A, rpc, lane=Lane.CONTROL)]


def test_the_same_topics_again_have_no_effect() -> None:
    assert a_router(A).handle(Subscribed(frozenset({T})), NOW) == []


def test_a_graft_for_an_own_topic_is_accepted_silently_and_any_other_is_pruned() -> None:
    effects = a_router(A).handle(RpcReceived(A, Rpc(graft=(Graft(T), Graft(U)))), NOW)
    assert effects == [SendRpc(A, Rpc(prune=(Prune(U, (), 60),)), lane=Lane.CONTROL)]


def test_topics_of_one_peer_are_bounded() -> None:
    router = a_router(A, limits=RouterLimits(max_topics_per_peer=1))
    effects = router.handle(RpcReceived(A, Rpc(subscriptions=(Subscription(True, U),))), NOW)
    assert effects == [Count("subscriptions_dropped", "too-many-topics")]


def test_announced_messages_that_are_new_are_asked_for_once_a_heartbeat() -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    announce = Rpc(ihave=(IHave(T, (ID, b"new")), IHave(U, (b"other",))))
    assert router.handle(RpcReceived(A, announce), NOW) == [SendRpc(A, Rpc(iwant=(b"new",)), lane=Lane.CONTROL)]
    assert router.handle(RpcReceived(B, announce), NOW) == []
    router.handle(Heartbeat(), NOW)
    assert router.handle(RpcReceived(B, announce), NOW) == [SendRpc(B, Rpc(iwant=(b"new",)), lane=Lane.CONTROL)]


def test_asking_one_peer_is_bounded() -> None:
    router = a_router(A, limits=RouterLimits(ihave_ids_per_heartbeat=2))
    effects = router.handle(RpcReceived(A, Rpc(ihave=(IHave(T, (b"1", b"2", b"3")),))), NOW)
    assert effects == [SendRpc(A, Rpc(iwant=(b"1", b"2")), lane=Lane.CONTROL)]


def test_accepted_messages_can_be_asked_for_twice() -> None:
    router = a_router(A, B)
    router.handle(Published(T, DATA), NOW)
    ask = RpcReceived(A, Rpc(iwant=(ID, b"unknown")))
    assert router.handle(ask, NOW) == router.handle(ask, NOW) == [SendRpc(A, carrying())]
    assert router.handle(ask, NOW) == []


def test_ignored_messages_cannot_be_asked_for() -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    router.handle(Judged(ID, Verdict.IGNORE, "too-old"), NOW)
    assert router.handle(RpcReceived(B, Rpc(iwant=(ID,))), NOW) == []


def test_bytes_answered_to_one_peer_are_bounded_until_the_heartbeat() -> None:
    router = a_router(A, limits=RouterLimits(iwant_bytes_per_heartbeat=4))
    other = message_id(T, b"other")
    router.handle(Published(T, DATA), NOW)
    router.handle(Published(T, b"other"), NOW)
    ask = RpcReceived(A, Rpc(iwant=(ID, other)))
    assert router.handle(ask, NOW) == [SendRpc(A, carrying())]
    router.handle(Heartbeat(), NOW)
    assert router.handle(RpcReceived(A, Rpc(iwant=(other,))), NOW) == [SendRpc(A, carrying(b"other"))]


def test_a_peer_that_is_gone_gets_nothing() -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    router.handle(PeerDisconnected(B), NOW)
    assert router.handle(Judged(ID, Verdict.ACCEPT), NOW) == [Count("frames_accepted")]


def test_a_message_outlives_the_peer_that_brought_it() -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    router.handle(PeerDisconnected(A), NOW)
    assert router.handle(Judged(ID, Verdict.ACCEPT), NOW) == [Count("frames_accepted"), SendRpc(B, carrying())]


def test_what_waits_is_known_for_each_peer() -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    router.handle(from_peer(B), NOW)
    assert [router.pending_of(peer) for peer in (A, B, C)] == [1, 0, 0]
    router.handle(Judged(ID, Verdict.IGNORE, "too-old"), NOW)
    assert router.pending_of(A) == 0


def test_gauges_tell_what_is_held() -> None:
    router = a_router(A, B)
    router.handle(from_peer(A), NOW)
    assert dict((name, value) for name, _, value in router.gauges()) == {
        "router_peers": 2,
        "router_pending_frames": 1,
        "router_pending_bytes": len(DATA),
        "router_seen_ids": 1,
    }


peers = st.sampled_from([A, B, C])
topics = st.sampled_from([T, U])
bodies = st.sampled_from([b"1", b"22", b"333", b"4444"])
messages = st.builds(Message, topics, bodies, st.booleans())
message_ids = st.builds(message_id, topics, bodies)
some_rpcs = st.builds(
    Rpc,
    subscriptions=st.lists(st.builds(Subscription, st.booleans(), topics), max_size=2).map(tuple),
    messages=st.lists(messages, max_size=2).map(tuple),
    ihave=st.lists(st.builds(IHave, topics, st.lists(message_ids, max_size=3).map(tuple)), max_size=2).map(tuple),
    iwant=st.lists(message_ids, max_size=3).map(tuple),
    graft=st.lists(st.builds(Graft, topics), max_size=2).map(tuple),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(PeerConnected, peers, st.booleans()),
    st.builds(PeerDisconnected, peers),
    st.builds(RpcReceived, peers, some_rpcs),
    st.builds(Published, topics, bodies),
    st.builds(Judged, message_ids, st.sampled_from(Verdict), st.just("x")),
    st.builds(Subscribed, st.frozensets(topics)),
    st.builds(Scored, peers, st.integers(-9, 9)),
    st.just(Heartbeat()),
)
TIGHT = RouterLimits(max_peers=2, max_pending_messages=2, max_pending_per_peer=1, max_seen_ids=3, judge_timeout_ms=50)


@given(st.lists(st.tuples(events, st.integers(0, 100)), max_size=60))
def test_no_dialogue_forwards_what_was_not_accepted_or_breaks_a_bound(steps: list[tuple[Event, int]]) -> None:
    router = Router(TIGHT)
    now_ms = 0
    allowed: set[bytes] = set()
    for event, later_ms in steps:
        now_ms += later_ms
        if isinstance(event, Published):
            allowed.add(message_id(event.topic, event.data))
        if isinstance(event, Judged) and event.verdict is Verdict.ACCEPT:
            allowed.add(event.message_id)
        effects = router.handle(event, now_ms)
        assert sent_ids(effects) <= allowed
        held = {name: value for name, _, value in router.gauges()}
        assert held["router_peers"] <= 2 and held["router_pending_frames"] <= 2 and held["router_seen_ids"] <= 3
        assert held["router_pending_bytes"] >= 0


def sent_ids(effects: list[Effect]) -> set[bytes]:
    sends = [effect.rpc for effect in effects if isinstance(effect, SendRpc)]
    return {message_id(message.topic, message.data) for rpc in sends for message in rpc.messages}
