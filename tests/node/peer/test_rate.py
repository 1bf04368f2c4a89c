from pushmesh_node.peer.rate import BURST_S, FIELDS_OF_AN_RPC, Rate, cost_of


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


def test_an_rpc_of_many_fields_counts_as_many() -> None:
    assert [cost_of(0), cost_of(FIELDS_OF_AN_RPC - 1), cost_of(FIELDS_OF_AN_RPC), cost_of(65_536)] == [1, 1, 2, 8_193]
