"""The peer book: where peers are, how good they were, and when each may be dialled again. Pure: times (of the caller's
steady clock unless they say wall), jitter and randomness are arguments. The simulator runs it too."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from heapq import nlargest, nsmallest
from typing import Final

from ..gossip.randomness import Randomness
from .hosts import Address

MAX_ADDRESSES_PER_PEER: Final = 8
MAX_PEERS: Final = 1_024
MAX_UNPROVEN: Final = 512
"""Peers that this node never reached by a dial of its own: whoever makes up peers, or connects under many names, pushes
out others of that kind, never a proven one."""
DROPPED_AT_ONCE: Final = 32
"""Of unproven ones, when they are too many: who makes up a peer a millisecond must not have all of them compared for
each."""
MAX_DIALLING: Final = 16
HEARSAY_PATIENCE: Final = 10
"""So many times longer is the longest pause between two dials of a peer that others made up, perhaps."""
LOST_FAILURES: Final = 4


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is worth keeping of a peer. `last_seen_ms` is wall time, 0 for never; the score is in thousandths; `proven`
    if a dial of this node ever reached it."""

    node_id: bytes
    addresses: tuple[Address, ...]
    last_seen_ms: int = 0
    score_milli: int = 0
    proven: bool = False


@dataclass(slots=True)
class _Entry:
    addresses: list[Address] = field(default_factory=list)
    bootstrap: bool = False
    failures: int = 0
    not_before_ms: int = 0
    dialling: bool = False
    last_seen_ms: int = 0
    score_milli: int = 0
    proven: bool = False
    patience: int = HEARSAY_PATIENCE  # times the longest back-off
    lot: float = 0.0  # says who goes of those who are as bad; nobody knows it, so neither first nor last comers win

    def rank(self) -> tuple[bool, bool, int, bool, int, int]:
        """Lower is dialled earlier: bootstrap, no bad score, not often failed, proven, seen lately, good score."""
        seen_h = self.last_seen_ms // 3_600_000
        return (
            not self.bootstrap,
            self.score_milli < 0,
            self.failures // 4,
            not self.proven,
            -seen_h,
            -self.score_milli,
        )


