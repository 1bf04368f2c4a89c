"""Random choice from the injected randomness. The order of what is chosen from must not depend on hashes."""

from collections.abc import Iterable
from typing import TypeVar

from .randomness import Randomness

T = TypeVar("T")


def shuffled(randomness: Randomness, values: Iterable[T]) -> list[T]:
    """A new list in random order."""
    mixed = list(values)
    randomness.shuffle(mixed)
    return mixed


def sample(randomness: Randomness, values: Iterable[T], n: int) -> list[T]:
    """At most `n` of them, in random order."""
    return shuffled(randomness, values)[: max(0, n)]
