from dataclasses import replace

from pushmesh_node.gossip.effects import Effect
from pushmesh_node.gossip.events import PeerConnected, RecordShown, Scored
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.node_ids import to_peer_id
from pushmesh_node.gossip.wire.rpc import Graft, IHave, Rpc, Subscription
from support.router_world import DATA, MESH, A, B, C, RouterWorld, T, U, counts, crowd, sent, sent_to

FAR = replace(MESH, opportunistic_graft_heartbeats=10_000)


def grafted(effects: list[Effect]) -> list[bytes]:
    return [effect.peer for effect in sent(effects) if effect.rpc.graft]


def pruned(effects: list[Effect]) -> list[bytes]:
    return [effect.peer for effect in sent(effects) if effect.rpc.prune]


def test_a_small_mesh_is_topped_up_to_d() -> None:
    world = RouterWorld()
    world.connect(*crowd(20))
    assert len(grafted(world.beat())) == 6 and len(world.router.mesh_of(T)) == 6


def test_a_mesh_between_its_bounds_is_left_alone() -> None:
    for n in (4, 10):
        world = RouterWorld(mesh=FAR)
        world.meshed(*crowd(n))
        world.connect(A)
        effects = world.beat()
        assert grafted(effects) == pruned(effects) == []


def test_a_mesh_below_its_bound_is_topped_up() -> None:
    world = RouterWorld()
    world.meshed(*crowd(3))
    world.connect(A)
    assert grafted(world.beat()) == [A]


def test_who_is_below_zero_is_not_grafted() -> None:
    world = RouterWorld()
    world.connect(A, B)
    world.do(Scored(A, -1))
    assert grafted(world.beat()) == [B]


def large(n: int = 14, outbound: int = 0) -> RouterWorld:
    """A mesh over its bound: the first ten came by themselves, the others were dialled."""
    world = RouterWorld(mesh=FAR)
    names = crowd(n)
    for at, name in enumerate(names):
        world.connect(name, outbound=at >= 10 or at < outbound)
        world.graft(name)
    assert world.router.mesh_of(T) == set(names)
    return world


def test_a_large_mesh_is_cut_to_d_and_the_best_stay() -> None:
    world = large()
    best = crowd(14)[3:7]
    for name in best:
        world.do(Scored(name, 5_000))
    effects = world.beat()
    assert len(world.router.mesh_of(T)) == 6 and set(best) <= world.router.mesh_of(T)
    assert len(pruned(effects)) == 8 and counts(effects)["mesh_leaves", "mesh-full"] == 8


def test_chance_decides_the_places_that_scores_do_not() -> None:
    kept = []
    for seed in range(4):
        world = RouterWorld(mesh=FAR, seed=seed)
        for name in crowd(14):
            world.connect(name, outbound=True)
            world.graft(name)
            world.do(Scored(name, int.from_bytes(name, "big")))
        world.beat()
        kept.append(world.router.mesh_of(T))
    assert len(set(kept)) > 1
    assert all(set(crowd(14)[-4:]) <= mesh for mesh in kept)


def test_some_dialled_peers_stay_in_a_mesh_that_is_cut() -> None:
    for seed in range(10):
        world = RouterWorld(mesh=FAR, seed=seed)
        for at, name in enumerate(crowd(12)):
            world.connect(name, outbound=at >= 10)
            world.graft(name)
            world.do(Scored(name, 1_000 if at < 10 else 0))
        world.beat()
        assert set(crowd(12)[10:]) <= world.router.mesh_of(T) and len(world.router.mesh_of(T)) == 6


def test_who_is_cut_is_told_of_others() -> None:
    world = large(11)
    for name in crowd(11):
        world.do(RecordShown(name, b"record"))
    effects = world.beat()
    for name in pruned(effects):
        (prune,) = sent_to(effects, name).prune
        assert prune.backoff_s == 15 and len(prune.peers) == 10
        assert to_peer_id(name) not in [peer.peer_id for peer in prune.peers]


