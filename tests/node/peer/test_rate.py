from pushmesh_node.peer.rate import BURST_S, Rate


def test_a_rate_gives_back_with_time() -> None:
    rate = Rate(2, 0.0)
    assert [rate.take(0.0) for _ in range(2 * BURST_S)] == [0.0] * 2 * BURST_S
    assert [rate.take(0.0), rate.take(0.5)] == [0.5, 0.5]


def test_who_waits_as_long_as_told_is_never_early_again() -> None:
    rate, now_s = Rate(2, 0.0), 0.0
    for _ in range(20):
        now_s += rate.take(now_s)
    assert now_s == (20 - 2 * BURST_S) / 2


def test_many_at_once_are_counted_as_many() -> None:
    rate = Rate(2, 0.0)
    assert rate.take(0.0, 2 * BURST_S) == 0.0
    assert rate.take(0.0, 3) == 1.5
