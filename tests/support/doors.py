"""Doors for tests of edges: the node's own doorkeeper around whatever bounds a test wants."""

import itertools

from pushmesh_node.admission import Admission, Bounds
from pushmesh_node.app.doorkeeper import Doorkeeper
from pushmesh_node.metrics import Metrics


def a_door(most_units: int = 1_000_000, metrics: Metrics | None = None) -> Doorkeeper:
    """A door that lets in so many units at any pace; its time is of its own and goes on by a millisecond a look."""
    times = itertools.count()
    return Doorkeeper(
        Admission(Bounds(least_units=most_units, most_units=most_units)),
        metrics or Metrics(),
        lambda: next(times) / 1_000,
        lambda: 0.0,
        exempt_loopback=True,
    )
