"""The window of QoS 1: packet ids and the acknowledged place."""

import random

from pushmesh_node.delivery.mqtt.window import HIGHEST_PACKET_ID, Window


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
