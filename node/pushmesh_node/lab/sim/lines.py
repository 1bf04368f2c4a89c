"""What lies between nodes: the lines of each, with queues at both ends, and paths with latency and loss."""

from math import ceil, log
from random import Random

from .conditions import NetworkConditions


class Line:
    """One direction of a node's own line: what comes later waits behind what came before."""

    __slots__ = ("_bits_per_s", "free_us")

    def __init__(self, bits_per_s: int) -> None:
        self._bits_per_s = bits_per_s
        self.free_us = 0

    def lasts_us(self, size_bytes: int) -> int:
        """How long the line is busy with so many bytes."""
        return size_bytes * 8_000_000 // self._bits_per_s

    def send(self, now_us: int, size_bytes: int) -> int:
        """When the last bit has left."""
        self.free_us = max(now_us, self.free_us) + self.lasts_us(size_bytes)
        return self.free_us

    def receive(self, last_bit_us: int, sent_in_us: int, size_bytes: int) -> int:
        """When all is in, where the sender took `sent_in_us` and its last bit came at `last_bit_us`: a free line of the
        same speed adds nothing."""
        began_us = max(last_bit_us - sent_in_us, self.free_us)
        self.free_us = max(last_bit_us, began_us + self.lasts_us(size_bytes))
        return self.free_us


class Paths:
    """Latencies and losses, drawn from the seed."""

    def __init__(self, conditions: NetworkConditions, seed: int) -> None:
        self.conditions = conditions
        self._seed = seed
        self._random = Random(f"{seed}/loss")
        self._mu = log(conditions.latency_mean_ms * 1_000) - conditions.latency_sigma**2 / 2
        self._per_segment = log(1 - conditions.loss) if conditions.loss else 0.0

    def latency_us(self, one: bytes, other: bytes) -> int:
        """One way, between two nodes; a function of the seed and the pair."""
        low, high = sorted((one, other))
        draw = Random(f"{self._seed}/latency/{low.hex()}/{high.hex()}")
        return max(1, int(draw.lognormvariate(self._mu, self.conditions.latency_sigma)))

    def loss_delay_us(self, size_bytes: int, latency_us: int) -> int:
        """How much later the last byte of a write is in because of lost segments; nearly always 0."""
        if not self._per_segment:
            return 0
        segments = ceil(size_bytes / self.conditions.segment_bytes)
        round_trip_us = 2 * latency_us
        timeout_us = max(self.conditions.least_timeout_ms * 1_000, 2 * round_trip_us)
        worst_us = 0
        place = self._next_loss(0)
        while place < segments:
            # Three segments behind it tell the sender of the gap, after a round trip; else its timer does.
            delay_us = round_trip_us if segments - place > 3 else timeout_us
            again_us = timeout_us
            while self._random.random() < self.conditions.loss:  # the repetition is lost too
                delay_us += again_us
                again_us *= 2
            worst_us = max(worst_us, delay_us)
            place = self._next_loss(place + 1)
        return worst_us

    def _next_loss(self, first: int) -> int:
        return first + int(log(1.0 - self._random.random()) / self._per_segment)
