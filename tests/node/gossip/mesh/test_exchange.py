from dataclasses import replace

from pushmesh_node.gossip.effects import Dial
from pushmesh_node.gossip.events import RecordShown, Scored
from pushmesh_node.gossip.parameters import MeshParameters, RouterLimits
from pushmesh_node.gossip.wire.node_ids import to_peer_id
from pushmesh_node.gossip.wire.rpc import ExchangedPeer
from support.router_world import MESH, A, B, C, RouterWorld, counts, crowd, sent_to

TRUSTED = 5_000  # thousandths


def full_mesh(mesh: MeshParameters | None = None, limits: RouterLimits | None = None) -> RouterWorld:
    """Ten peers are in it, so that an eleventh is refused."""
    world = RouterWorld(mesh=mesh, limits=limits)
    world.meshed(*crowd(10))
    return world


def offered(world: RouterWorld, name: bytes = A) -> list[bytes]:
    (prune,) = sent_to(world.graft(name), name).prune
    return [peer.peer_id for peer in prune.peers]


def test_who_is_refused_for_want_of_room_is_told_of_others_with_their_records() -> None:
    world = full_mesh()
    world.connect(A, B)
    world.do(RecordShown(B, b"record of b"))
    (prune,) = sent_to(world.graft(A), A).prune
    assert prune.peers == (ExchangedPeer(to_peer_id(B), b"record of b"),)


def test_nobody_is_told_of_itself_or_of_peers_without_record_or_below_zero() -> None:
    world = full_mesh()
    world.connect(A, B, C)
    for name in (A, B):
        world.do(RecordShown(name, b"record"))
    world.do(Scored(B, -1))
    assert offered(world) == []


def test_a_peer_at_zero_is_recommended() -> None:
    world = full_mesh()
    world.connect(A, B)
    world.do(RecordShown(B, b"record"))
    assert offered(world) == [to_peer_id(B)]


def test_recommendations_are_bounded() -> None:
    world = full_mesh(replace(MESH, exchanged_peers=3))
    for name in crowd(10):
        world.do(RecordShown(name, b"record"))
    world.connect(A)
    assert len(offered(world)) == 3


def test_a_record_that_is_too_large_is_not_kept() -> None:
    world = full_mesh(limits=RouterLimits(max_record_bytes=3))
    world.connect(A, B, C)
    world.do(RecordShown(B, b"1234"))
    world.do(RecordShown(C, b"123"))
    assert offered(world) == [to_peer_id(C)]


def test_who_is_refused_for_its_score_is_told_of_nobody() -> None:
    world = full_mesh()
    world.connect(A, B)
    world.do(RecordShown(B, b"record"))
    world.do(Scored(A, -1))
    assert offered(world) == []


def test_who_asks_again_in_its_backoff_is_told_of_nobody() -> None:
    world = full_mesh()
    world.connect(A, B)
    world.do(RecordShown(B, b"record"))
    assert offered(world) != [] and offered(world) == []


def test_who_was_told_of_others_is_told_of_nobody_for_a_while() -> None:
    world = full_mesh()
    world.connect(A, B)
    world.do(RecordShown(B, b"record"))
    told = []
    for later_ms in (0, 15_000, 15_000, 29_999, 15_000):
        world.later(later_ms)
        told.append(bool(offered(world)))
    assert told == [True, False, False, False, True]


def recommending(*names: bytes, record: bytes = b"record") -> tuple[ExchangedPeer, ...]:
    return tuple(ExchangedPeer(to_peer_id(name), record) for name in names)


def dials(world: RouterWorld, *peers: ExchangedPeer) -> list[Dial]:
    return [effect for effect in world.prune(A, peers=peers) if isinstance(effect, Dial)]


def test_who_earned_it_may_recommend() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.do(Scored(A, TRUSTED))
    assert dials(world, *recommending(B)) == [Dial(B, b"record")]


def test_who_did_not_earn_it_recommends_in_vain() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.do(Scored(A, TRUSTED - 1))
    effects = world.prune(A, peers=recommending(B, C))
    assert counts(effects)["exchanges_dropped", "low-score"] == 2
    assert not any(isinstance(effect, Dial) for effect in effects)


def test_a_recommendation_needs_a_record_and_a_node_id() -> None:
    world = RouterWorld()
    world.meshed(A)
    world.do(Scored(A, TRUSTED))
    effects = world.prune(A, peers=(ExchangedPeer(to_peer_id(B), b""), ExchangedPeer(b"rsa", b"record")))
    assert counts(effects)["exchanges_dropped", "no-record"] == 2


def test_who_is_connected_is_not_dialled() -> None:
    world = RouterWorld()
    world.meshed(A, B)
    world.do(Scored(A, TRUSTED))
    assert dials(world, *recommending(B)) == []


def test_dials_are_bounded_until_the_heartbeat_whoever_asks_for_them() -> None:
    world = RouterWorld(mesh=replace(MESH, exchanged_peers=3))
    world.meshed(A)
    world.do(Scored(A, TRUSTED))
    assert len(dials(world, *recommending(*crowd(2)))) == 2
    effects = world.prune(A, peers=recommending(*crowd(5)))
    assert len([effect for effect in effects if isinstance(effect, Dial)]) == 1
    assert counts(effects)["exchanges_dropped", "too-many"] == 4
    world.beat()
    assert len(dials(world, *recommending(B))) == 1
