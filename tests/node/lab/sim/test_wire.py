from pushmesh_node.gossip.effects import Lane
from pushmesh_node.lab.sim.clock import Clock
from pushmesh_node.lab.sim.conditions import NetworkConditions
from pushmesh_node.lab.sim.lines import Paths
from pushmesh_node.lab.sim.wire import CREDIT_STEP_BYTES, WINDOW_BYTES, Link
from support.sim_world import BOUNDS, LOSSLESS, Ear, a_link

OVERHEAD = LOSSLESS.write_overhead_bytes


def lines(count: int, network: NetworkConditions = LOSSLESS, seed: int = 1) -> tuple[Clock, Paths, list[Ear]]:
    clock = Clock(0)
    return clock, Paths(network, seed), [Ear(name, clock, network) for name in range(1, count + 1)]


def say(link: Link, end: Ear, word: object, size_bytes: int, lane: Lane = Lane.DATA) -> None:
    link.way_from(end).push(word, size_bytes, lane)


def test_a_payload_takes_its_bits_and_the_latency_of_its_path() -> None:
    clock, paths, (a, b) = lines(2)
    link = a_link(clock, paths, a, b)
    say(link, a, "hello", 12_500 - OVERHEAD)
    clock.run_until(10**7)
    assert b.heard == [(1_000 + link.latency_us, "hello")]


def test_payloads_to_two_peers_leave_one_after_the_other() -> None:
    clock, paths, (a, b, c) = lines(3)
    first, second = a_link(clock, paths, a, b), a_link(clock, paths, a, c)
    for link in (first, second):
        say(link, a, "hello", 12_500 - OVERHEAD)
    clock.run_until(10**7)
    assert b.heard == [(1_000 + first.latency_us, "hello")]
    assert c.heard == [(2_000 + second.latency_us, "hello")]


def test_what_is_queued_together_travels_in_one_write_control_first() -> None:
    clock, paths, (a, b) = lines(2)
    link = a_link(clock, paths, a, b)
    say(link, a, "data", 5_000)
    say(link, a, "control", 7_500 - OVERHEAD, Lane.CONTROL)
    clock.run_until(10**7)
    assert b.heard == [(1_000 + link.latency_us, "control"), (1_000 + link.latency_us, "data")]


def test_a_second_write_waits_until_the_first_has_left() -> None:
    clock, paths, (a, b) = lines(2)
    link = a_link(clock, paths, a, b)
    for word in ("one", "two"):
        say(link, a, word, 50_000 - OVERHEAD)
    clock.run_until(10**7)
    assert b.heard == [(4_000 + link.latency_us, "one"), (8_000 + link.latency_us, "two")]


def test_what_the_other_end_ignores_costs_its_sender_as_much_and_is_not_delivered() -> None:
    clock, paths, (a, b, c) = lines(3)
    b.deaf_to = {"noise"}
    for end, word in ((b, "noise"), (c, "word")):
        say(a_link(clock, paths, a, end), a, word, 12_500 - OVERHEAD)
    clock.run_until(10**7)
    assert (b.words, c.words, a.wrote_bytes, a.up.free_us) == ([], ["word"], 25_000, 2_000)


def test_a_lost_segment_delays_what_follows_and_loses_nothing() -> None:
    clock, paths, (a, b) = lines(2, NetworkConditions(loss=0.3))
    link = a_link(clock, paths, a, b)
    for number in range(50):
        clock.at(number * 20_000, say, link, a, number, 1_000)
    clock.run_until(10**9)
    assert b.words == list(range(50))
    gaps = [time - number * 20_000 - link.latency_us for time, number in b.heard]
    assert max(gaps) > 200_000


def test_a_full_queue_drops_and_says_so() -> None:
    clock, paths, (a, b) = lines(2)
    dropped: list[Lane] = []
    link = Link(a, b, clock, paths, (2, BOUNDS[1]), dropped.append)
    for word in ("one", "two", "three"):
        say(link, a, word, 100)
    clock.run_until(10**7)
    assert (b.words, dropped) == (["one", "two"], [Lane.DATA])


def test_who_hangs_up_hears_no_more_and_the_other_end_learns_of_it_after_what_was_sent() -> None:
    clock, paths, (a, b) = lines(2)
    link = a_link(clock, paths, a, b)
    say(link, a, "sent", 12_500 - OVERHEAD)
    say(link, b, "too late", 100)
    clock.run_until(100)
    say(link, a, "queued", 100)
    link.close(a, "bored")
    link.close(a, "bored")
    clock.run_until(10**7)
    assert (a.words, a.ends) == ([], [(100, "bored")])
    assert (b.words, b.ends) == (["sent"], [(1_000 + link.latency_us, "remote")])
    assert not link.is_open_at(a) and not link.is_open_at(b)


def test_on_a_broken_path_nothing_arrives() -> None:
    clock, paths, (a, b) = lines(2)
    link = a_link(clock, paths, a, b)
    link.is_cut = True
    say(link, a, "hello", 100)
    clock.run_until(10**7)
    assert b.words == []


def test_whoever_is_not_read_has_no_more_than_a_window_on_its_way() -> None:
    clock, paths, (a, b) = lines(2)
    link = a_link(clock, paths, a, b)
    way, b.is_reading = link.way_from(a), False
    words = list(range(WINDOW_BYTES // 32_768 + 2))
    for word in words:
        way.push(word, 32_768, Lane.DATA)
    clock.run_until(10**7)
    assert b.words == words[:-2]
    way.read(CREDIT_STEP_BYTES - 1)  # too little to tell
    clock.run_until(2 * 10**7)
    assert b.words == words[:-2]
    way.read(1)
    clock.run_until(2 * 10**7 + link.latency_us)
    assert b.words == words[:-2]
    clock.run_until(3 * 10**7)
    assert b.words == words


def test_no_more_is_on_its_way_than_the_receivers_kernel_takes_before_it_answers() -> None:
    clock, paths, (a, b) = lines(2)
    b.takes_bytes = 100_000
    link = a_link(clock, paths, a, b)
    for word in range(6):
        say(link, a, word, 30_000)
    clock.run_until(10**7)
    times = [time_us for time_us, _ in b.heard]
    assert times[2] < times[0] + link.latency_us
    assert times[3] >= times[0] + 2 * link.latency_us
    assert b.words == list(range(6))


def test_what_is_larger_than_the_window_comes_whole_a_round_trip_for_each_window() -> None:
    clock, paths, (a, b) = lines(2)
    b.takes_bytes = 40_000
    link = a_link(clock, paths, a, b)
    say(link, a, "large", 100_000)
    say(link, a, "next", 100)
    clock.run_until(10**7)
    (large, _), (after, _) = b.heard
    assert b.words == ["large", "next"]
    assert 5 * link.latency_us <= large <= after < 6 * link.latency_us
    assert a.wrote_bytes == 100_100 + 2 * OVERHEAD


def test_whoever_is_read_sends_as_much_as_it_likes() -> None:
    clock, paths, (a, b) = lines(2)
    link = a_link(clock, paths, a, b)
    for word in range(40):
        say(link, a, word, 32_768)
    clock.run_until(10**7)
    assert b.words == list(range(40))


def test_what_is_cancelled_while_it_waits_is_never_sent() -> None:
    clock, paths, (a, b) = lines(2)
    way = a_link(clock, paths, a, b).way_from(a)
    way.push("first", 60_000, Lane.DATA)
    way.push("second", 60_000, Lane.DATA, b"its id")
    clock.run_until(1)
    assert way.queue.cancel(b"its id")
    clock.run_until(10**7)
    assert b.words == ["first"]