class PeerBook:
    """Bootstrap peers are kept for ever; of the others the one of the worst rank goes when the book is full."""

    def __init__(self, backoff_min_ms: int, backoff_max_ms: int, randomness: Randomness) -> None:
        self._backoff_min_ms = backoff_min_ms
        self._backoff_max_ms = backoff_max_ms
        self._randomness = randomness
        self._entries: dict[bytes, _Entry] = {}
        self._unproven: set[bytes] = set()  # but no bootstrap peers
        self._dialling = 0

    def __len__(self) -> int:
        """Peers in the book."""
        return len(self._entries)

    def __contains__(self, node_id: bytes) -> bool:
        return node_id in self._entries

    # What is known

    def add(self, address: Address, bootstrap: bool = False) -> bool:
        """An address from the operator or from the peer itself comes first. `address.node_id` is set.

        False if there is no room."""
        return self._add([address], bootstrap=bootstrap, first=True)

    def hear(self, addresses: Iterable[Address]) -> bool:
        """Addresses of one peer by another's word: they come last, and push out none that are there."""
        return self._add(addresses, bootstrap=False, first=False)

    def remember(self, peer: Remembered) -> None:
        """A peer of an earlier life, as `entries` gave it."""
        if peer.addresses and self._add(peer.addresses, bootstrap=False, first=False):
            entry = self._entries[peer.node_id]
            entry.last_seen_ms = max(entry.last_seen_ms, peer.last_seen_ms)
            entry.score_milli = peer.score_milli
            if peer.proven:
                self._prove(peer.node_id, entry)

    def seen(self, node_id: bytes, wall_ms: int, score_milli: int | None = None) -> None:
        """A connection to the peer stands or stood at that wall time; None leaves its score as it was."""
        if entry := self._entries.get(node_id):
            entry.last_seen_ms = max(entry.last_seen_ms, wall_ms)
            if score_milli is not None:
                entry.score_milli = score_milli

    def is_unproven(self, node_id: bytes) -> bool:
        """True for a peer that this node never reached, and that is no bootstrap peer."""
        return node_id in self._unproven

    def wants_addresses(self, node_id: bytes) -> bool:
        """Whether hearsay about a peer in the book is of use: it was never reached, or not for some tries in a row.

        Else made-up addresses would take turns with the one where it is."""
        return node_id in self._unproven or self._entries[node_id].failures >= LOST_FAILURES

    def drop_failed(self, among: Collection[bytes]) -> bytes | None:
        """Forgets the one that failed most, of these unproven ones; None if none of them failed yet."""
        failed = [each for each in among if each in self._unproven and self._entries[each].failures]
        worst = max(failed, key=lambda each: self._entries[each].failures, default=None)
        if worst is None or self._entries[worst].dialling:
            return None
        del self._entries[worst]
        self._unproven.discard(worst)
        return worst

    def addresses(self, node_id: bytes) -> list[Address]:
        """The best first; [] for a peer that is not in the book."""
        entry = self._entries.get(node_id)
        return list(entry.addresses) if entry is not None else []

    def entries(self, limit: int = MAX_PEERS) -> list[Remembered]:
        """The peers that were connected at some time, the best of them; what to persist."""
        seen = [(node_id, entry) for node_id, entry in self._entries.items() if entry.last_seen_ms]
        best = nsmallest(limit, seen, key=lambda item: item[1].rank())
        return [
            Remembered(node_id, tuple(each.addresses), each.last_seen_ms, each.score_milli, each.proven)
            for node_id, each in best
        ]

    def _add(self, addresses: Iterable[Address], *, bootstrap: bool, first: bool) -> bool:
        for address in addresses:
            node_id = address.node_id
            assert node_id is not None
            entry = self._entries.get(node_id) or self._new(node_id, bootstrap)
            if entry is None:
                return False
            entry.patience = 1 if first else entry.patience
            if bootstrap:
                entry.bootstrap = True
                self._unproven.discard(node_id)
            if first and address in entry.addresses[1:]:
                entry.addresses.remove(address)
            if address not in entry.addresses:
                entry.addresses.insert(0 if first else len(entry.addresses), address)
                del entry.addresses[MAX_ADDRESSES_PER_PEER:]
        return True

    def _new(self, node_id: bytes, bootstrap: bool) -> _Entry | None:
        if not bootstrap and len(self._unproven) >= MAX_UNPROVEN and not self._drop_worst(self._unproven):
            return None
        if len(self._entries) >= MAX_PEERS and not self._drop_worst(self._unproven or self._entries):
            return None
        entry = self._entries[node_id] = _Entry(lot=self._randomness.random())
        if not bootstrap:
            self._unproven.add(node_id)
        return entry

    def _drop_worst(self, among: Collection[bytes]) -> bool:
        dropable = [
            (entry.rank(), entry.lot, each)
            for each in among
            if not (entry := self._entries[each]).bootstrap and not entry.dialling
        ]
        worst = nlargest(DROPPED_AT_ONCE if among is self._unproven else 1, dropable)
        for _, _, each in worst:
            del self._entries[each]
            self._unproven.discard(each)
        return bool(worst)

    # Dialling

    def due(
        self,
        now_ms: int,
        connected: Collection[bytes],
        barred: Collection[bytes],
        target: int,
        dialled: int | None = None,
    ) -> list[Address]:
        """Whom to dial now: bootstrap peers always, others while fewer than `target` are connected or being dialled.

        `dialled` says how many of the connected this node chose itself: below half of the target it goes on choosing,
        so that nobody surrounds it by connecting first. Each address given out is answered with `failed` or
        `succeeded`; at most 16 are out at a time. `connected` and `barred` are asked by `in`.
        """
        room = MAX_DIALLING - self._dialling
        if room <= 0:
            return []
        wanted = target - len(connected) - self._dialling
        if dialled is not None:
            wanted = max(wanted, target // 2 - dialled - self._dialling)
        free = [
            (node_id, entry)
            for node_id, entry in self._entries.items()
            if (entry.bootstrap or wanted > 0)
            and not entry.dialling
            and entry.not_before_ms <= now_ms
            and node_id not in connected
            and node_id not in barred
        ]
        chosen: list[Address] = []
        for _, entry in nsmallest(room, free, key=lambda item: item[1].rank()):
            if entry.bootstrap or wanted > 0:
                wanted -= 1
                self._dialling += 1
                entry.dialling = True
                chosen.append(entry.addresses[entry.failures % len(entry.addresses)])
        return chosen

    def succeeded(self, address: Address) -> None:
        """The dial of this address gave a connection; the next dial of the peer begins with it."""
        assert address.node_id is not None
        if entry := self._end_dial(address.node_id):
            entry.addresses.sort(key=lambda each: each != address)
            self._prove(address.node_id, entry)

    def failed(self, node_id: bytes, now_ms: int, jitter: float) -> None:
        """The dial failed, or the connection did not last. `jitter` from 0 to 1 spreads the next try."""
        if entry := self._end_dial(node_id):
            longest_ms = self._backoff_max_ms * (1 if entry.proven else entry.patience)
            backoff_ms = min(longest_ms, self._backoff_min_ms << min(entry.failures, 20))
            entry.failures += 1
            entry.not_before_ms = now_ms + int(backoff_ms * (0.5 + jitter / 2))

    def lasted(self, node_id: bytes) -> None:
        """The connection was a good one; the next loss starts with the shortest back-off."""
        if entry := self._entries.get(node_id):
            entry.failures = 0

    def _prove(self, node_id: bytes, entry: _Entry) -> None:
        entry.proven = True
        self._unproven.discard(node_id)

    def _end_dial(self, node_id: bytes) -> _Entry | None:
        entry = self._entries.get(node_id)
        if entry is not None and entry.dialling:
            entry.dialling = False
            self._dialling -= 1
        return entry
