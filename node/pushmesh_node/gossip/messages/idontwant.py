"""IDONTWANT of gossipsub v1.2: which messages each peer has already. It saves bytes and decides nothing else.

A peer's word counts for itself alone: nobody can keep a message from another by it. What this node tells others is
taken back by asking for the message should it go unjudged (see `messages`).
"""

from collections.abc import Iterable, Sequence

from ..parameters import MeshParameters
from ..peers import Peer


class IDontWants:
    """Bounded per peer and heartbeat, forgotten after a few heartbeats."""

    def __init__(self, parameters: MeshParameters) -> None:
        self._parameters = parameters

    def take(self, peer: Peer, ids: Sequence[bytes]) -> tuple[Sequence[bytes], int]:
        """Ids that are remembered now, and how many were not."""
        p, spent = self._parameters, peer.spent
        spent.idontwants += 1
        if spent.idontwants > p.idontwants_per_heartbeat:
            return (), len(ids)
        taken = ids[: max(0, p.idontwant_ids_per_heartbeat - spent.idontwant_ids)]
        spent.idontwant_ids += len(taken)
        peer.unwanted.add(taken)
        return taken, len(ids) - len(taken)

    def expire(self, peers: Iterable[Peer]) -> None:
        """A heartbeat passed."""
        for peer in peers:
            peer.unwanted.shift(self._parameters.idontwant_heartbeats)
