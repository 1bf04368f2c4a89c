import pytest

from pushmesh_node.gossip.effects import Count, Inspect
from pushmesh_node.gossip.events import PeerDisconnected, Scored
from pushmesh_node.gossip.messages.pending import Credit, OpenCredits, PendingMessages
from pushmesh_node.gossip.parameters import RouterLimits
from pushmesh_node.gossip.wire.message_id import message_id
from pushmesh_node.gossip.wire.rpc import Message
from pushmesh_protocol.reasons import Verdict
from support.router_world import DATA, ID, A, B, RouterWorld, T, counts, crowd


def message(data: bytes = b"1234") -> Message:
    return Message("/t", data)


# Room


@pytest.mark.parametrize(
    ("limits", "peer", "fits"),
    [
        (RouterLimits(max_pending_messages=1), b"b", False),
        (RouterLimits(max_pending_messages=2), b"b", True),
        (RouterLimits(max_pending_bytes=7), b"b", False),
        (RouterLimits(max_pending_bytes=8), b"b", True),
        (RouterLimits(max_pending_per_peer=1), b"a", False),
        (RouterLimits(max_pending_per_peer=1), b"b", True),
    ],
)
def test_room_is_bounded(limits: RouterLimits, peer: bytes, fits: bool) -> None:
    pending = PendingMessages(limits)
    pending.add(b"1", message(), b"a", 0)
    assert pending.has_room(peer, 4, peers=1) is fits


@pytest.mark.parametrize(
    ("limits", "size_bytes", "heavy_fits"),
    [
        (RouterLimits(max_pending_messages=9), 1, True),
        (RouterLimits(max_pending_messages=8), 1, False),
        (RouterLimits(max_pending_bytes=33), 4, True),
        (RouterLimits(max_pending_bytes=32), 4, False),
    ],
)
def test_beyond_half_a_peer_has_its_even_share(limits: RouterLimits, size_bytes: int, heavy_fits: bool) -> None:
    pending = PendingMessages(limits)
    for at in range(4):
        pending.add(b"%d" % at, message(), b"heavy", 0)
    assert pending.has_room(b"heavy", size_bytes, peers=4) is heavy_fits
    assert pending.has_room(b"heavy", size_bytes, peers=1)
    assert pending.has_room(b"light", size_bytes, peers=4)


@pytest.mark.parametrize(
    "limits", [RouterLimits(max_pending_messages=4), RouterLimits(max_pending_bytes=16)], ids=["messages", "bytes"]
)
def test_the_last_quarter_is_for_those_who_earned_it(limits: RouterLimits) -> None:
    pending = PendingMessages(limits)
    for at in range(3):
        assert pending.has_room(b"%d" % at, 4, peers=4, earned=False)
        pending.add(b"%d" % at, message(), b"%d" % at, 0)
    assert not pending.has_room(b"3", 4, peers=4, earned=False)
    assert pending.has_room(b"3", 4, peers=4, earned=True)


def test_an_even_share_is_of_messages_and_bytes_alike() -> None:
    pending = PendingMessages(RouterLimits(max_pending_messages=8, max_pending_bytes=1_000))
    for at in range(4):
        pending.add(b"%d" % at, message(), b"%d" % (at % 2), 0)
    assert not pending.has_room(b"0", 1, peers=4) and pending.has_room(b"0", 1, peers=3)
    pending = PendingMessages(RouterLimits(max_pending_bytes=16))
    pending.add(b"1", message(bytes(3)), b"a", 0)
    pending.add(b"2", message(bytes(5)), b"b", 0)
    assert pending.has_room(b"a", 1, peers=4) and not pending.has_room(b"a", 2, peers=4)
    assert pending.has_room(b"c", 8, peers=4)  # one of each may wait, however large


def test_what_ended_takes_nothing_of_a_share() -> None:
    pending = PendingMessages(RouterLimits(max_pending_bytes=16))
    for at, size in enumerate((1, 3)):
        pending.add(b"%d" % at, message(bytes(size)), b"a", 0)
    pending.pop(b"1")
    pending.add(b"2", message(bytes(8)), b"b", 0)
    assert pending.has_room(b"a", 3, peers=4) and not pending.has_room(b"a", 4, peers=4)


