"""Propagation at several mesh degrees, with choking and without: what a lower delay costs in bytes."""

from collections.abc import Callable

from ...gossip.wire.dialects import Dialect
from .pool import run_all
from .propagation import Propagation, run_propagation

DEGREES = range(3, 9)
DIALECTS = (Dialect.V1_2, Dialect.PUSHMESH)


def run_sweep(nodes: int, seed: int, progress: Callable[[int, int, Propagation], None]) -> list[Propagation]:
    """One run for each dialect and D from 3 to 8, side by side; `progress(done, all, run)`."""
    orders = [(nodes, seed, d, dialect) for dialect in DIALECTS for d in DEGREES]
    return run_all(run_at_degree, orders, lambda done, run: progress(done, len(orders), run))


def run_at_degree(nodes: int, seed: int, d: int, dialect: Dialect) -> Propagation:
    """Runs in a process of its own."""
    return run_propagation(nodes, seed, d=d, dialect=dialect)
