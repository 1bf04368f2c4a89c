"""Counters that are cheap enough for every message."""

from collections.abc import Collection, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Counts(Collector):
    """A counter family whose labels are closed lists; an increment is one dict operation, however large."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str, **labels: Collection[str]) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._counts: dict[tuple[str, ...], int] = {} if labels else {(): 0}
        registry.register(self)

    def add(self, count: int, *values: str) -> None:
        """Raises ValueError for a label value that is not declared: a fault of ours."""
        try:
            self._counts[values] += count
        except KeyError:
            for value, (label, allowed) in zip(values, self._labels.items(), strict=True):
                if value not in allowed:
                    raise ValueError(f"{value!r} is no {label} of {self._name}") from None
            self._counts[values] = count

    def describe(self) -> Iterator[Metric]:
        """Called at registration, so that no name is declared twice."""
        yield CounterMetricFamily(self._name, self._text, labels=list(self._labels))

    def collect(self) -> Iterator[Metric]:
        """Called by the exposition."""
        family = CounterMetricFamily(self._name, self._text, labels=list(self._labels))
        for values, count in self._counts.items():
            family.add_metric([str(value) for value in values], count)
        yield family
