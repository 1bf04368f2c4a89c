"""What this node lacks (lazy gossip of gossipsub v1.0 and v1.1): IHAVE in, IWANT out, and who broke its promise."""

from collections.abc import Iterable, Mapping

from ..caches import SeenCache
from ..choosing import shuffled
from ..counts import LOW_SCORE, TOO_MANY, UNKNOWN_TOPIC
from ..mesh.choking import Choking
from ..mesh.meshes import Meshes
from ..mesh.standing import Standing
from ..orders import Orders
from ..parameters import RouterParameters
from ..peers import Peer, Peers
from ..randomness import Randomness
from ..scores.promises import Promises
from ..scores.scoring import PeerScores
from ..wire.dialects import Dialect
from ..wire.message_id import MESSAGE_ID_BYTES
from ..wire.rpc import IHave
from .wants import Asking, Wants


class Fetching:
    """Asks for what was announced and not seen; the wants decide of whom."""

    def __init__(
        self,
        parameters: RouterParameters,
        peers: Peers,
        scores: PeerScores,
        meshes: Meshes,
        choking: Choking,
        seen: SeenCache,
        standing: Standing,
        randomness: Randomness,
        orders: Orders,
    ) -> None:
        p, limits = parameters.mesh, parameters.limits
        self._parameters = p
        self._threshold = parameters.score.gossip_threshold
        self._earned_points = parameters.score.opportunistic_graft_threshold
        self._peers = peers
        self._scores = scores
        self._meshes = meshes
        self._choking = choking
        self._choking_parameters = parameters.choking
        self._seen = seen
        self._standing = standing
        self._randomness = randomness
        self._orders = orders
        self._promises = Promises(p.iwant_followup_ms, limits.max_promises)
        self._wants = Wants(p.iwant_followup_ms, p.asked_at_once, limits.max_promises // limits.max_peers)

    @property
    def wanted(self) -> int:
        """Ids that are wanted."""
        return len(self._wants)

    def take_ihaves(self, peer: Peer, announced: Iterable[IHave], now_ms: int) -> None:
        """One RPC's IHAVEs. Whoever is in debt or doubt is asked at the heartbeat, if nobody better has it too."""
        name, score = peer.node_id, self._scores.of(peer.node_id)
        if not self._is_heard(peer, score):
            return
        lacking: dict[bytes, None] = {}
        coming: dict[bytes, None] = {}  # others push it
        for have in announced:
            told = self._ids_within_room(peer, have)
            news = {one: None for one in told if self._is_lacking(one, now_ms)}
            if self._choking.has_choked(have.topic, name):
                for one in told:
                    self._choking.came(have.topic, name, one)
                coming.update(news)
            else:
                lacking.update(news)
        at_once = score >= 0 and now_ms >= peer.doubted_until_ms
        earned = at_once and score >= self._earned_points
        if coming:
            c = self._choking_parameters
            asks = self._wants.heard(name, coming, now_ms, c.patience_ms, c.words_needed, earned=earned)
            self._ask_all(asks, now_ms)
        if lacking:
            ids = shuffled(self._randomness, lacking)
            self._ask(name, self._wants.announced(name, ids, now_ms, at_once=at_once, earned=earned), now_ms)

    def _is_heard(self, peer: Peer, score: float) -> bool:
        """Whether one RPC more with IHAVEs of this peer is read; it counts until the heartbeat."""
        if score < self._threshold:
            self._orders.count("ihaves_dropped", LOW_SCORE)
            return False
        announces = peer.dialect >= Dialect.PUSHMESH  # whoever is choked announces each message by itself
        most = self._choking_parameters.announces_per_heartbeat if announces else self._parameters.ihaves_per_heartbeat
        peer.spent.ihaves += 1
        if peer.spent.ihaves > most:
            self._orders.count("ihaves_dropped", TOO_MANY)
            return False
        return True

    def _ids_within_room(self, peer: Peer, have: IHave) -> tuple[bytes, ...]:
        """What is read of one IHAVE; nothing of a topic without part in it."""
        if have.topic not in self._meshes:
            self._orders.count("ihaves_dropped", UNKNOWN_TOPIC)
            return ()
        room = self._parameters.ihave_ids_per_heartbeat - peer.spent.ihave_ids
        if len(have.message_ids) > room:
            self._orders.count("ihaves_dropped", TOO_MANY)
        told = have.message_ids[:room]
        peer.spent.ihave_ids += len(told)
        return told

    def _is_lacking(self, one: bytes, now_ms: int) -> bool:
        return len(one) == MESSAGE_ID_BYTES and not self._seen.has(one, now_ms)

    def _ask(self, name: bytes, promised: list[bytes], now_ms: int) -> None:
        if promised:
            self._ask_all({name: Asking(promised, promised)}, now_ms)

    def _ask_all(self, asks: Mapping[bytes, Asking], now_ms: int) -> None:
        for name, asking in asks.items():
            self._orders.iwant(name, asking.ids)
            self._orders.count("frames_asked", n=len(asking.ids))
            self._promises.asked(name, asking.promised, now_ms, self._randomness)

    def arrived(self, message_id: bytes, now_ms: int) -> None:
        """Seen for the first time, whatever it is worth."""
        self._promises.arrived(message_id)
        asks = self._wants.arrived(message_id, now_ms)
        if asks:
            self._ask_all(asks, now_ms)

    def hope(self, names: Iterable[bytes], message_id: bytes, now_ms: int) -> None:
        """This node let a message go that these may have; they are asked at the heartbeat, one after the other."""
        for name in names:
            self._wants.hoped(name, message_id, now_ms)

    def forget(self, name: bytes) -> None:
        """It is gone: no promise of it can be kept any more."""
        self._promises.forget(name)
        self._wants.forget(name)

    def follow_up(self, now_ms: int) -> None:
        """Each heartbeat: broken promises are charged, and what did not come is asked of others."""
        broken = self._promises.broken(now_ms)
        for name, count in broken.items():
            self._orders.count("promises_broken", n=count)
            self._scores.misbehaved(name, count)
            peer = self._peers.get(name)
            if peer is not None:
                peer.doubted_until_ms = now_ms + self._parameters.doubt_ms
        self._standing.look(broken, now_ms)
        self._ask_all(self._wants.due(now_ms, lambda name: self._rank(name, now_ms)), now_ms)

    def _rank(self, name: bytes, now_ms: int) -> tuple[bool, float] | None:
        score, peer = self._scores.of(name), self._peers.get(name)
        if peer is None or score < self._threshold:
            return None
        return now_ms >= peer.doubted_until_ms, score
