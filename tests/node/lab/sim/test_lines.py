from math import exp

import pytest

from pushmesh_node.lab.sim.conditions import NetworkConditions
from pushmesh_node.lab.sim.lines import Line, Paths
from support.sim_world import LOSSLESS


def test_a_line_is_busy_as_long_as_its_bits_take() -> None:
    line = Line(100_000_000)
    assert line.send(0, 12_500) == 1_000
    assert line.send(200, 12_500) == 2_000  # it waited
    assert line.send(5_000, 12_500) == 6_000  # it did not


def test_a_free_line_of_the_same_speed_adds_nothing_to_what_the_sender_took() -> None:
    line = Line(100_000_000)
    assert line.receive(10_000, 1_000, 12_500) == 10_000
    assert line.receive(10_000, 1_000, 12_500) == 11_000  # the second of two that came at once waits for the first


def test_a_slow_line_takes_its_own_time() -> None:
    assert Line(10_000_000).receive(10_000, 1_000, 12_500) == 9_000 + 10_000


def test_the_latency_of_a_pair_is_the_same_both_ways_and_in_every_run() -> None:
    one, other = b"\x01" * 32, b"\x02" * 32
    paths = Paths(LOSSLESS, 7)
    assert paths.latency_us(one, other) == paths.latency_us(other, one) == Paths(LOSSLESS, 7).latency_us(one, other)
    assert paths.latency_us(one, other) != Paths(LOSSLESS, 8).latency_us(one, other)


def test_the_mean_of_all_latencies_is_the_mean_of_the_lognormal_itself() -> None:
    paths = Paths(LOSSLESS, 1)
    drawn = [paths.latency_us(bytes(32), number.to_bytes(32, "big")) for number in range(1, 5_001)]
    assert sum(drawn) / len(drawn) == pytest.approx(100_000, rel=0.02)
    assert sorted(drawn)[2_500] == pytest.approx(100_000 * exp(-(0.3**2) / 2), rel=0.03)  # the median lies below it


def test_without_loss_nothing_is_late() -> None:
    paths = Paths(LOSSLESS, 1)
    assert {paths.loss_delay_us(64_000, 100_000) for _ in range(1_000)} == {0}


def test_loss_is_delay_by_a_round_trip_or_by_the_timer_where_nothing_follows() -> None:
    paths = Paths(NetworkConditions(loss=0.001), 1)
    large = [paths.loss_delay_us(64_000, 100_000) for _ in range(20_000)]
    small = [paths.loss_delay_us(100, 100_000) for _ in range(20_000)]
    assert {200_000, 400_000} <= {delay for delay in large if delay} <= {200_000, 400_000, 600_000, 800_000}
    assert {delay for delay in small if delay} == {400_000}
    assert sum(map(bool, large)) / len(large) == pytest.approx(1 - 0.999**45, rel=0.1)
