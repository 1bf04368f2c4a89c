"""The metrics of sync: what came by it, how it ends, and how far in step this node is with each peer."""

from collections.abc import Mapping
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Gauge

from pushmesh_protocol.reasons import Reason

from .counts import Counts
from .gossip import OTHER

REASONS: Final = tuple(str(reason) for reason in Reason)
STATES: Final = ("connecting", "asking", "in-sync", "behind", "poisoned", "failed")

SHOWN_PEERS: Final = 64
"""Peers with gauges of their own, those of whose envelopes this node lacks most."""


class SyncShown(Protocol):
    """What is shown of one peer."""

    @property
    def state(self) -> str:
        """One of STATES."""

    @property
    def missing(self) -> int:
        """Envelopes that it has and this node lacks."""

    @property
    def gap_since_ms(self) -> int | None:
        """Since when something is missing, Unix ms."""


class SyncStats:
    """Owned by `Metrics`. The label `peer` is the only one of all metrics that is not from a closed list: the first 16
    hex digits of the node ids of connected peers, gone when they leave."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._received = Counts(
            registry, "pushmesh_sync_envelopes", "Envelopes that peers sent in answer to this node's wants."
        )
        self._ends = Counts(
            registry, "pushmesh_sync_failures", "Sync sessions of this node that ended early.", reason=(*REASONS, OTHER)
        )
        self._states = Gauge("pushmesh_sync_peers", "Peers by how sync with them stands.", ["state"], registry=registry)
        self._missing = Gauge(
            "pushmesh_sync_missing_envelopes",
            "Envelopes that a peer has and this node lacks, as far as is known.",
            ["peer"],
            registry=registry,
        )
        self._gaps = Gauge(
            "pushmesh_sync_oldest_gap_seconds",
            "How long something that a peer has has been missing here; 0 for nothing.",
            ["peer"],
            registry=registry,
        )
        self._shown: frozenset[str] = frozenset()

    def received(self, envelopes: int) -> None:
        """New or not."""
        self._received.add(envelopes)

    def ended(self, why: str) -> None:
        """`why` is a reason, or anything else, which counts as `other`."""
        self._ends.add(1, why if why in REASONS else OTHER)

    def peers(self, peers: Mapping[bytes, SyncShown], now_ms: int) -> None:
        """All connected ones."""
        counts = dict.fromkeys(STATES, 0)
        for peer in peers.values():
            counts[str(peer.state)] += 1
        for state, count in counts.items():
            self._states.labels(state).set(count)
        worst = sorted(peers, key=lambda name: (-peers[name].missing, name))[:SHOWN_PEERS]
        shown = {name[:8].hex(): peers[name] for name in worst}
        for gone in self._shown - shown.keys():
            self._missing.remove(gone)
            self._gaps.remove(gone)
        self._shown = frozenset(shown)
        for label, peer in shown.items():
            since_ms = peer.gap_since_ms
            self._missing.labels(label).set(peer.missing)
            self._gaps.labels(label).set(0 if since_ms is None else max(0, now_ms - since_ms) / 1_000)
