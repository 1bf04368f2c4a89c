"""Points of an epoch, the first slice: one point for each unit that a wallet signed for. Integers only."""

from collections.abc import Iterable
from dataclasses import dataclass

from pushmesh_protocol.types import Epoch

from .records import Total


@dataclass(frozen=True, slots=True)
class EpochPoints:
    """What a node has to show for one epoch; JSON-ready as it is.

    `units_per_point` stands there so that numbers of a later, weighted score cannot be taken for these."""

    epoch: int
    wallets: int
    streams: int
    equivocations: int
    count: int
    units: int
    points: int
    units_per_point: int = 1


def points_of(epoch: Epoch, totals: Iterable[Total]) -> EpochPoints:
    """`totals` has one entry per wallet; `wallets` counts those of whom something counts."""
    wallets = streams = equivocations = count = units = 0
    for total in totals:
        wallets += total.streams > 0
        streams += total.streams
        equivocations += total.equivocations
        count += total.count
        units += total.units
    return EpochPoints(epoch, wallets, streams, equivocations, count, units, points=units)