def test_what_is_popped_frees_its_room() -> None:
    pending = PendingMessages(RouterLimits())
    pending.add(b"1", message(), b"a", 0)
    popped = pending.pop(b"1")
    assert popped is not None and popped.senders == {b"a": 0}
    assert (len(pending), pending.size_bytes, pending.of(b"a"), pending.pop(b"1")) == (0, 0, 0, None)


def test_a_message_that_moves_counts_for_its_new_account() -> None:
    pending = PendingMessages(RouterLimits())
    pending.add(b"1", message(), b"a", 0)
    held = pending.get(b"1")
    assert held is not None
    pending.move(held, b"b")
    assert (pending.of(b"a"), pending.of(b"b"), list(held.tried)) == (0, 1, [b"a"])
    pending.pop(b"1")
    assert pending.of(b"b") == 0


def test_verdicts_are_overdue_at_their_time() -> None:
    pending = PendingMessages(RouterLimits(judge_timeout_ms=10))
    pending.add(b"1", message(), b"a", 0)
    pending.add(b"2", message(), b"a", 5)
    assert pending.late(9) == [] and pending.late(10) == [b"1"] and pending.late(15) == [b"1", b"2"]


# Room in a router


@pytest.mark.parametrize(
    "limits",
    [
        RouterLimits(max_pending_messages=1),
        RouterLimits(max_pending_bytes=7),
        RouterLimits(max_pending_per_peer=1),
    ],
)
def test_what_finds_no_room_is_ignored_and_may_come_again(limits: RouterLimits) -> None:
    world = RouterWorld(limits=limits)
    world.meshed(A)
    world.message(A)
    assert world.message(A, b"more") == [Count("frames_ignored", "queue-full")]
    world.judge(Verdict.IGNORE, "too-old")
    assert world.message(A, b"more") == [Inspect(A, message_id(T, b"more"), T, b"more")]


def test_a_peer_that_comes_back_brings_no_new_room() -> None:
    world = RouterWorld(limits=RouterLimits(max_pending_per_peer=1))
    world.connect(A)
    world.message(A)
    world.do(PeerDisconnected(A))
    world.connect(A)
    assert world.message(A, b"more") == [Count("frames_ignored", "queue-full")]


def test_few_peers_cannot_fill_the_room_of_all() -> None:
    world = RouterWorld(limits=RouterLimits(max_pending_messages=100))
    world.meshed(*crowd(10))
    greedy, modest = crowd(10)[0], crowd(10)[1]
    for at in range(60):
        world.message(greedy, b"%d" % at)
    assert world.router.pending_of(greedy) == 50
    assert counts(world.message(modest)) == {} and world.router.pending_of(modest) == 1


def test_strangers_cannot_fill_the_room_of_those_who_earned_it() -> None:
    world = RouterWorld(limits=RouterLimits(max_pending_messages=100))
    strangers = crowd(60)
    world.connect(*strangers, B)
    world.graft(B)
    world.do(Scored(B, 1_000))
    for at in range(2):
        for name in strangers:
            world.message(name, b"%d of " % at + name)
    assert sum([world.router.pending_of(name) for name in strangers]) == 75
    assert counts(world.message(strangers[0])) == {("frames_ignored", "queue-full"): 1}
    assert world.message(B) == [Inspect(B, ID, T, DATA)]


# Credits


def credit(since_ms: int = 0) -> Credit:
    return Credit("/t", 100, since_ms, {b"a": since_ms})


def test_copies_share_until_the_time_is_up() -> None:
    credits = OpenCredits(sharing_ms=50, max_credits=9)
    credits.add(b"1", credit())
    credits.copy(b"1", b"b", 50)
    credits.copy(b"1", b"c", 51)
    credits.copy(b"1", b"a", 20)
    credits.copy(b"unknown", b"a", 20)
    assert list(credits.due(50)) == []
    assert list(credits.due(51)) == [Credit("/t", 100, 0, {b"a": 0, b"b": 50})]
    assert len(credits) == 0


def test_the_oldest_credit_is_given_early_while_there_are_too_many() -> None:
    credits = OpenCredits(sharing_ms=50, max_credits=1)
    credits.add(b"1", credit(0))
    credits.add(b"2", credit(1))
    assert list(credits.due(2)) == [credit(0)] and len(credits) == 1
