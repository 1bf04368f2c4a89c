"""Which ids are being asked of which peer, so that nothing is asked of two at once (SPEC 9.13). Bounded: askers look
for room before they claim more."""

from collections.abc import Iterable
from typing import Final

MAX_CLAIMS: Final = 524_288
"""Of all askers together, but for the few that each may always have."""

STALE_MS: Final = 60_000
"""A peer that has not brought an id for so long may keep it from others no longer."""

Hold = tuple[bytes, int]
"""A peer, and when it was first to be asked (Unix ms)."""


class Claims:
    """One for the node."""

    def __init__(self) -> None:
        self._holds: dict[bytes, Hold] = {}

    def __len__(self) -> int:
        return len(self._holds)

    @property
    def has_room(self) -> bool:
        """Whether an asker that has many already may claim more."""
        return len(self._holds) < MAX_CLAIMS

    def claim(self, hold: Hold, id_: bytes) -> bool:
        """Whether the id may be asked of this peer now; from then on of this one alone."""
        peer, now_ms = hold
        held = self._holds.setdefault(id_, hold)
        if held[0] != peer and now_ms - held[1] > STALE_MS:
            held = self._holds[id_] = hold
        return held[0] == peer

    def is_held(self, peer: bytes, id_: bytes) -> bool:
        """Whether the id is still to be asked of this peer."""
        held = self._holds.get(id_)
        return held is not None and held[0] == peer

    def release(self, peer: bytes, ids: Iterable[bytes]) -> None:
        """They came, or did not come: others may be asked."""
        for id_ in ids:
            if self.is_held(peer, id_):
                del self._holds[id_]
