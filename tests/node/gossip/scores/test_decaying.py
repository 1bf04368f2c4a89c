from hypothesis import given, strategies as st

from pushmesh_node.gossip.scores.decaying import DecaySteps, decayed


def test_the_first_look_begins_an_interval() -> None:
    steps = DecaySteps(1_000)
    assert [steps.due(1_700_000_000_000), steps.due(1_700_000_000_999), steps.due(1_700_000_001_000)] == [0, 0, 1]


def test_a_late_look_makes_up_for_what_it_missed_and_keeps_the_rest() -> None:
    steps = DecaySteps(1_000)
    steps.due(0)
    assert [steps.due(3_700), steps.due(3_999), steps.due(4_000)] == [3, 0, 1]


@given(st.lists(st.integers(0, 5_000), max_size=50))
def test_looking_often_counts_the_same_as_looking_once(pauses: list[int]) -> None:
    often, once = DecaySteps(700), DecaySteps(700)
    now_ms, counted = 0, often.due(0) + once.due(0)
    for pause in pauses:
        now_ms += pause
        counted += often.due(now_ms)
    assert counted == once.due(now_ms)


def test_decay_reaches_zero_exactly() -> None:
    value, steps = 1_000_000.0, 0
    while value:
        value, steps = decayed(value, 0.986, 0.01), steps + 1
    assert steps == 1_307  # ln(10^8) / -ln(0.986), rounded up


def test_at_the_limit_nothing_is_left_and_above_it_all() -> None:
    assert (decayed(0.02, 0.5, 0.01), decayed(0.0202, 0.5, 0.01)) == (0.0, 0.0101)
