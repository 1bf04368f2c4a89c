"""Grants as they were signed: for whoever has to show one, and for the frames that they ride in (SPEC 8.9)."""

from typing import Final

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.limits import GRANT_RIDES_MS
from pushmesh_protocol.network import Network
from pushmesh_protocol.timestamps import timestamp_of

from ..gossip.rotating import RotatingSet
from .expiries import Expiries

RIDDEN_GRANTS: Final = 65_536
"""Of so many at least it is remembered that this node sent them in a grant table; one that is forgotten may ride once
more."""


class Grants:
    """All that are known, revoked ones too, as long as anything that they let sign may live (SPEC 9.2)."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._grants: dict[bytes, Envelope] = {}
        self._expiries = Expiries()
        self.ridden = RotatingSet(RIDDEN_GRANTS)
        """Ids of those that went, or came, in a grant table."""

    def __len__(self) -> int:
        """Grants that are known."""
        return len(self._grants)

    def add(self, grant: Envelope) -> None:
        """It is known from now on. Idempotent."""
        if grant.id not in self._grants:
            self._grants[grant.id] = grant
            self._expiries.add(timestamp_of(self._network, grant), grant.id)

    def find(self, grant_id: bytes) -> Envelope | None:
        """None where it is not known, or not any more."""
        return self._grants.get(grant_id)

    def ride(self, grant_id: bytes, now_ms: int) -> Envelope | None:
        """The grant where it is to go along: it is young and went with nothing so far. Peers that know it from before
        do not take it for new a second time (SPEC 8.9, 8.10)."""
        grant = self._grants.get(grant_id)
        if grant is None or grant_id in self.ridden or now_ms - grant.body.issued_at >= GRANT_RIDES_MS:
            return None
        self.ridden.update([grant_id])
        return grant

    def sweep(self, now_ms: int) -> None:
        """Forget those that nothing rests on any more; costs what it removes."""
        for grant_id in self._expiries.due(now_ms):
            del self._grants[grant_id]
