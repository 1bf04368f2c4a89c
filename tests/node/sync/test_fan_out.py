import pytest

from pushmesh_node.sync.fan_out import FanOut


def messages(fan_out: FanOut, records: int) -> list[int]:
    """The ways of each split down to a list, along the greatest part."""
    ways = []
    while (width := fan_out.ways(records)) > 1:
        ways.append(width)
        records = -(-records // width)
    return ways


def test_what_fits_into_a_list_is_not_split() -> None:
    assert [FanOut().ways(records) for records in (0, 1, 12, 13)] == [1, 1, 1, 2]


def test_a_million_records_are_five_splits_of_about_equal_width() -> None:
    assert messages(FanOut(), 1_000_000) == [11, 11, 11, 10, 10]


def test_the_shortest_way_down_is_a_split_in_two() -> None:
    assert messages(FanOut(most_ways=2, usual_list=1, longest_list=1), 1024) == [2] * 10


@pytest.mark.parametrize("fan_out", [FanOut(), FanOut(2, 1, 1), FanOut(16, 16, 31), FanOut(3, 5, 5), FanOut(12, 1, 40)])
def test_every_split_has_parts_that_are_not_empty_and_no_more_ways_than_allowed(fan_out: FanOut) -> None:
    for records in [*range(3000), 10**5, 10**6, 10**7, 2**64]:
        ways = fan_out.ways(records)
        assert 1 <= ways <= fan_out.most_ways
        assert ways <= max(1, records)
        assert (ways == 1) == (records <= fan_out.longest_list)


@pytest.mark.parametrize("wrong", [(1, 8, 8), (16, 0, 8), (16, 8, 7)])
def test_what_never_ends_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="two at least"):
        FanOut(*wrong)
