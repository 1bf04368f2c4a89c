from random import Random

from pushmesh_node.gossip.messages.fanout import Fanout
from pushmesh_node.gossip.parameters import MeshParameters, RouterLimits, RouterParameters
from pushmesh_node.gossip.peers import Peer, Peers
from pushmesh_node.gossip.scores.scoring import PeerScores
from pushmesh_node.gossip.wire.dialects import Dialect
from support.router_world import T, U, crowd

NAMES = crowd(10)


class World:
    def __init__(self, n: int = 10, max_fanout_topics: int = 9) -> None:
        parameters = RouterParameters(mesh=MeshParameters(), limits=RouterLimits(max_fanout_topics=max_fanout_topics))
        self.peers = Peers(9)
        self.scores = PeerScores(parameters.score)
        self.fanout = Fanout(parameters, self.peers, self.scores, Random(1))
        for name in NAMES[:n]:
            self.add(name)

    def add(self, name: bytes) -> None:
        peer = Peer(name, False, Dialect.V1_1, "")
        self.peers.add(peer)
        self.peers.subscribe(peer, T)

    def members(self) -> list[bytes]:
        return list(self.fanout.members(T))


def test_the_same_d_peers_serve_while_the_topic_is_in_use() -> None:
    world = World()
    world.fanout.use(T, 0)
    first = world.members()
    world.fanout.use(T, 1_000)
    world.fanout.maintain(2_000)
    assert world.members() == first and len(first) == 6


def test_a_topic_ends_when_it_is_not_used() -> None:
    world = World()
    world.fanout.use(T, 0)
    world.fanout.maintain(59_999)
    assert world.fanout.topics() == [T]
    world.fanout.maintain(60_000)
    assert world.fanout.topics() == [] and world.members() == []


def test_who_left_or_lost_trust_is_replaced() -> None:
    world = World(n=8)
    world.fanout.use(T, 0)
    gone, bad = world.members()[:2]
    world.peers.remove(gone)
    world.scores.set_app(bad, -1_000_001)
    world.fanout.maintain(1)
    assert len(world.members()) == 6 and not {gone, bad} & set(world.members())


def test_who_is_not_trusted_is_not_chosen() -> None:
    world = World(n=3)
    world.scores.set_app(NAMES[0], -1_000_001)
    world.scores.set_app(NAMES[1], -1_000_000)
    world.fanout.use(T, 0)
    assert set(world.members()) == {NAMES[1], NAMES[2]}


def test_topics_are_bounded_and_the_one_used_longest_ago_goes() -> None:
    world = World(max_fanout_topics=2)
    for topic in (T, U, T, "/v"):
        world.fanout.use(topic, 0)
    assert world.fanout.topics() == [T, "/v"]


def test_joining_ends_it_and_hands_its_peers_on() -> None:
    world = World()
    world.fanout.use(T, 0)
    members = world.members()
    assert world.fanout.end(T) == members and world.fanout.topics() == [] and world.fanout.end(U) == []
