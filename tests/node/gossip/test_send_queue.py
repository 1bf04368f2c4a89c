from hypothesis import given, strategies as st

from pushmesh_node.gossip.effects import Lane
from pushmesh_node.gossip.send_queue import SendQueue


class AQueue(SendQueue[str]):
    def __init__(self, max_payloads: int = 10, max_bytes: int = 100) -> None:
        self.dropped: list[Lane] = []
        super().__init__(max_payloads, max_bytes, self.dropped.append)


def test_control_leaves_before_priority_and_priority_before_data() -> None:
    queue = AQueue()
    queue.push("data", 1, Lane.DATA)
    queue.push("grant", 1, Lane.PRIORITY)
    queue.push("graft", 1, Lane.CONTROL)
    assert queue.take(100) == ["graft", "grant", "data"]


def test_a_lane_keeps_its_order() -> None:
    queue = AQueue()
    for name in "abc":
        queue.push(name, 1, Lane.DATA)
    assert queue.take(100) == ["a", "b", "c"]


def test_one_take_stays_within_its_bytes() -> None:
    queue = AQueue(max_bytes=200)
    for name in "abc":
        queue.push(name, 40, Lane.DATA)
    assert queue.take(79) == ["a"]
    assert queue.take(80) == ["b", "c"]


def test_a_payload_over_the_limit_of_a_take_leaves_alone() -> None:
    queue = AQueue()
    queue.push("large", 90, Lane.DATA)
    queue.push("small", 1, Lane.DATA)
    assert [queue.take(50), queue.take(50)] == [["large"], ["small"]]


def test_data_over_the_count_is_dropped() -> None:
    queue = AQueue(max_payloads=1)
    assert [queue.push("a", 1, Lane.DATA), queue.push("b", 1, Lane.DATA)] == [True, False]
    assert (queue.take(100), queue.dropped) == (["a"], [Lane.DATA])


def test_data_over_the_bytes_is_dropped() -> None:
    queue = AQueue(max_bytes=10)
    assert [queue.push("a", 6, Lane.DATA), queue.push("b", 5, Lane.DATA)] == [True, False]
    assert queue.dropped == [Lane.DATA]


def test_control_pushes_out_the_latest_data() -> None:
    queue = AQueue(max_payloads=2)
    queue.push("a", 1, Lane.DATA)
    queue.push("b", 1, Lane.DATA)
    assert queue.push("graft", 1, Lane.CONTROL)
    assert (queue.take(100), queue.dropped) == (["graft", "a"], [Lane.DATA])


def test_a_lane_never_pushes_out_its_own_or_an_earlier_one() -> None:
    queue = AQueue(max_payloads=2)
    queue.push("graft", 1, Lane.CONTROL)
    queue.push("grant", 1, Lane.PRIORITY)
    assert not queue.push("another", 1, Lane.PRIORITY)
    assert (queue.take(100), queue.dropped) == (["graft", "grant"], [Lane.PRIORITY])


def test_a_cancelled_message_is_not_sent_and_makes_room() -> None:
    queue = AQueue(max_payloads=1)
    queue.push("a", 1, Lane.DATA, b"a")
    assert queue.cancel(b"a")
    assert (len(queue), queue.push("b", 1, Lane.DATA), queue.take(100)) == (0, True, ["b"])
    assert queue.dropped == []


def test_what_was_taken_cannot_be_cancelled() -> None:
    queue = AQueue()
    queue.push("a", 1, Lane.DATA, b"a")
    queue.take(100)
    assert not queue.cancel(b"a")


def test_what_was_pushed_out_cannot_be_cancelled() -> None:
    queue = AQueue(max_payloads=1)
    queue.push("a", 1, Lane.DATA, b"a")
    queue.push("graft", 1, Lane.CONTROL)
    assert (queue.cancel(b"a"), len(queue)) == (False, 1)


def test_half_full_is_told_by_count_and_by_bytes() -> None:
    by_count, by_bytes = AQueue(max_payloads=4), AQueue(max_bytes=10)
    by_count.push("a", 1, Lane.DATA)
    by_bytes.push("a", 4, Lane.DATA)
    assert not by_count.is_half_full and not by_bytes.is_half_full
    by_count.push("b", 1, Lane.DATA)
    by_bytes.push("b", 1, Lane.DATA)
    assert by_count.is_half_full and by_bytes.is_half_full


STEPS = st.lists(st.tuples(st.sampled_from(["push", "cancel", "take"]), st.integers(0, 9), st.sampled_from(Lane)))


@given(STEPS)
def test_it_agrees_with_a_plain_list(steps: list[tuple[str, int, Lane]]) -> None:
    queue, plain = AQueue(max_payloads=4, max_bytes=20), list[tuple[Lane, int, str]]()
    for number, (step, n, lane) in enumerate(steps):
        if step == "take":
            plain.sort(key=lambda entry: entry[0])
            assert queue.take(10**9) == [name for _, _, name in plain]
            plain.clear()
        elif step == "cancel":
            found = [entry for entry in plain if entry[2] == f"{n}"]
            assert queue.cancel(f"{n}".encode()) == bool(found)
            plain = [entry for entry in plain if entry not in found]
        elif not any(entry[2] == f"{number}" for entry in plain):
            while (len(plain) >= 4 or sum(e[1] for e in plain) + n > 20) and any(e[0] > lane for e in plain):
                latest = max(e[0] for e in plain)
                del plain[max(i for i, e in enumerate(plain) if e[0] == latest)]
            if len(plain) < 4 and sum(e[1] for e in plain) + n <= 20:
                plain.append((lane, n, f"{number}"))
            queue.push(f"{number}", n, lane, f"{number}".encode())
        assert len(queue) == len(plain)
