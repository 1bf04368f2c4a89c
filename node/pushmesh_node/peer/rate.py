"""How fast a peer may do something, and how long whoever is too fast has to wait. Pure: the time is an argument."""

from typing import Final

BURST_S: Final = 4
"""So many seconds' worth of anything may come at once."""

RPCS_PER_S: Final = 2_000
"""A byte is enough for an RPC, and each costs microseconds: without a pace, a slow line would fill this process."""


FIELDS_OF_AN_RPC: Final = 8
"""An RPC of more fields of protobuf counts as several: what honest peers send, a message or some control, holds fewer,
and one of 65,536 fields takes forty milliseconds."""


def cost_of(fields: int) -> int:
    """Of one RPC with so many fields, in RPCs."""
    return 1 + fields // FIELDS_OF_AN_RPC


class Rate:
    """A token bucket. Time is an argument."""

    def __init__(self, per_s: int, now_s: float) -> None:
        self._per_s = per_s
        self._left = float(per_s * BURST_S)
        self._since_s = now_s

    def take(self, now_s: float, count: int = 1) -> float:
        """Takes so many; how many seconds too early that was."""
        self._left = min(self._per_s * BURST_S, self._left + (now_s - self._since_s) * self._per_s) - count
        self._since_s = now_s
        return max(0.0, -self._left / self._per_s)
