"""The randomness that pure code is given: `random.Random` in tests and simulations, `random.SystemRandom` in a node."""

from collections.abc import MutableSequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Randomness(Protocol):
    """The part of `random.Random` that this room uses."""

    def random(self) -> float:
        """At least 0, below 1."""
        ...

    def randrange(self, stop: int, /) -> int:
        """At least 0, below `stop`."""
        ...

    def shuffle(self, values: MutableSequence[T], /) -> None:
        """In place."""
        ...
