from random import Random

from hypothesis import given, strategies as st

from pushmesh_node.gossip.frames.inspection_queue import STRANGERS_TURN, InspectionQueue, Job, Merit

A, B, C = b"a", b"b", b"c"
T, CONTROL = "/x/shard/1", "/x/control/grant"


def a_job(peer: bytes, message: bytes, topic: str = T) -> Job:
    return Job(peer, message, topic, b"")


def a_queue(merits: dict[bytes, Merit] | None = None) -> InspectionQueue:
    """Whoever is not named is strange. The names may change while it is in use."""
    known = merits if merits is not None else {}
    return InspectionQueue(lambda peer: known.get(peer, Merit.STRANGE))


def taken(queue: InspectionQueue) -> list[bytes]:
    """The ids of all that wait, in the order in which they are taken."""
    found = []
    while (job := queue.take()) is not None:
        found.append(job.message_id)
        queue.done(job.message_id)
    return found


def test_an_empty_queue_gives_nothing() -> None:
    assert (a_queue().take(), len(a_queue())) == (None, 0)


def test_one_peers_frames_are_taken_in_order() -> None:
    queue = a_queue()
    for one in (b"1", b"2", b"3"):
        queue.add(a_job(A, one))
    assert len(queue) == 3 and taken(queue) == [b"1", b"2", b"3"]


def test_each_peer_has_its_turn_however_much_one_sends() -> None:
    queue = a_queue()
    for one in (b"1", b"2", b"3"):
        queue.add(a_job(A, one))
    queue.add(a_job(B, b"4"))
    assert taken(queue) == [b"1", b"4", b"2", b"3"]


def test_control_comes_first_among_equals() -> None:
    queue = a_queue()
    queue.add(a_job(A, b"1"))
    queue.add(a_job(A, b"2", CONTROL))
    queue.add(a_job(B, b"3"))
    queue.add(a_job(C, b"4", CONTROL))
    assert taken(queue) == [b"2", b"4", b"3", b"1"]


def test_who_earned_standing_comes_before_a_strangers_control() -> None:
    queue = a_queue({B: Merit.EARNED})
    queue.add(a_job(A, b"1", CONTROL))
    queue.add(a_job(B, b"2"))
    assert taken(queue) == [b"2", b"1"]


def test_who_is_at_fault_waits_for_all_others() -> None:
    queue = a_queue({A: Merit.FAULTY})
    queue.add(a_job(A, b"1"))
    for n in range(2 * STRANGERS_TURN):
        queue.add(a_job(B, b"b%d" % n))
    assert taken(queue)[-1] == b"1"


def test_the_standing_counts_when_a_frame_is_taken() -> None:
    merits: dict[bytes, Merit] = {}
    queue = a_queue(merits)
    for one in (b"1", b"2"):
        queue.add(a_job(A, one))
    queue.add(a_job(B, b"3"))
    first = queue.take()
    assert first is not None and first.message_id == b"1"
    queue.add(a_job(C, b"4"))
    merits[A] = Merit.FAULTY
    assert taken(queue) == [b"3", b"4", b"2"]


def test_now_and_then_a_stranger_comes_first() -> None:
    queue = a_queue({A: Merit.EARNED})
    for n in range(2 * STRANGERS_TURN):
        queue.add(a_job(A, b"a%d" % n))
        queue.add(a_job(B, b"b%d" % n))
    order = [one[:1] for one in taken(queue)]
    assert order[: 2 * STRANGERS_TURN] == ([A] * (STRANGERS_TURN - 1) + [B]) * 2


def test_a_frame_that_a_better_peer_sent_too_waits_in_its_turn_and_is_taken_once() -> None:
    queue = a_queue({B: Merit.EARNED})
    queue.add(a_job(C, b"0"))
    queue.add(a_job(A, b"1"))
    queue.add(a_job(B, b"1"))
    assert len(queue) == 2 and taken(queue) == [b"1", b"0"]


def test_a_frame_that_was_taken_is_not_taken_again_before_its_verdict() -> None:
    queue = a_queue()
    queue.add(a_job(A, b"1"))
    job = queue.take()
    assert job is not None
    queue.add(a_job(B, b"1"))
    assert queue.take() is None
    queue.done(job.message_id)
    queue.add(a_job(B, b"1"))
    assert taken(queue) == [b"1"]


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(0, 20), st.booleans()), max_size=60), st.integers())
def test_whatever_waits_is_taken_once(arrivals: list[tuple[bytes, int, bool]], seed: int) -> None:
    random = Random(seed)
    queue = InspectionQueue(lambda peer: random.choice(list(Merit)))
    for peer, message, control in arrivals:
        queue.add(a_job(peer, b"%d" % message, CONTROL if control else T))
    assert sorted(taken(queue)) == sorted({b"%d" % message for _, message, _ in arrivals})
    assert len(queue) == 0
