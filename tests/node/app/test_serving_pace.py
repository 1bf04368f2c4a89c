import pytest

from pushmesh_node.app.serving_pace import BURST_S, FREE_BYTES, LONGEST_WAIT_S, ServingPace

PER_S = 1_000_000
PAGE = PER_S // 4


def test_what_a_rest_saved_up_goes_out_at_once_and_then_at_the_pace() -> None:
    pace = ServingPace(PER_S)
    waits = [pace.wait_s(FREE_BYTES, PAGE, 10.0) for _ in range(int(BURST_S * PER_S) // PAGE + 2)]
    assert waits[:-2] == [0.0] * (len(waits) - 2)
    assert waits[-2:] == pytest.approx([0.25, 0.5])


def test_who_waited_long_waits_no_longer() -> None:
    pace = ServingPace(PER_S)
    assert pace.wait_s(FREE_BYTES, 3 * PER_S, 10.0) == pytest.approx(3 - BURST_S)
    assert pace.wait_s(FREE_BYTES, PAGE, 20.0) == 0.0


def test_a_rest_saves_up_no_more_than_a_burst() -> None:
    pace = ServingPace(PER_S)
    pace.wait_s(FREE_BYTES, PAGE, 0.0)
    assert pace.wait_s(FREE_BYTES, int((BURST_S + 1) * PER_S), 1_000.0) == pytest.approx(1.0)


def test_whoever_misses_little_does_not_wait_for_those_who_ask_for_all() -> None:
    pace = ServingPace(PER_S)
    for _ in range(40):
        pace.wait_s(FREE_BYTES, PAGE, 10.0)
    assert pace.wait_s(0, FREE_BYTES, 10.0) == 0.0
    assert pace.wait_s(0, FREE_BYTES + 1, 10.0) > 8
    assert pace.wait_s(FREE_BYTES, 1, 10.0) > 8


def test_whoever_would_wait_too_long_is_sent_away_and_makes_nobody_wait() -> None:
    pace = ServingPace(PER_S)
    pace.wait_s(FREE_BYTES, int((BURST_S + LONGEST_WAIT_S) * PER_S), 10.0)
    for _ in range(9):
        with pytest.raises(TimeoutError):
            pace.wait_s(FREE_BYTES, PAGE, 10.0)
    assert pace.wait_s(FREE_BYTES, PAGE, 11.0) == pytest.approx(LONGEST_WAIT_S - 0.75)
    assert pace.wait_s(0, 1, 11.0) == 0.0


def test_what_goes_out_unasked_for_time_is_still_counted() -> None:
    pace = ServingPace(PER_S)
    for _ in range(int(BURST_S * PER_S) // 50_000):
        assert pace.wait_s(0, 50_000, 10.0) == 0.0
    assert pace.wait_s(FREE_BYTES, PAGE, 10.0) == pytest.approx(0.25)
