"""How far an envelope got: the closed, ordered list of acknowledgement levels (SPEC 12.1). Names and numbers alone."""

from typing import Final

LEVELS: Final = ("refused", "accepted", "durable", "propagated", "delivered", "acknowledged")
"""Least first; the number of a level is its place. Each one but `refused` includes those before it."""

DURABLE: Final = 2
DELIVERED: Final = 4
ACKNOWLEDGED: Final = 5


def level_number(name: str) -> int:
    """The place of a level in LEVELS. Raises ValueError for a word that is none."""
    return LEVELS.index(name)


def reaches(level: str, wanted: str) -> bool:
    """Whether what got to `level` also got to `wanted`. Raises ValueError for a word that is no level."""
    return LEVELS.index(level) >= LEVELS.index(wanted)
