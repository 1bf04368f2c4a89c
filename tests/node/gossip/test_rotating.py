from random import Random

from pushmesh_node.gossip.rotating import RotatingCounter, RotatingSet


def test_a_value_is_in_from_then_on() -> None:
    values = RotatingSet(4)
    values.update([b"a", b"b"])
    assert b"a" in values
    assert b"c" not in values


def test_the_last_values_are_remembered_and_at_most_an_eighth_more(rng: Random) -> None:
    values = RotatingSet(80)
    told: list[bytes] = []
    for _ in range(300):
        news = [rng.randbytes(8) for _ in range(rng.randint(1, 7))]
        values.update(news)
        told += news
        assert all(value in values for value in told[-80:])
        assert len(values) <= 90
    assert told[0] not in values


def test_one_large_update_is_bounded_too() -> None:
    values = RotatingSet(10)
    values.update(bytes([n]) for n in range(95))
    assert 10 <= len(values) <= 11
    assert all(bytes([n]) in values for n in range(85, 95))


def test_those_among_others_are_the_ones_that_are_in(rng: Random) -> None:
    values = RotatingSet(16)
    for _ in range(200):
        values.update([bytes([rng.randrange(60)])])
        asked = {bytes([rng.randrange(60)]) for _ in range(10)}
        assert values.among(asked) == {value for value in asked if value in values}


def test_a_value_that_comes_again_stays() -> None:
    values = RotatingSet(3)
    for n in range(50):
        values.update([b"again", bytes([n])])
        assert b"again" in values


def test_each_value_is_counted_for_itself() -> None:
    counter = RotatingCounter(10)
    assert [counter.add(value) for value in (b"a", b"b", b"a", b"a", b"b")] == [1, 1, 2, 3, 2]


def test_a_count_goes_on_over_the_change_of_generations_and_the_counter_is_bounded() -> None:
    counter = RotatingCounter(3)
    for n in range(50):
        assert counter.add(b"again") == n + 1
        counter.add(bytes([n]))
        assert len(counter) <= 4
    assert counter.add(bytes([0])) == 1
