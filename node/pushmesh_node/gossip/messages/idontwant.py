"""IDONTWANT of gossipsub v1.2: which messages each peer has already. It saves bytes and decides nothing else.

A peer's word counts for itself alone: nobody can keep a message from another by it. What this node tells others is
taken back by asking for the message should it go unjudged (see `retrying`).
"""

from collections.abc import Iterable, Sequence

from ..mesh.meshes import Meshes
from ..parameters import MeshParameters
from ..peers import Peer
from ..wire.dialects import Dialect
from ..wire.rpc import Message


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


def told_of(message: Message, meshes: Meshes, parameters: MeshParameters) -> list[bytes]:
    """Who of the mesh is told that a large message came, so that it is not sent here again; of a small one nobody."""
    if len(message.data) < parameters.idontwant_least_bytes:
        return []
    return [name for name, peer in meshes.of(message.topic).items() if peer.dialect >= Dialect.V1_2]
