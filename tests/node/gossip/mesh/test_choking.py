import pytest

from pushmesh_node.gossip.effects import Effect, Lane, SendRpc
from pushmesh_node.gossip.events import PeerDisconnected
from pushmesh_node.gossip.parameters import ChokingParameters
from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import IHave, Rpc
from pushmesh_protocol.reasons import Verdict
from support.router_net import random_net
from support.router_world import ID, A, B, C, RouterWorld, T, counts, crowd, hearers, sent, sent_to

PARAMETERS = ChokingParameters()
PUSHERS, TRIAL = PARAMETERS.pushers, PARAMETERS.trial_heartbeats
WORD = Rpc(ihave=(IHave(T, (ID,)),))


def mesh_of(*names: bytes, dialect: Dialect = Dialect.PUSHMESH) -> RouterWorld:
    world = RouterWorld()
    world.meshed(*names, dialect=dialect)
    return world


def beat_with_traffic(world: RouterWorld, order: list[bytes], beats: int) -> list[Effect]:
    """One accepted message a heartbeat, brought or announced by these peers in this order."""
    effects: list[Effect] = []
    for _ in range(beats):
        data = f"{world.now_ms}".encode()
        one = message_id(T, data)
        for name in order:
            if world.router.has_choked(T, name):
                effects += world.announce(name, one)
            else:
                effects += world.message(name, data)
        effects += world.judge(Verdict.ACCEPT, data=data)
        effects += world.beat()
    return effects


def choked(effects: list[Effect]) -> list[bytes]:
    return [effect.peer for effect in sent(effects) if effect.rpc.choke]


def unchoked(effects: list[Effect]) -> list[bytes]:
    return [effect.peer for effect in sent(effects) if effect.rpc.unchoke]


# Who pushes


def test_all_but_the_peers_that_come_first_are_choked() -> None:
    five = crowd(5)
    world = mesh_of(*five)
    effects = beat_with_traffic(world, five, TRIAL)
    assert sorted(choked(effects)) == five[PUSHERS:]
    assert sent_to(effects, five[-1]).choke == (T,)


def test_nobody_is_choked_before_its_trial_is_over() -> None:
    five = crowd(5)
    assert choked(beat_with_traffic(mesh_of(*five), five, TRIAL - 1)) == []


def test_without_traffic_nobody_is_choked() -> None:
    assert choked(mesh_of(*crowd(5)).beat(10 * TRIAL)) == []


def test_a_mesh_of_few_is_left_alone() -> None:
    few = crowd(PUSHERS)
    assert choked(beat_with_traffic(mesh_of(*few), few, 3 * TRIAL)) == []


@pytest.mark.parametrize("dialect", [Dialect.V1_1, Dialect.V1_2])
def test_peers_that_do_not_know_the_word_are_never_choked(dialect: Dialect) -> None:
    five = crowd(5)
    assert choked(beat_with_traffic(mesh_of(*five, dialect=dialect), five, 3 * TRIAL)) == []


def test_the_last_dialled_pusher_stays_however_late_it_is() -> None:
    five, world = crowd(5), RouterWorld()
    world.meshed(*five[:-1], dialect=Dialect.PUSHMESH)
    world.connect(five[-1], outbound=True, dialect=Dialect.PUSHMESH)
    world.graft(five[-1])
    assert sorted(choked(beat_with_traffic(world, five, TRIAL))) == five[2:4]


def test_an_announcer_that_is_clearly_earlier_takes_the_place_of_a_pusher() -> None:
    five = crowd(5)
    world = mesh_of(*five)
    beat_with_traffic(world, five, TRIAL)
    effects = beat_with_traffic(world, [*five[3:], *five[:3]], 60)
    assert set(unchoked(effects)) == set(five[3:])
    assert len(choked(effects)) == 2
    assert sum(not world.router.has_choked(T, name) for name in five) == PUSHERS


def test_who_is_early_now_and_then_does_not_swap_places() -> None:
    five = crowd(5)
    world = mesh_of(*five)
    beat_with_traffic(world, five, 4 * TRIAL)
    assert unchoked(beat_with_traffic(world, [five[3], *five[:3]], 1)) == []


def test_when_a_pusher_leaves_the_best_announcer_takes_its_place_at_the_heartbeat() -> None:
    five = crowd(5)
    world = mesh_of(*five)
    beat_with_traffic(world, five, TRIAL)
    beat_with_traffic(world, [five[4], *five[:3]], 1)
    world.do(PeerDisconnected(five[0]))
    assert unchoked(world.beat()) == [five[4]]


def test_junk_earns_nothing() -> None:
    five = crowd(5)
    world = mesh_of(*five)
    for n in range(20):
        world.message(five[4], b"junk %d" % n)  # never judged acceptable
    effects = beat_with_traffic(world, five, TRIAL)
    assert five[4] in choked(effects)


def test_who_brings_what_is_long_known_earns_nothing_by_it() -> None:
    five = crowd(5)
    world = mesh_of(*five)
    old = [b"old %d" % n for n in range(20)]
    for data in old:
        world.message(five[0], data)
        world.judge(Verdict.ACCEPT, data=data)
    world.beat(PARAMETERS.tracked_heartbeats + 1)
    for data in old:
        world.message(five[4], data)
    assert five[4] in choked(beat_with_traffic(world, five, TRIAL))


