from collections.abc import Sequence
from random import Random

from pushmesh_node.gossip.wire.rpc import Message
from pushmesh_node.lab.sim.attacks.own_crowd import Forgers
from pushmesh_node.lab.sim.siege import Defences, honest_world
from pushmesh_node.lab.sim.traffic import Publisher, new_author
from pushmesh_protocol.frames import OpenFrame, encode_frame


class Echo(Forgers):
    """Notes each frame that it is asked to forge, and tells nobody anything."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # those of the base
        self.asked: list[OpenFrame] = []

    def forge(self, topic: str, frame: OpenFrame) -> Sequence[bytes]:
        self.asked.append(frame)
        return ()


def an_echo() -> Echo:
    world, topics = honest_world(3, 1, 2, Defences())
    crowd = Echo(world, 10)
    crowd.topics, crowd.publishers = topics, world.nodes
    crowd.attack_from(5.0, 30.0)
    world.run_until(20.0)
    return crowd


def test_a_frame_begets_forgeries_once_and_their_own_words_none() -> None:
    crowd = an_echo()
    world, random = crowd.world, Random(1)
    author = new_author(world.network, "honest", world.clock.unix_ms, shard=0)
    _, theirs, _ = Publisher(world.network, [author], random).frame_of(2_000, world.clock.unix_ms)
    _, ours, _ = crowd.publisher.frame_of(2_000, world.clock.unix_ms)
    for parts in (ours, theirs, theirs):
        crowd.spread(Message(crowd.topics[0], encode_frame(parts)))
    ids = [[envelope.id for envelope in frame.envelopes()] for frame in crowd.asked]
    assert ids and set(map(tuple, ids)) == {tuple(envelope.id for part in theirs for envelope in part.envelopes)}