def test_a_mesh_of_callers_takes_some_dialled_peers_in() -> None:
    world = RouterWorld(mesh=FAR)
    world.meshed(*crowd(6))
    for name in (A, B, C):
        world.do(PeerConnected(name, outbound=True))
        world.rpc(name, subscriptions=(Subscription(True, T),))
    world.connect(b"e" * 32)
    assert world.router.mesh_of(T) == set(crowd(6))
    effects = world.beat()
    assert len(grafted(effects)) == 2 and set(grafted(effects)) <= {A, B, C}
    assert grafted(world.beat()) == []


def test_a_peer_that_was_dialled_is_grafted_without_waiting_while_the_mesh_is_small() -> None:
    world = RouterWorld()
    assert sent_to(world.connect(A, outbound=True), A).graft == (Graft(T),)
    assert sent_to(world.connect(B), B).graft == ()


def test_who_comes_and_goes_waits_for_the_heartbeat() -> None:
    world = RouterWorld()
    world.connect(A, outbound=True)
    flicker = (Subscription(False, T), Subscription(True, T)) * 50
    assert sent(world.rpc(A, subscriptions=flicker)) == []
    assert grafted(world.beat()) == [A]


def test_a_peer_that_was_dialled_waits_if_the_mesh_is_large_enough_or_it_is_not_fit() -> None:
    world = RouterWorld()
    world.do(Scored(A, -1))
    assert sent_to(world.connect(A, outbound=True), A).graft == ()
    world.meshed(*crowd(4))
    assert sent_to(world.connect(B, outbound=True), B).graft == ()


def better(median_milli: int) -> list[bytes]:
    """Whom the router grafts at the sixtieth heartbeat beside five members of that score."""
    world = RouterWorld()
    world.meshed(*crowd(5))
    world.connect(A, B, C)
    early = world.beat(58)  # time in the mesh is worth a hundredth a second
    for name, score in ((A, 9_000), (B, 9_000), (C, 9_000)):
        world.do(Scored(name, score))
    for name in crowd(5):
        world.do(Scored(name, median_milli))
    assert grafted(early + world.beat()) == []
    return grafted(world.beat())


def test_where_the_median_is_poor_two_better_ones_come_in() -> None:
    assert len(better(300)) == 2


def test_where_the_median_is_good_nobody_else_comes_in() -> None:
    assert better(500) == []


def test_nobody_comes_in_who_is_not_better_than_the_median() -> None:
    world = RouterWorld()
    world.meshed(*crowd(5))
    world.connect(A, B)
    assert grafted(world.beat(60)) == []


def test_nobody_comes_in_who_is_only_a_little_better_than_the_median() -> None:
    grafts = []
    for score_milli in (1_019, 1_021):  # the members earned 20 by their time
        world = RouterWorld(mesh=replace(MESH, opportunistic_graft_heartbeats=2))
        world.meshed(*crowd(5))
        world.connect(A)
        world.do(Scored(A, score_milli))
        grafts.append(grafted(world.beat(2)))
    assert grafts == [[], [A]]


def test_what_a_peer_is_told_at_a_heartbeat_is_one_rpc() -> None:
    world = RouterWorld(topics=(T, U))
    world.connect(A, topics=(T, U))
    world.prune(A, U, backoff_s=3)
    world.publish(topic=U)
    (only,) = sent(world.beat())
    assert only.rpc == Rpc(ihave=(IHave(U, (message_id(U, DATA),)),), graft=(Graft(T),))


def test_members_that_fell_below_zero_unseen_are_dropped_at_the_heartbeat() -> None:
    world = RouterWorld()
    names = crowd(6)
    world.connect(*names[:5], host="10.0.0.1")
    for name in names[:5]:
        world.graft(name)
    assert world.router.mesh_of(T) == set(names[:5])
    world.do(PeerConnected(names[5], host="10.0.0.1"))
    assert pruned(world.beat()) == names[:5] and world.router.mesh_of(T) == frozenset()
