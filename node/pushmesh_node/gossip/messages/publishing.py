"""Own messages: to all of the topic that are worth it, or to the mesh or the fanout alone. Judges nothing."""

from collections.abc import Callable

from pushmesh_protocol.reasons import Reason

from ..caches import SeenCache
from ..counts import NO_PEER
from ..effects import SendRpc
from ..events import Published
from ..mesh.meshes import Meshes
from ..orders import Orders
from ..parameters import RouterParameters
from ..peers import Peer, Peers
from ..scores.scoring import PeerScores
from ..topics import lane_of
from ..wire.rpc import Message, Rpc
from .fanout import Fanout
from .history import History


class Publishing:
    """What is published counts as seen: a copy that comes back is a duplicate."""

    def __init__(
        self,
        parameters: RouterParameters,
        peers: Peers,
        scores: PeerScores,
        meshes: Meshes,
        fanout: Fanout,
        history: History,
        seen: SeenCache,
        orders: Orders,
        identify: Callable[[str, bytes], bytes],
    ) -> None:
        self._parameters = parameters
        self._peers = peers
        self._scores = scores
        self._meshes = meshes
        self._fanout = fanout
        self._history = history
        self._seen = seen
        self._orders = orders
        self._identify = identify

    def publish(self, event: Published, now_ms: int) -> None:
        """The mesh first; not to those that do not want it."""
        topic, data = event.topic, event.data
        if len(data) > self._parameters.limits.max_data_bytes:
            self._orders.count("publishes_dropped", Reason.OVERSIZE)
            return
        one = self._identify(topic, data)
        rpc = Rpc(messages=(Message(topic, data),))
        self._seen.add(one, now_ms)
        self._history.put(one, rpc)
        lane, sent = lane_of(topic), False
        for name, peer in self._hearers(topic, now_ms).items():
            if one not in peer.unwanted:
                sent = True
                self._orders.do(SendRpc(name, rpc, lane, one))
        self._orders.count("frames_published", "" if sent else NO_PEER)

    def _hearers(self, topic: str, now_ms: int) -> dict[bytes, Peer]:
        subscribers = self._peers.of_topic(topic)
        if topic in self._meshes:
            hearers = dict(self._meshes.of(topic))
        else:
            self._fanout.use(topic, now_ms)
            hearers = {name: subscribers[name] for name in self._fanout.members(topic) if name in subscribers}
        hearers.update(self._peers.direct_of(topic))
        if self._parameters.mesh.flood_publish:
            threshold = self._parameters.score.publish_threshold
            for name, peer in subscribers.items():
                if name not in hearers and self._scores.of(name) >= threshold:
                    hearers[name] = peer
        return hearers
