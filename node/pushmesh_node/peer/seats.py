"""Which inbound peer yields its seat to a newcomer when all are taken. Pure. The simulator runs it too."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

KEPT_SCORE: Final = 1.0
"""Whoever earned so much by what it delivered keeps its seat."""


@dataclass(frozen=True, slots=True)
class Seat:
    """An inbound peer past its handshake; `opened_ms` on any one clock."""

    node_id: bytes
    subnet: str
    score: float
    opened_ms: int


def yields(newcomer_subnet: str, seats: Iterable[Seat]) -> Seat | None:
    """Of the most crowded subnet the peer with the worst score, of equal ones the latest; None if the newcomer's own
    would be as crowded then, or all there have earned their seats. `seats` are those of the others."""
    seats = list(seats)
    crowds = Counter(seat.subnet for seat in seats)
    least = crowds[newcomer_subnet] + 2
    movable = [seat for seat in seats if crowds[seat.subnet] >= least and seat.score < KEPT_SCORE]
    return min(movable, key=lambda seat: (-crowds[seat.subnet], seat.score, -seat.opened_ms), default=None)
