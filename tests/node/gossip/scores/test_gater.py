from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from pushmesh_node.gossip.parameters import GaterParameters
from pushmesh_node.gossip.scores.gater import PeerGater

P = GaterParameters()
HOST, OTHER = "192.0.2.1", "192.0.2.2"
NOW = 1_700_000_000_000
SECOND = 1_000


class Dice:
    """Shows what it is told to."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value

    def randrange(self, stop: int, /) -> int:
        raise AssertionError

    def shuffle(self, values: object, /) -> None:
        raise AssertionError


LUCKY, UNLUCKY = Dice(0.0), Dice(0.999_999)


def overloaded(parameters: GaterParameters = P) -> PeerGater:
    gater = PeerGater(parameters)
    gater.refresh(NOW)
    gater.validated()
    gater.throttled(NOW)
    return gater


def chance(gater: PeerGater, host: str) -> float:
    """The probability of being admitted, to a ten-thousandth."""
    return sum([gater.admits(host, NOW, Dice(value / 10_000)) for value in range(10_000)]) / 10_000


def test_while_nothing_is_throttled_everybody_passes() -> None:
    gater = PeerGater(P)
    gater.validated()
    gater.rejected(HOST)
    assert gater.admits(HOST, NOW, UNLUCKY)


def test_while_frames_pile_up_a_host_that_wastes_validation_may_lose() -> None:
    gater = overloaded()
    gater.rejected(HOST)
    assert (gater.admits(HOST, NOW, UNLUCKY), gater.admits(HOST, NOW, LUCKY)) == (False, True)


def test_what_falls_on_the_chance_itself_is_beyond_it() -> None:
    gater = overloaded()
    gater.ignored(HOST)
    assert (gater.admits(HOST, NOW, Dice(0.499_999)), gater.admits(HOST, NOW, Dice(0.5))) == (True, False)


def test_a_host_of_which_nothing_is_known_passes() -> None:
    gater = overloaded()
    gater.rejected(OTHER)
    assert gater.admits(HOST, NOW, UNLUCKY)


def test_a_host_that_only_delivered_passes_always() -> None:
    gater = overloaded()
    gater.delivered(HOST)
    assert gater.admits(HOST, NOW, UNLUCKY)


# The published weights: duplicate 1/8, ignored 1, rejected 16; the chance: (1 + delivered) / (1 + delivered + wasted).
@pytest.mark.parametrize(
    ("delivered", "duplicates", "ignored", "rejected", "expected"),
    [
        (0, 8, 0, 0, 1 / 2),
        (0, 0, 1, 0, 1 / 2),
        (0, 0, 0, 1, 1 / 17),
        (9, 80, 0, 0, 10 / 20),
        (3, 8, 2, 1, 4 / 23),
    ],
)
def test_the_chance_is_the_published_one(
    delivered: int, duplicates: int, ignored: int, rejected: int, expected: float
) -> None:
    gater = overloaded()
    for count, tell in [
        (delivered, gater.delivered),
        (duplicates, gater.duplicate),
        (ignored, gater.ignored),
        (rejected, gater.rejected),
    ]:
        for _ in range(count):
            tell(HOST)
    assert chance(gater, HOST) == pytest.approx(expected, abs=2e-4)


def test_the_share_of_throttled_frames_decides_from_the_threshold_on() -> None:
    gater = PeerGater(replace(P, threshold=0.25))
    for _ in range(5):
        gater.validated()
    gater.throttled(NOW)
    assert not gater.is_active(NOW)
    gater.throttled(NOW)
    assert gater.is_active(NOW)
    for _ in range(3):
        gater.validated()
    assert gater.is_active(NOW)  # exactly at it
    gater.validated()
    assert not gater.is_active(NOW)


def test_it_rests_when_nothing_was_throttled_for_the_quiet_time() -> None:
    gater = overloaded()
    assert (gater.is_active(NOW + P.quiet_ms), gater.is_active(NOW + P.quiet_ms + 1)) == (True, False)


def test_it_rests_when_the_throttled_frames_have_decayed() -> None:
    gater = overloaded(replace(P, quiet_ms=10**9))
    gater.refresh(NOW + 130 * SECOND)
    assert not gater.is_active(NOW + 130 * SECOND)


def test_frames_decay_to_a_hundredth_in_two_minutes_and_hosts_in_an_hour() -> None:
    gater = overloaded(replace(P, quiet_ms=10**9, decay_to_zero=0.0))
    for _ in range(99):
        gater.ignored(HOST)
    assert chance(gater, HOST) == pytest.approx(1 / 100, abs=2e-4)
    gater.refresh(NOW + 3_600 * SECOND)
    assert chance(gater, HOST) == pytest.approx(1 / 1.99, abs=2e-3)


def test_all_that_decayed_is_forgotten() -> None:
    gater = overloaded()
    gater.delivered(HOST)
    gater.ignored(OTHER)
    gater.refresh(NOW + 3_590 * SECOND)
    assert len(gater) == 2
    gater.refresh(NOW + 3_610 * SECOND)
    assert len(gater) == 0


def test_peers_of_one_host_share_its_fate_and_hosts_do_not() -> None:
    gater = overloaded()
    gater.rejected(HOST)
    gater.duplicate(OTHER)
    assert [chance(gater, HOST), chance(gater, OTHER)] == pytest.approx([1 / 17, 8 / 9], abs=2e-4)


def test_a_stream_of_strangers_pushes_out_no_known_host() -> None:
    gater = overloaded(replace(P, max_hosts=3))
    gater.rejected(HOST)
    gater.delivered(OTHER)
    gater.delivered(OTHER)
    for number in range(50):
        gater.duplicate(f"198.51.100.{number}")
    assert len(gater) == 3
    assert chance(gater, HOST) == pytest.approx(1 / 17, abs=2e-4)
    gater.ignored(OTHER)
    assert chance(gater, OTHER) == pytest.approx(3 / 4, abs=2e-4)


deeds = st.tuples(st.sampled_from(["delivered", "duplicate", "ignored", "rejected"]), st.sampled_from("abcdef"))


@given(st.lists(deeds, max_size=60), st.integers(0, 10_000_000))
def test_it_stays_within_its_bounds_and_nobody_is_shut_out(script: list[tuple[str, str]], pause_ms: int) -> None:
    gater = overloaded(replace(P, max_hosts=4, quiet_ms=10**9))
    for deed, host in script:
        getattr(gater, deed)(host)
    gater.refresh(NOW + pause_ms)
    gater.throttled(NOW + pause_ms)
    assert len(gater) <= 4
    assert all(gater.admits(host, NOW + pause_ms, LUCKY) for host in "abcdef")


def test_more_deliveries_never_lower_the_chance() -> None:
    gater = overloaded()
    for _ in range(20):
        gater.ignored(HOST)
    before = 0.0
    for _ in range(30):
        now = chance(gater, HOST)
        assert now >= before
        before = now
        gater.delivered(HOST)
