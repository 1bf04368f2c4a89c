"""Which ids are being asked of which peer, so that nothing is asked of two at once (SPEC 9.13). Bounded: askers look for
room before they claim more."""

from collections.abc import Iterable
from typing import Final

MAX_CLAIMS: Final = 524_288
"""Of all askers together, but for the few that each may always have."""


class Claims:
    """One for the node."""

    def __init__(self) -> None:
        self._peer_of: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._peer_of)

    @property
    def has_room(self) -> bool:
        """Whether an asker that has many already may claim more."""
        return len(self._peer_of) < MAX_CLAIMS

    def claim(self, peer: bytes, id_: bytes) -> bool:
        """Whether the id may be asked of this peer now; from then on of this one alone."""
        return self._peer_of.setdefault(id_, peer) == peer

    def release(self, peer: bytes, ids: Iterable[bytes]) -> None:
        """They came, or did not come: others may be asked."""
        for id_ in ids:
            if self._peer_of.get(id_) == peer:
                del self._peer_of[id_]
