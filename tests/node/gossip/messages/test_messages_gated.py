"""What the gater is told of messages, and which of them it keeps from being looked at."""

from pushmesh_node.gossip.effects import Count, Inspect
from pushmesh_node.gossip.events import Scored
from pushmesh_node.gossip.parameters import RouterLimits
from pushmesh_protocol.reasons import Verdict
from support.router_world import DATA, ID, A, B, C, RouterWorld, T, counts, meshed


def wasting(world: RouterWorld, name: bytes, n: int, reason: str = "too-old") -> None:
    """A peer sends so many messages that lead to nothing."""
    for at in range(n):
        data = b"junk %d of " % at + name
        world.message(name, data)
        world.judge(Verdict.IGNORE, reason, data=data)


def overload(world: RouterWorld, n: int = 500) -> None:
    """So many messages find no room in main; B sends them."""
    wasting(world, B, n, "no-credit")


def admitted(world: RouterWorld, name: bytes, n: int = 100) -> int:
    """How many of so many new messages are looked at."""
    effects = [effect for at in range(n) for effect in world.message(name, b"new %d of " % at + name)]
    inspected = [effect for effect in effects if isinstance(effect, Inspect)]
    assert len(inspected) + counts(effects).get(("frames_ignored", "gated"), 0) == n
    return len(inspected)


def test_under_load_the_gater_drops_at_random_what_comes_from_who_wastes() -> None:
    world = meshed(A, B, C)
    wasting(world, A, 50)
    assert world.message(A) == [Inspect(A, ID, T, DATA)]
    overload(world)
    assert 0 < admitted(world, A, 200) < 20 and admitted(world, C) == 100


def test_what_was_gated_may_come_from_another() -> None:
    world = meshed(A, B, C)
    wasting(world, A, 500)
    overload(world)
    assert world.message(A) == [Count("frames_ignored", "gated")]
    assert world.message(C) == [Inspect(C, ID, T, DATA)]


def test_a_frame_of_known_items_wastes_less_than_another_ignored_one() -> None:
    world = meshed(A, B, C)
    wasting(world, A, 50, "duplicate")
    wasting(world, C, 50, "too-old")
    overload(world)
    assert admitted(world, A) > 2 * admitted(world, C)


def test_whoever_earned_it_is_looked_at_whatever_it_wastes() -> None:
    world = meshed(A, B, C)
    for name in (A, C):
        wasting(world, name, 500)
    world.do(Scored(C, 1_000))
    overload(world)
    assert admitted(world, A) < 10 and admitted(world, C) == 100


def test_copies_are_a_waste_too() -> None:
    world = meshed(A, B)
    for _ in range(400):
        world.message(A)
    overload(world)
    assert admitted(world, A) < 10


def test_whoever_delivered_is_let_in_beside_its_waste() -> None:
    world = meshed(A, B, C)
    for at in range(50):
        world.accepted(A, b"good %d" % at)
    for name in (A, C):
        wasting(world, name, 50)
    overload(world)
    assert admitted(world, A) > 30 > admitted(world, C)


def test_rejects_are_the_worst_waste_and_count_for_all_of_a_host() -> None:
    world = meshed(B)
    world.connect(A, C, host="10.0.0.1")
    world.reject_from(A, 5)
    overload(world)
    assert admitted(world, C) < 10


def test_a_full_queue_is_an_overload() -> None:
    world = RouterWorld(limits=RouterLimits(max_pending_messages=1))
    world.meshed(A, B)
    wasting(world, A, 500)
    world.message(B)
    for at in range(500):
        world.message(B, b"much %d" % at)
    world.judge(Verdict.ACCEPT)
    assert world.message(A, b"new") == [Count("frames_ignored", "gated")]


def test_verdicts_that_never_come_are_an_overload() -> None:
    world = RouterWorld(limits=RouterLimits(judge_timeout_ms=1_000))
    world.meshed(A, B)
    wasting(world, A, 500)
    for at in range(500):
        world.message(B, b"much %d" % at)
    world.beat()
    assert world.message(A, b"new") == [Count("frames_ignored", "gated")]


def test_a_few_that_found_no_room_among_many_are_no_overload() -> None:
    world = meshed(A, B)
    wasting(world, A, 500)
    overload(world, 100)
    assert admitted(world, A) == 100


def test_waste_is_forgotten_in_time() -> None:
    world = meshed(A, B)
    wasting(world, A, 20)
    world.beat(2 * 3_600)
    overload(world)
    assert admitted(world, A) == 100
