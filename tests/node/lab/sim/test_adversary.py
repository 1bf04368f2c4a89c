from typing import Any

from pushmesh_node.gossip.wire.rpc import IHave, Message, Rpc
from pushmesh_node.lab.sim.adversary import Adversary, sybil_host
from pushmesh_node.lab.sim.leech import Leech
from pushmesh_node.lab.sim.node import SimNode
from pushmesh_node.lab.sim.sybil import Garbage, Sybil
from pushmesh_node.peer.hosts import is_public
from pushmesh_node.remote import subnet_of
from pushmesh_node.sync.words import Word
from support.sim_world import a_publisher, a_world, publish


class Diary(Adversary):
    """Writes down which hooks are called."""

    def prepare(self) -> None:
        self.said: list[str] = []
        self.leeches: dict[Sybil, Leech] = {}
        self.add_sybils(self.count, per_host=2)

    def begin(self) -> None:
        self.said.append("begin")
        self.connect_all(self.world.nodes, 2)

    def tick(self) -> None:
        self.said.append("tick")

    def end(self) -> None:
        self.said.append("end")
        super().end()

    def on_connected(self, sybil: Sybil, victim: SimNode) -> None:
        self.said.append("connected")
        self.join_topics(sybil, victim)

    def on_disconnected(self, sybil: Sybil, victim: SimNode, reason: str) -> None:
        self.said.append(f"disconnected: {reason}")

    def on_refused(self, sybil: Sybil, victim: SimNode) -> None:
        self.said.append("refused")

    def on_answer(self, sybil: Sybil, victim: SimNode, word: Any) -> None:
        self.said.append(type(word).__name__.lower())
        if sybil in self.leeches:
            self.leeches[sybil].hear(word)


def a_diary(nodes: int = 2, count: int = 4) -> Diary:
    world = a_world(nodes)
    diary = Diary(world, count)
    diary.topics = [f"/pushmesh/1/{world.network.id.hex()}/shard/0"]
    diary.attack_from(5, 9.5)
    return diary


def test_the_hooks_come_in_their_order_and_only_while_the_attack_lasts() -> None:
    diary = a_diary()
    diary.world.run_until(20)
    assert diary.said[0] == "begin"
    assert diary.said.count("tick") == 4
    assert diary.said.count("connected") == 4
    end = diary.said.index("end")
    assert diary.said[end + 1 :] == ["disconnected: attack"] * 4
    assert not diary.active


def test_a_sybil_is_sent_honest_frames_once_it_has_joined() -> None:
    diary = a_diary()
    publisher, _ = a_publisher(diary.world)
    diary.world.run_until(8)
    publish(diary.world, publisher, diary.world.nodes[0])
    diary.world.run_until(9)
    assert list(diary.seen.values()) == diary.topics[:1]
    assert set(diary.victims_of(diary.sybils[0])) <= set(diary.world.nodes)


def test_a_sybil_may_read_what_a_node_has_stored() -> None:
    diary = a_diary()
    publisher, _ = a_publisher(diary.world)
    publish(diary.world, publisher, diary.world.nodes[0])
    diary.world.run_until(8)
    sybil = diary.sybils[0]
    (victim,) = diary.victims_of(sybil)

    def say(word: Word) -> None:
        sybil.say(victim, word, 60)

    leech = Leech(diary.world.network, diary.world.clock, say)
    diary.leeches[sybil] = leech
    leech.begin()
    diary.world.run_until(9)
    assert diary.said.count("frames") > 0


def test_a_node_that_is_down_refuses() -> None:
    diary = a_diary()
    diary.world.nodes[0].stop()
    diary.world.run_until(9)
    assert diary.said.count("refused") == 2


def test_what_would_not_decode_is_garbage_and_what_does_is_read_as_its_bytes_say() -> None:
    diary = a_diary()
    payload, _ = diary.encoded(Rpc(ihave=(IHave("t" * 300, ()),)))
    assert isinstance(payload, Garbage)
    lie = Rpc(messages=(Message("t", b"data"),))
    payload, size = diary.encoded(lie)
    assert payload == lie
    assert size > 5
    assert diary.encoded(lie)[0] is payload


def test_sybils_of_one_host_share_it_and_all_hosts_are_public() -> None:
    diary = a_diary(count=4)
    assert [sybil.host for sybil in diary.sybils] == [sybil_host(0)] * 2 + [sybil_host(1)] * 2
    hosts = [sybil_host(number) for number in range(1_000)]
    assert len({subnet_of(host) for host in hosts}) == 1_000
    assert all(map(is_public, hosts))