def test_a_peer_that_returns_pushes_again_at_first() -> None:
    five = crowd(5)
    world = mesh_of(*five)
    beat_with_traffic(world, five, TRIAL)
    assert world.router.has_choked(T, five[4])
    world.do(PeerDisconnected(five[4]))
    world.meshed(five[4], dialect=Dialect.PUSHMESH)
    assert not world.router.has_choked(T, five[4])


# Being choked


def test_who_choked_this_node_is_told_instead_of_sent() -> None:
    world = mesh_of(A, B, C)
    world.rpc(C, choke=(T,))
    effects = world.accepted(A)
    assert hearers(effects) == [B]
    assert SendRpc(C, WORD, Lane.CONTROL) in effects


def test_an_unchoke_brings_pushes_back() -> None:
    world = mesh_of(A, B, C)
    world.rpc(C, choke=(T,))
    world.rpc(C, unchoke=(T,))
    assert hearers(world.accepted(A)) == [B, C]


def test_own_messages_are_pushed_to_all() -> None:
    world = mesh_of(A, B)
    world.rpc(A, choke=(T,))
    assert hearers(world.publish()) == [A, B]


def test_a_choke_from_outside_the_mesh_or_in_another_dialect_counts_for_nothing() -> None:
    world = mesh_of(A, dialect=Dialect.V1_2)
    world.connect(B, dialect=Dialect.PUSHMESH)
    world.rpc(A, choke=(T,))
    world.rpc(B, choke=(T,))
    world.graft(B)
    world.meshed(C)
    assert hearers(world.accepted(C)) == [A, B]


def test_a_choke_ends_with_the_place_in_the_mesh() -> None:
    world = mesh_of(A, B)
    world.rpc(B, choke=(T,))
    world.prune(B, backoff_s=1)
    world.later(10_000)
    world.graft(B)
    assert hearers(world.accepted(A)) == [B]


# Asking


def choking(world: RouterWorld, n: int) -> list[bytes]:
    """A mesh in which the last `n` are choked."""
    names = crowd(PUSHERS + n)
    world.meshed(*names, dialect=Dialect.PUSHMESH)
    beat_with_traffic(world, names, TRIAL)
    assert [name for name in names if world.router.has_choked(T, name)] == names[PUSHERS:]
    return names[PUSHERS:]


def test_one_announcement_of_the_choked_is_not_asked_for_at_once() -> None:
    world = RouterWorld()
    first, _ = choking(world, 2)
    assert sent(world.announce(first, ID)) == []


def test_the_second_announcement_asks_the_first_announcer() -> None:
    world = RouterWorld()
    first, second = choking(world, 2)
    world.announce(first, ID)
    effects = world.announce(second, ID)
    assert sent(effects) == [SendRpc(first, Rpc(iwant=(ID,)), Lane.CONTROL)]


def test_a_lone_announcement_is_asked_for_at_the_heartbeat_after_the_patience() -> None:
    world = RouterWorld()
    (first,) = choking(world, 1)
    world.announce(first, ID)
    assert sent_to(world.beat(), first).iwant == (ID,)


def test_what_a_pusher_brings_meanwhile_is_not_asked_for() -> None:
    world = RouterWorld()
    first, second = choking(world, 2)
    world.announce(first, ID)
    world.message(crowd(1)[0])
    assert sent(world.announce(second, ID)) == []
    assert sent_to(world.beat(), first).iwant == ()


def test_the_choked_may_announce_each_message_by_itself() -> None:
    world = RouterWorld()
    first, _ = choking(world, 2)
    many = world.parameters.mesh.ihaves_per_heartbeat + 1
    effects = [effect for n in range(many) for effect in world.announce(first, n.to_bytes(20, "big"))]
    assert counts(effects) == {}


# In company


@pytest.mark.parametrize("withheld", [False, True])
def test_a_network_that_chokes_delivers_everything_with_fewer_copies(withheld: bool) -> None:
    def run(dialect: Dialect) -> tuple[int, float]:
        net = random_net(24, 10, [T], seed=3, dialect=dialect)
        names = list(net.nodes)
        net.run(3_000)
        if withheld:  # two nodes take and never give
            net.loses = lambda sender, receiver, rpc: sender in names[:2] and bool(rpc.messages or rpc.ihave)
        messages = []
        for n in range(40):
            messages.append(net.publish(names[2 + n % 22], T, b"message %d" % n))
            net.run(1_000)
        net.run(10_000)
        missing = sum(one not in net.nodes[name].delivered for one in messages for name in names)
        copies = sum(net.nodes[name].copies[one] for one in messages[20:] for name in names)
        return missing, copies / (20 * len(names))

    plain, choking = run(Dialect.V1_2), run(Dialect.PUSHMESH)
    assert (plain[0], choking[0]) == (0, 0)
    assert choking[1] < 0.8 * plain[1]


def test_an_idontwant_saves_the_announcement_too() -> None:
    world = mesh_of(A, B, C)
    world.rpc(C, choke=(T,), idontwant=(ID,))
    assert [effect.peer for effect in sent(world.accepted(A))] == [B]
