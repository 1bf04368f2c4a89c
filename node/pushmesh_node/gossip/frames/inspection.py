"""What the router's driver needs from the frame validator, and what it answers. Declares, does nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...ipc import Allowances, ItemVerdict


@dataclass(frozen=True, slots=True)
class Inspection:
    """`verdict` (a `Verdict` number) where bytes and the pushed tables alone decide, else None: main judges."""

    verdict: int | None
    reason: str
    items: list[ItemVerdict]


class Inspector(Protocol):
    """Checks frames. Called by one thread at a time, in the order in which frames and tables arrived; may block."""

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        """Never raises for what a peer sent. Keeps its own budget of signature checks per peer and second."""
        ...

    def remember(self, item_hashes: Sequence[bytes]) -> None:
        """These items need no second check."""
        ...

    def allow(self, allowances: Allowances) -> None:
        """Take a part of the allowance table."""
        ...
