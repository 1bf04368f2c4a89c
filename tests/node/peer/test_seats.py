from hypothesis import given, strategies as st

from pushmesh_node.peer.seats import KEPT_SCORE, Seat, yields

CROWDED, OTHER, NEW = "10.0.0.0/24", "10.0.1.0/24", "10.0.9.0/24"


def a_seat(name: bytes, subnet: str, score: float = 0.0, opened_ms: int = 0) -> Seat:
    return Seat(name * 32, subnet, score, opened_ms)


def test_the_most_crowded_subnet_yields() -> None:
    seats = [a_seat(b"a", OTHER), a_seat(b"b", CROWDED), a_seat(b"c", CROWDED), a_seat(b"d", CROWDED)]
    assert (found := yields(NEW, seats)) is not None and found.subnet == CROWDED


def test_nobody_yields_to_who_would_be_as_many() -> None:
    seats = [a_seat(b"a", CROWDED), a_seat(b"b", CROWDED)]
    assert yields(CROWDED, seats) is None
    assert yields(OTHER, [*seats, a_seat(b"c", OTHER)]) is None
    assert yields(NEW, [a_seat(b"a", CROWDED), a_seat(b"c", OTHER)]) is None
    assert yields(NEW, []) is None


def test_of_one_subnet_the_worst_yields_and_of_equal_ones_the_latest() -> None:
    old, late, worse = a_seat(b"a", CROWDED), a_seat(b"b", CROWDED, opened_ms=9), a_seat(b"c", CROWDED, score=-1.0)
    assert yields(NEW, [old, late, worse]) == worse
    assert yields(NEW, [old, late]) == late


def test_who_earned_its_seat_keeps_it() -> None:
    earned = a_seat(b"a", CROWDED, KEPT_SCORE, 9)
    plain = a_seat(b"b", CROWDED, KEPT_SCORE - 0.01)
    assert yields(NEW, [earned, plain]) == plain
    assert yields(NEW, [earned, a_seat(b"c", CROWDED, KEPT_SCORE)]) is None


def test_a_subnet_that_earned_its_seats_leaves_it_to_the_next() -> None:
    earned = [a_seat(bytes([n]), CROWDED, KEPT_SCORE) for n in range(3)]
    assert (found := yields(NEW, [*earned, a_seat(b"x", OTHER), a_seat(b"y", OTHER)])) is not None
    assert found.subnet == OTHER


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 4))
def test_each_change_makes_the_seats_more_even(taken: list[int], newcomer: int) -> None:
    seats = [a_seat(bytes([n]), str(subnet)) for n, subnet in enumerate(taken)]
    found = yields(str(newcomer), seats)
    if found is not None:
        after = [seat.subnet for seat in seats if seat != found] + [str(newcomer)]
        before = [seat.subnet for seat in seats]
        assert sum(after.count(one) for one in after) < sum(before.count(one) for one in before)
