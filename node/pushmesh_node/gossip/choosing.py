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
    """At most `n` of them, in random order; draws no more often than that."""
    mixed = list(values)
    n = max(0, min(n, len(mixed)))
    for place in range(n):
        chosen = place + randomness.randrange(len(mixed) - place)
        mixed[place], mixed[chosen] = mixed[chosen], mixed[place]
    return mixed[:n]
