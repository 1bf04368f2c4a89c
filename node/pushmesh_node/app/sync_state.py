"""How far in step this node is with each peer, and with the network: what operators, metrics and readiness are told
(SPEC 9.14, 9.16)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import median_low
from typing import Any, Final

COUNTED_MS: Final = 120_000
"""A round that ended longer ago tells nothing any more."""

FLOOR_SLACK_MS: Final = 60_000

CLOCK_MS: Final = 30_000


class State(StrEnum):
    """Of the session with one peer."""

    CONNECTING = "connecting"
    ASKING = "asking"
    IN_SYNC = "in-sync"
    BEHIND = "behind"
    POISONED = "poisoned"
    FAILED = "failed"


@dataclass(slots=True)
class PeerSync:
    """One peer's. Times are Unix ms, None where it has not happened; `missing` is what the peer has and this node
    lacks, as far as is known."""

    state: State = State.CONNECTING
    reason: str = ""
    missing: int = 0
    gap_since_ms: int | None = None
    round_ms: int | None = None
    rounds: int = 0
    accepted: int = 0
    refused: int = 0
    has_floor_above: bool = False
    clock_offset_ms: int | None = None
    is_silent: bool = False
    """A session ended and it never said hello: it may be a node of another libp2p stack, which relays only."""

    @property
    def complete(self) -> bool:
        """Whether the last round found nothing missing."""
        return self.state is State.IN_SYNC

    def found(self, missing: int, now_ms: int) -> None:
        """So much is missing now."""
        self.missing = missing
        if not missing:
            self.gap_since_ms = None
        elif self.gap_since_ms is None:
            self.gap_since_ms = now_ms

    def ended(self, missing: int, now_ms: int) -> None:
        """A round is over."""
        self.found(missing, now_ms)
        self.round_ms = now_ms
        self.rounds += 1
        self.state = State.BEHIND if missing else State.IN_SYNC
        self.reason = ""

    def counts(self) -> bool:
        """Whether the peer has a say in whether this node is in sync."""
        return self.state is not State.POISONED and not self.has_floor_above and not self.is_silent

    def row(self, now_ms: int) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "state": str(self.state),
            "reason": self.reason,
            "missing": self.missing,
            "oldest_gap_s": None if self.gap_since_ms is None else max(0, now_ms - self.gap_since_ms) / 1_000,
            "last_round": self.round_ms,
            "rounds": self.rounds,
            "accepted": self.accepted,
            "refused": self.refused,
            "floor_above": self.has_floor_above,
            "clock_offset_ms": self.clock_offset_ms,
        }


def is_in_sync(peers: Iterable[PeerSync], now_ms: int) -> bool | None:
    """Whether more than half of the peers that count say so; None where none counts."""
    counting = [peer for peer in peers if peer.counts()]
    if not counting:
        return None
    return 2 * len(_whole_rounds_ms(counting, now_ms)) > len(counting)


def in_sync_at_ms(peers: Iterable[PeerSync], now_ms: int) -> int | None:
    """Until when at least this node holds all that its peers do; None where it is not in sync."""
    counting = [peer for peer in peers if peer.counts()]
    return min(_whole_rounds_ms(counting, now_ms)) if is_in_sync(counting, now_ms) else None


def _whole_rounds_ms(peers: Iterable[PeerSync], now_ms: int) -> list[int]:
    """When the last rounds ended that count and found nothing missing."""
    rounds = [peer.round_ms for peer in peers if peer.round_ms is not None and peer.missing == 0]
    return [round_ms for round_ms in rounds if abs(now_ms - round_ms) <= COUNTED_MS]  # a clock may be set back


def clock_offset_ms(peers: Mapping[bytes, PeerSync]) -> int:
    """How far the median of all clocks, this node's among them, is ahead of this node's."""
    offsets = [peer.clock_offset_ms for peer in peers.values() if peer.clock_offset_ms is not None]
    below, above = median_low([0, *offsets]), -median_low([0, *[-offset for offset in offsets]])
    return min(below, above, key=abs)
