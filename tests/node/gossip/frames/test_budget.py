from random import Random

from pushmesh_node.gossip.frames.budget import Budget

PEER, OTHER = b"\x01", b"\x02"


def test_a_peer_spends_what_it_saved_and_no_more() -> None:
    budget = Budget(5)
    assert budget.take(PEER, 10, 0)
    assert not budget.take(PEER, 1, 0)
    assert budget.take(OTHER, 10, 0)


def test_a_refused_frame_spends_nothing() -> None:
    budget = Budget(5)
    assert not budget.take(PEER, 11, 0)
    assert budget.take(PEER, 10, 0)


def test_checks_come_back_with_time_up_to_what_is_saved() -> None:
    budget = Budget(5)
    budget.take(PEER, 10, 0)
    assert not budget.take(PEER, 1, 199)
    assert budget.take(PEER, 1, 200)
    assert not budget.take(PEER, 11, 1_000_000)
    assert budget.take(PEER, 10, 1_000_000)


def test_part_of_a_check_is_not_lost_by_asking_often() -> None:
    budget = Budget(1)
    budget.take(PEER, 2, 0)
    for now_ms in range(1, 1_000):
        assert not budget.take(PEER, 1, now_ms)
    assert budget.take(PEER, 1, 1_000)


def test_a_frame_that_needs_no_check_always_passes() -> None:
    budget = Budget(1)
    budget.take(PEER, 2, 0)
    assert budget.take(PEER, 0, 0)


def test_one_full_frame_passes_however_small_the_budget() -> None:
    budget = Budget(1, least=1_024)
    assert budget.take(PEER, 1_024, 0)
    assert not budget.take(PEER, 1, 0)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    budget = Budget(5)
    budget.take(PEER, 10, 10_000)
    assert not budget.take(PEER, 1, 0)


def test_peers_that_are_full_again_are_forgotten_and_others_are_not() -> None:
    budget = Budget(1)
    budget.take(b"spender", 2, 60_000)
    for number in range(Budget.REMEMBERED_PEERS):
        budget.take(b"%d" % number, 1, 0)
    assert len(budget) <= Budget.REMEMBERED_PEERS + 1
    budget.take(b"one more", 1, 60_000)
    assert len(budget) == 2
    assert not budget.take(b"spender", 1, 60_000)


def test_it_never_gives_more_than_rate_and_saving(rng: Random) -> None:
    budget, now_ms, given = Budget(7), 0, 0
    for _ in range(2_000):
        now_ms += rng.randrange(400)
        checks = rng.randint(0, 9)
        given += checks if budget.take(PEER, checks, now_ms) else 0
        assert given <= 14 + now_ms * 7 / 1_000
    assert given > now_ms * 7 / 1_000 * 0.9
