"""The window of QoS 1: packet ids and the acknowledged place."""

import random

from pushmesh_node.delivery.mqtt.runs import HIGHEST_PACKET_ID
from pushmesh_node.delivery.mqtt.window import InFlight, Window


def test_the_acknowledged_place_is_the_highest_without_a_hole_before_it() -> None:
    window = Window(10)
    first, second, third = (window.send(commit_no) for commit_no in (5, 8, 9))
    assert window.acknowledge(third) and window.acknowledged is None
    assert window.acknowledge(first) and window.acknowledged == 5
    assert window.acknowledge(second) and window.acknowledged == 9


def test_what_is_passed_over_counts_once_all_before_it_are_acknowledged() -> None:
    window = Window(10)
    window.pass_over(3)
    assert window.acknowledged == 3
    packet_id = window.send(4)
    window.pass_over(6)
    assert window.acknowledged == 3
    window.acknowledge(packet_id)
    assert window.acknowledged == 6


def test_a_packet_that_is_no_message_moves_nothing() -> None:
    window = Window(10)
    window.acknowledge(window.send(None))
    assert window.acknowledged is None


def test_an_unknown_or_repeated_packet_id_is_told() -> None:
    window = Window(10)
    packet_id = window.send(1)
    assert not window.acknowledge(packet_id + 1)
    assert window.acknowledge(packet_id)
    assert not window.acknowledge(packet_id)


def test_packet_ids_wrap_and_pass_over_those_in_use() -> None:
    window = Window(3)
    held = window.send(1)
    for commit_no in range(2, HIGHEST_PACKET_ID + 1):
        window.acknowledge(window.send(commit_no))
    assert window.send(HIGHEST_PACKET_ID + 1) == held + 1
    assert window.room == 1


def test_the_place_equals_a_naive_count_whatever_the_order(rng: random.Random) -> None:
    for _ in range(100):
        window, on_the_way, sent, done = Window(50), {}, [], set()
        for commit_no in range(1, 200):
            if window.room and rng.random() < 0.6:
                on_the_way[window.send(commit_no)] = commit_no
                sent.append(commit_no)
            elif rng.random() < 0.3:
                window.pass_over(commit_no)
                sent.append(commit_no)
                done.add(commit_no)
            if on_the_way and rng.random() < 0.5:
                packet_id = rng.choice(list(on_the_way))
                assert window.acknowledge(packet_id)
                done.add(on_the_way.pop(packet_id))
            expected = None
            for each in sent:
                if each not in done:
                    break
                expected = each
            assert window.acknowledged == expected


def left_behind() -> InFlight:
    """Of commits 4, 6, 7 and 9 under packet ids 1 to 4, where 7 alone was acknowledged."""
    window = Window(10)
    for commit_no in (4, 6, 7, 9):
        window.send(commit_no)
    window.acknowledge(3)
    return window.in_flight


def test_what_an_earlier_connection_left_is_repeated_under_its_packet_ids_and_nothing_acknowledged_is() -> None:
    window = Window(10, left_behind())
    assert [window.repeat(commit_no) for commit_no in (4, 6, 7, 9, 11)] == [1, 2, 0, 4, None]
    assert (window.send(11), window.room, window.repeats) == (5, 6, False)
    for packet_id in (1, 2, 4, 5):
        assert window.acknowledge(packet_id)
    assert window.acknowledged == 11


def test_what_is_new_takes_no_packet_id_that_is_still_to_be_repeated() -> None:
    window = Window(10, InFlight(((4, 1), (6, 3)), 1))
    assert window.repeat(3) is None
    assert [window.send(3), window.repeat(4), window.send(5), window.repeat(6)] == [2, 1, 4, 3]


def test_what_is_gone_from_the_inbox_is_not_repeated_and_gives_its_packet_id_away() -> None:
    window = Window(10, left_behind())
    window.pass_over(4)
    assert window.repeat(8) is None
    assert window.repeat(9) == 4
    window = Window(10, InFlight(((4, 1), (6, 2)), 1))
    assert window.repeat(7) is None
    assert window.send(7) == 1


def test_a_puback_that_was_on_its_way_when_the_connection_went_still_counts() -> None:
    window = Window(10, left_behind())
    assert window.acknowledge(2) and not window.acknowledge(2)
    assert not window.acknowledge(0), "what was acknowledged before has no packet id any more"
    assert [window.repeat(commit_no) for commit_no in (4, 6, 7, 9)] == [1, 0, 0, 4]
    window.acknowledge(1)
    assert window.acknowledged == 7


def test_a_connection_that_is_lost_while_it_repeats_leaves_the_rest_to_the_next() -> None:
    window = Window(10, left_behind())
    window.repeat(4), window.repeat(6)
    window.acknowledge(2)
    assert window.in_flight == InFlight(((4, 1), (6, 0), (7, 0), (9, 4)), 5)


def test_however_often_a_connection_is_lost_ids_stay_and_no_two_share_one(rng: random.Random) -> None:
    for _ in range(50):
        window, ids, acknowledged = Window(20), dict[int, int](), set[int]()
        for _ in range(6):
            window = Window(20, window.in_flight)
            start = reached(acknowledged)
            for commit_no in range(start + 1, start + rng.randrange(1, 25)):
                if not window.room:
                    break
                again = window.repeat(commit_no)
                assert again != 0 if commit_no not in acknowledged else again == 0
                if again is None:
                    assert commit_no not in ids
                    ids[commit_no] = window.send(commit_no)
                elif again:
                    assert again == ids[commit_no]
                waiting = [number for number in ids if number not in acknowledged and number <= commit_no]
                assert len({ids[number] for number in waiting}) == len(waiting)
                if waiting and rng.random() < 0.5:
                    done = rng.choice(waiting)
                    assert window.acknowledge(ids[done])
                    acknowledged.add(done)


def reached(acknowledged: set[int]) -> int:
    """The last of the commit numbers from 1 on without a hole."""
    return next(number for number in range(len(acknowledged) + 1) if number + 1 not in acknowledged)
