from dataclasses import replace

from pushmesh_node.gossip.events import PeerDisconnected, Scored, Subscribed
from pushmesh_node.gossip.wire.rpc import Graft, Prune, Subscription
from support.router_world import MESH, A, B, C, RouterWorld, T, U, counts, crowd, sent, sent_to


def joining(world: RouterWorld) -> set[bytes]:
    """Whom the router grafts when it joins T."""
    effects = world.do(Subscribed(frozenset({T})))
    grafted = {effect.peer for effect in sent(effects) if effect.rpc.graft == (Graft(T),)}
    assert grafted == world.router.mesh_of(T)
    return grafted


def test_joining_grafts_d_of_those_who_take_part() -> None:
    world = RouterWorld(topics=())
    world.connect(*crowd(20))
    world.connect(A, topics=(U,))
    grafted = joining(world)
    assert len(grafted) == 6 and A not in grafted


def test_joining_grafts_nobody_below_zero() -> None:
    world = RouterWorld(topics=())
    world.connect(A, B)
    world.do(Scored(A, -1))
    assert joining(world) == {B}


def test_joining_takes_those_first_that_were_sent_to_before() -> None:
    world = RouterWorld(topics=(), mesh=replace(MESH, flood_publish=False))
    world.connect(*crowd(30))
    heard = {effect.peer for effect in sent(world.publish())}
    assert len(heard) == 6 and joining(world) == heard


def test_a_topic_that_was_left_is_not_rejoined_with_who_was_pruned() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.connect(B)
    world.do(Subscribed(frozenset()))
    assert joining(world) == {B}


def test_who_was_pruned_on_leaving_may_graft_again_after_ten_seconds() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.do(Subscribed(frozenset()))
    world.later(10_000)
    world.do(Subscribed(frozenset({T})))
    assert counts(world.graft(A)) == {("mesh_joins", "grafted-by-peer"): 1}


def test_a_peer_below_zero_is_out_of_every_mesh_and_told_so_in_one_rpc() -> None:
    world = RouterWorld(topics=(T, U))
    world.connect(A, topics=(T, U))
    for topic in (T, U):
        world.graft(A, topic)
    effects = world.do(Scored(A, -1))
    assert sent_to(effects, A).prune == (Prune(T, (), 60), Prune(U, (), 60)) and len(sent(effects)) == 1
    assert counts(effects) == {("mesh_leaves", "low-score"): 2}


def test_who_disconnects_is_in_no_mesh_and_in_no_backoff() -> None:
    world = RouterWorld()
    world.meshed(A)
    assert counts(world.do(PeerDisconnected(A))) == {("mesh_leaves", "disconnected"): 1}
    world.connect(A)
    assert counts(world.graft(A)) == {("mesh_joins", "grafted-by-peer"): 1}


def test_a_backoff_outlives_the_connection() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.prune(A)
    world.do(PeerDisconnected(A))
    world.connect(A)
    assert counts(world.graft(A)) == {("grafts_refused", "in-backoff"): 1}


def test_who_leaves_the_topic_leaves_its_mesh_only() -> None:
    world = RouterWorld(topics=(T, U))
    world.connect(A, topics=(T, U))
    for topic in (T, U):
        world.graft(A, topic)
    world.rpc(A, subscriptions=(Subscription(False, T),))
    assert world.router.mesh_of(T) == frozenset() and world.router.mesh_of(U) == {A}


def test_the_mesh_of_a_strange_topic_is_empty() -> None:
    world = RouterWorld()
    world.connect(C, topics=(U,))
    assert world.router.mesh_of(U) == frozenset()
