"""What is known of one peer: counters by topic and of its behaviour. Knows no weight, no clock and no other peer."""

from dataclasses import dataclass, field
from typing import Final

from ..parameters import ScoreParameters
from .decaying import decayed

_OTHER_TOPICS: Final = ""


@dataclass(slots=True)
class TopicDeeds:
    """What it did in one topic."""

    grafted_ms: int | None = None  # None while not in the mesh
    mesh_ms: int = 0
    delivered_kib: float = 0.0
    invalid: float = 0.0


@dataclass(slots=True)
class Reputation:
    """`left_ms` means something only where the peer is not connected."""

    host: str = ""
    connected: bool = False
    left_ms: int = 0
    behaviour: float = 0.0
    topics: dict[str, TopicDeeds] = field(default_factory=dict)
    score: float | None = None  # None: something changed since it was computed

    def at(self, topic: str, max_topics: int) -> TopicDeeds:
        """To be counted in. Topics beyond so many are one: whoever makes them up takes no memory by it."""
        known = self.topics.get(topic)
        if known is None:
            name = topic if len(self.topics) < max_topics else _OTHER_TOPICS
            known = self.topics.setdefault(name, TopicDeeds())
        return known

    def forget_good(self) -> bool:
        """Lets go of all but bad deeds; whether there are any."""
        self.topics = {name: TopicDeeds(invalid=deeds.invalid) for name, deeds in self.topics.items() if deeds.invalid}
        self.score = None
        return bool(self.topics or self.behaviour)

    def decay(self, parameters: ScoreParameters, steps: int) -> None:
        """So many intervals passed; a topic of which nothing is left is forgotten."""
        p, per_topic = parameters, parameters.topic
        self.behaviour = decayed(self.behaviour, p.behaviour_decay**steps, p.decay_to_zero)
        for name, deeds in list(self.topics.items()):
            deeds.delivered_kib = decayed(deeds.delivered_kib, per_topic.first_deliveries_decay**steps, p.decay_to_zero)
            deeds.invalid = decayed(deeds.invalid, per_topic.invalid_decay**steps, p.decay_to_zero)
            if deeds.grafted_ms is None and not deeds.delivered_kib and not deeds.invalid:
                del self.topics[name]
        self.score = None
