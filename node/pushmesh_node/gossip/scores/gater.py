"""The peer gater of go-libp2p-pubsub: while frames pile up unvalidated, whoever wastes validation loses at random.

It gates messages, never control, and it never shuts a host out for good. Knows no peers, only the hosts they share.
"""

from dataclasses import dataclass

from ..parameters import GaterParameters
from ..randomness import Randomness
from .decaying import DecaySteps, decayed


@dataclass(slots=True)
class _Tally:
    delivered: float = 0.0
    wasted: float = 0.0  # duplicates, ignored and rejected ones by their weights


class PeerGater:
    """What came of the messages of each host, decaying.

    Everything without a host of its own ("") is one host here: the caller names such peers apart if they are apart."""

    def __init__(self, parameters: GaterParameters) -> None:
        self._parameters = parameters
        self._steps = DecaySteps(parameters.decay_interval_ms)
        self._validated = 0.0
        self._throttled = 0.0
        self._last_throttle_ms: int | None = None
        self._tallies: dict[str, _Tally] = {}

    def __len__(self) -> int:
        """Hosts that are remembered."""
        return len(self._tallies)

    def validated(self) -> None:
        """A message went to validation."""
        self._validated += 1

    def throttled(self, now_ms: int) -> None:
        """A message found no room or no budget for validation."""
        self._throttled += 1
        self._last_throttle_ms = now_ms

    def delivered(self, host: str) -> None:
        """A first copy was accepted."""
        self._tally(host).delivered += 1

    def duplicate(self, host: str) -> None:
        """A message that was seen before, or a frame of known items only."""
        self._tally(host).wasted += self._parameters.duplicate_weight

    def ignored(self, host: str) -> None:
        """The verdict was IGNORE."""
        self._tally(host).wasted += self._parameters.ignore_weight

    def rejected(self, host: str) -> None:
        """The verdict was REJECT."""
        self._tally(host).wasted += self._parameters.reject_weight

    def is_active(self, now_ms: int) -> bool:
        """Whether validation is overloaded: lately throttled, and too large a part of what came."""
        if self._last_throttle_ms is None or now_ms - self._last_throttle_ms > self._parameters.quiet_ms:
            return False
        return self._throttled > 0 and self._throttled >= self._validated * self._parameters.threshold

    def admits(self, host: str, now_ms: int, randomness: Randomness) -> bool:
        """Whether to look at a message of this host now; by chance, better for whoever delivered more of worth."""
        if not self.is_active(now_ms):
            return True
        tally = self._tallies.get(host)
        if tally is None:
            return True
        return randomness.random() < (1 + tally.delivered) / (1 + tally.delivered + tally.wasted)

    def refresh(self, now_ms: int) -> None:
        """Call it each heartbeat: counters decay, and a host of which nothing is left is forgotten."""
        steps = self._steps.due(now_ms)
        if not steps:
            return
        p = self._parameters
        self._validated = decayed(self._validated, p.global_decay**steps, p.decay_to_zero)
        self._throttled = decayed(self._throttled, p.global_decay**steps, p.decay_to_zero)
        factor = p.source_decay**steps
        for host, tally in list(self._tallies.items()):
            tally.delivered = decayed(tally.delivered, factor, p.decay_to_zero)
            tally.wasted = decayed(tally.wasted, factor, p.decay_to_zero)
            if not tally.delivered and not tally.wasted:
                del self._tallies[host]

    def _tally(self, host: str) -> _Tally:
        held = self._tallies.get(host)
        if held is None:
            if len(self._tallies) >= self._parameters.max_hosts:
                # Whoever is nearest to a stranger loses least by being one; a new host can buy nothing by it.
                del self._tallies[min(self._tallies, key=self._weight)]
            held = self._tallies[host] = _Tally()
        return held

    def _weight(self, host: str) -> float:
        tally = self._tallies[host]
        return tally.delivered + tally.wasted
