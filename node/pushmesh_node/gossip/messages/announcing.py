"""What this node has to give (lazy gossip of gossipsub v1.0 and v1.1): IHAVE out, IWANT in, both within limits.

IHAVE reaches peers in prune backoff too: they are outside the mesh, and it is all that feeds them.
"""

from collections import deque
from collections.abc import Collection, Iterable
from math import ceil

from ..choosing import shuffled
from ..counts import LOW_SCORE, OVER_BYTES, TOO_MANY, TOO_OFTEN
from ..effects import SendRpc
from ..mesh.meshes import Meshes
from ..orders import Orders
from ..parameters import RouterParameters
from ..peers import Peer, Peers
from ..randomness import Randomness
from ..scores.scoring import PeerScores
from ..topics import is_priority, lane_of
from ..wire.rpc import IHave
from .fanout import Fanout
from .history import History


class Announcing:
    """To those outside the mesh, and to who has just come in; the mesh gets messages unasked."""

    def __init__(
        self,
        parameters: RouterParameters,
        peers: Peers,
        scores: PeerScores,
        meshes: Meshes,
        fanout: Fanout,
        history: History,
        randomness: Randomness,
        orders: Orders,
    ) -> None:
        self._parameters = parameters.mesh
        self._max_owed = parameters.limits.max_owed_per_peer
        self._threshold = parameters.score.gossip_threshold
        self._peers = peers
        self._scores = scores
        self._meshes = meshes
        self._fanout = fanout
        self._history = history
        self._randomness = randomness
        self._orders = orders
        self._beat = 0
        self._meshes_before: deque[dict[str, frozenset[bytes]]] = deque(maxlen=parameters.mesh.gossip_heartbeats)

    def announce(self) -> None:
        """Each heartbeat, control topics first, as ids for one peer are bounded over all topics."""
        self._beat += 1
        room: dict[bytes, int] = {}
        for topic in sorted([*self._meshes.topics(), *self._fanout.topics()], key=lambda name: not is_priority(name)):
            ids = self._history.announced(topic)
            if ids:
                self._announce_topic(topic, shuffled(self._randomness, ids), room)
        self._meshes_before.append({topic: frozenset(self._meshes.of(topic)) for topic in self._meshes.topics()})

    def _announce_topic(self, topic: str, ids: list[bytes], room: dict[bytes, int]) -> None:
        whole = IHave(topic, tuple(ids))
        for peer in self._hearers(topic):
            left = room.get(peer.node_id, self._parameters.ihave_ids_per_heartbeat)
            if not left:
                continue
            have = whole
            if len(ids) > left:  # each peer another part of them
                have = IHave(topic, tuple(shuffled(self._randomness, ids)[:left]))
            room[peer.node_id] = left - len(have.message_ids)
            peer.announced[topic] = self._beat
            self._orders.ihave(peer.node_id, have)

    def _hearers(self, topic: str) -> list[Peer]:
        """Those who were not sent it all; if they are too many, who heard nothing for longest, in random order.

        Chance alone would leave some of a hub's many peers unheard while a message is announced at all."""
        p = self._parameters
        eager = self._sent_to(topic)
        others = [
            peer
            for name, peer in self._peers.of_topic(topic).items()
            if name not in eager and self._scores.of(name) >= self._threshold
        ]
        n = max(p.d_lazy, ceil(p.gossip_factor * len(others)))
        mixed = shuffled(self._randomness, others)
        if n < len(mixed):
            mixed.sort(key=lambda peer: peer.announced.get(topic, 0))
        return mixed[:n]

    def _sent_to(self, topic: str) -> Collection[bytes]:
        """Who was in the mesh all the time: whoever came in since a message was accepted has not got it by that."""
        if topic not in self._meshes:
            return frozenset(self._fanout.members(topic))
        settled = frozenset(self._meshes.of(topic))
        for before in self._meshes_before:
            settled &= before.get(topic, frozenset())
        return settled if len(self._meshes_before) == self._meshes_before.maxlen else frozenset()

    def answer(self, peer: Peer, ids: Iterable[bytes]) -> None:
        """IWANT. What is over the bytes of this heartbeat is answered after the next, as far as it is remembered."""
        if self._scores.of(peer.node_id) < self._threshold:
            self._orders.count("iwants_dropped", LOW_SCORE)
            return
        for one in ids:
            if peer.spent.iwant_ids >= self._parameters.ihave_ids_per_heartbeat:
                self._orders.count("iwants_dropped", TOO_MANY)
                return
            peer.spent.iwant_ids += 1
            self._answer(peer, one)

    def answer_owed(self, peer: Peer) -> None:
        """After a heartbeat."""
        owed, peer.owed = peer.owed, {}
        for one in owed:
            self._answer(peer, one)

    def _answer(self, peer: Peer, one: bytes) -> None:
        p = self._parameters
        size = self._history.size_of(one)
        if size is None:
            return
        if peer.spent.iwant_bytes + size > p.iwant_bytes_per_heartbeat:
            if len(peer.owed) < self._max_owed:
                peer.owed[one] = None
            else:
                self._orders.count("iwants_dropped", OVER_BYTES)
            return
        rpc = self._history.take(one, peer.node_id, p.iwant_times_per_message)
        if rpc is None:
            self._orders.count("iwants_dropped", TOO_OFTEN)
            return
        peer.spent.iwant_bytes += size
        self._orders.do(SendRpc(peer.node_id, rpc, lane_of(rpc.messages[0].topic), one))
