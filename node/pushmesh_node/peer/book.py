"""The peer book: addresses of peers, and when each may be dialled again. Pure: time and jitter are arguments."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from .address import Address

MAX_ADDRESSES_PER_PEER: Final = 8
MAX_PEERS: Final = 1_024
MAX_DIALLING: Final = 16


@dataclass(slots=True)
class _Entry:
    addresses: list[Address] = field(default_factory=list)
    bootstrap: bool = False
    failures: int = 0
    not_before_ms: int = 0
    dialling: bool = False


class PeerBook:
    """Bootstrap peers are kept for ever; of the others the one that failed most goes when the book is full."""

    def __init__(self, backoff_min_ms: int, backoff_max_ms: int) -> None:
        self._backoff_min_ms = backoff_min_ms
        self._backoff_max_ms = backoff_max_ms
        self._entries: dict[bytes, _Entry] = {}

    def add(self, address: Address, bootstrap: bool = False) -> None:
        """The newest address comes first. `address.node_id` is set."""
        node_id = address.node_id
        assert node_id is not None
        if node_id not in self._entries and len(self._entries) >= MAX_PEERS and not self._make_room():
            return
        entry = self._entries.setdefault(node_id, _Entry())
        entry.bootstrap = entry.bootstrap or bootstrap
        if address in entry.addresses:
            return
        entry.addresses.insert(0, address)
        del entry.addresses[MAX_ADDRESSES_PER_PEER:]

    def _make_room(self) -> bool:
        dropable = [node_id for node_id, entry in self._entries.items() if not entry.bootstrap and not entry.dialling]
        if not dropable:
            return False
        del self._entries[max(dropable, key=lambda node_id: self._entries[node_id].failures)]
        return True

    def addresses(self, node_id: bytes) -> list[Address]:
        """Newest first; [] for a peer that is not in the book."""
        entry = self._entries.get(node_id)
        return list(entry.addresses) if entry is not None else []

    def due(self, now_ms: int, connected: Collection[bytes], barred: Collection[bytes], target: int) -> list[Address]:
        """Whom to dial now: bootstrap peers always, others while fewer than `target` are connected or being dialled.

        Each address given out is answered with `failed` or `succeeded`; at most 16 are out at a time.
        """
        dialling = sum(entry.dialling for entry in self._entries.values())
        open_now = len(connected) + dialling
        chosen: list[Address] = []
        for node_id, entry in sorted(self._entries.items(), key=lambda item: (not item[1].bootstrap, item[1].failures)):
            if dialling + len(chosen) >= MAX_DIALLING:
                break
            if entry.dialling or now_ms < entry.not_before_ms or node_id in connected or node_id in barred:
                continue
            if not entry.bootstrap and open_now >= target:
                continue
            entry.dialling = True
            open_now += 1
            chosen.append(entry.addresses[entry.failures % len(entry.addresses)])
        return chosen

    def succeeded(self, node_id: bytes) -> None:
        """The dial gave a connection."""
        if entry := self._entries.get(node_id):
            entry.dialling = False

    def failed(self, node_id: bytes, now_ms: int, jitter: float) -> None:
        """The dial failed, or the connection did not last. `jitter` from 0 to 1 spreads the next try."""
        if entry := self._entries.get(node_id):
            entry.dialling = False
            backoff_ms = min(self._backoff_max_ms, self._backoff_min_ms << min(entry.failures, 20))
            entry.failures += 1
            entry.not_before_ms = now_ms + int(backoff_ms * (0.5 + jitter / 2))

    def lasted(self, node_id: bytes) -> None:
        """The connection was a good one; the next loss starts with the shortest back-off."""
        if entry := self._entries.get(node_id):
            entry.failures = 0
