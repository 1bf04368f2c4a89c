from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from pushmesh_node.metrics import sync as room
from pushmesh_node.metrics.sync import SyncStats


@dataclass
class Peer:
    state: str = "in-sync"
    missing: int = 0
    gap_since_ms: int | None = None


def test_peers_are_shown_while_they_are_there_and_those_that_lack_most_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SHOWN_PEERS", 2)
    registry = CollectorRegistry()
    stats = SyncStats(registry)

    def missing(name: bytes) -> float | None:
        return registry.get_sample_value("pushmesh_sync_missing_envelopes", {"peer": name.hex()})

    a, b, c = (letter * 8 for letter in (b"a", b"b", b"c"))
    peers = {a + b"x" * 24: Peer(), b + b"x" * 24: Peer("behind", 5, 1_000), c + b"x" * 24: Peer("behind", 2, 9_000)}
    stats.peers(peers, 11_000)
    assert (missing(a), missing(b), missing(c)) == (None, 5, 2)
    assert registry.get_sample_value("pushmesh_sync_oldest_gap_seconds", {"peer": b.hex()}) == 10
    assert registry.get_sample_value("pushmesh_sync_peers", {"state": "behind"}) == 2
    stats.peers({a + b"x" * 24: Peer()}, 12_000)
    assert (missing(a), missing(b), missing(c)) == (0, None, None)
    assert registry.get_sample_value("pushmesh_sync_peers", {"state": "behind"}) == 0


def test_ends_that_have_no_word_of_ours_count_as_other() -> None:
    registry = CollectorRegistry()
    stats = SyncStats(registry)
    stats.ended("poisoned")
    stats.ended("stream-lost")
    stats.received(7)
    for reason in ("poisoned", "other"):
        assert registry.get_sample_value("pushmesh_sync_failures_total", {"reason": reason}) == 1
    assert registry.get_sample_value("pushmesh_sync_envelopes_total") == 7
