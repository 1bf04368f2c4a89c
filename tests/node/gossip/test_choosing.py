from random import Random

import pytest

from pushmesh_node.gossip.choosing import sample, shuffled


def test_shuffling_keeps_all_and_leaves_the_original() -> None:
    values = list(range(50))
    mixed = shuffled(Random(1), values)
    assert mixed != values == list(range(50)) and sorted(mixed) == values


@pytest.mark.parametrize(("n", "size"), [(-1, 0), (0, 0), (3, 3), (10, 5)])
def test_a_sample_has_at_most_what_is_there(n: int, size: int) -> None:
    chosen = sample(Random(1), range(5), n)
    assert len(chosen) == len(set(chosen)) == size


def test_a_seed_decides_a_sample() -> None:
    assert sample(Random(1), range(99), 5) == sample(Random(1), range(99), 5) != sample(Random(2), range(99), 5)
