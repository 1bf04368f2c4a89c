"""What one call of the engine collects before it returns its effects in order."""

from collections import Counter

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.types import UnixMs

from .audience import Concerned
from .effects import Answer, Deliver, Effect, EndAccess, Judge, Relay, Reoffer, Store, Tally
from .records import Write


class Turn:
    """A mutable collector; lives for one call."""

    def __init__(self, now_ms: UnixMs) -> None:
        self.now_ms = now_ms
        self.judges: list[Judge] = []
        self.writes: list[Write] = []
        self.answers: list[Answer] = []
        self.relayed: list[Part] = []
        self.fresh: list[Part] = []
        self.riding: dict[bytes, Envelope] = {}
        self.deliveries: list[Deliver] = []
        self.released: list[tuple[bytes, Part]] = []
        self.ended: list[bytes] = []
        self.concerned: dict[Topic, Concerned] = {}
        """Whom broadcasts to a topic concern, as long as nothing in this call changed it."""
        self._tallies: Counter[tuple[str, Verdict, Reason]] = Counter()

    def tally(self, source: str, verdict: Verdict, reason: Reason, count: int = 1) -> None:
        """Count an answer."""
        self._tallies[(source, verdict, reason)] += count

    def effects(self) -> list[Effect]:
        """Everything that was collected: judge, store, acknowledge, relay, deliver, then the rest."""
        found: list[Effect] = [*self.judges]
        if self.writes:
            found.append(Store(self.writes))
        found += self.answers
        if self.relayed:
            found.append(Relay(self.relayed, list(self.riding.values())))
        found += self.deliveries
        if self.ended:
            found.append(EndAccess(self.ended))
        if self.released:
            found.append(Reoffer(self.released))
        found += [Tally(source, verdict, reason, n) for (source, verdict, reason), n in self._tallies.items()]
        return found
