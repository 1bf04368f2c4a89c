from random import Random

import pytest

from pushmesh_node.gossip.wire.message_id import MESSAGE_ID_BYTES
from pushmesh_node.gossip.wire.rpc import IHave, Rpc
from pushmesh_node.lab.sim.adversary import Adversary
from pushmesh_node.lab.sim.node import SimNode
from pushmesh_node.lab.sim.registry import Attack
from pushmesh_node.lab.sim.siege import besiege, draw_bootstraps, load_attacks
from pushmesh_node.lab.sim.sybil import Sybil


class Liar(Adversary):
    """Announces frames that nobody has."""

    def prepare(self) -> None:
        self.add_sybils(self.count, per_host=5)

    def begin(self) -> None:
        self.connect_all(self.world.nodes, 4)

    def on_connected(self, sybil: Sybil, victim: SimNode) -> None:
        self.join_topics(sybil, victim)

    def tick(self) -> None:
        for sybil in self.sybils:
            for victim in self.victims_of(sybil):
                lie = IHave(self.topics[0], (self.random.randbytes(MESSAGE_ID_BYTES),))
                sybil.send(victim, Rpc(ihave=(lie,)))


def test_in_peace_everything_arrives_and_nobody_is_blamed() -> None:
    peace = besiege(None, 8, 0, 1)
    assert (peace.delivered_fraction, peace.recovered_s, peace.honest_penalties) == (1.0, 0.0, 0)


def test_an_adversary_gets_in_as_far_as_the_gates_let_it_and_is_gone_afterwards() -> None:
    lies = Attack("lies", "announces frames that nobody has", Liar)
    siege = besiege(lies, 8, 20, 1)
    assert siege.sybil_links > 0
    assert siege.delivered_fraction == 1.0
    assert siege.recovered_s is not None
    assert siege.bytes_per_item > besiege(None, 8, 0, 1).bytes_per_item


def test_every_attack_is_registered_under_its_own_name() -> None:
    assert all(name == attack.name and attack.about for name, attack in load_attacks().items())


@pytest.mark.parametrize("well_known", [None, 4])
@pytest.mark.parametrize("seed", range(20))
def test_whoever_knows_one_other_node_each_is_still_one_network(seed: int, well_known: int | None) -> None:
    known = draw_bootstraps(12, 1, Random(seed), well_known)
    groups = [{node, *others} for node, others in enumerate(known)]
    reached = {0}
    for _ in known:
        reached |= set().union(*[group for group in groups if group & reached])
    assert reached == set(range(12))
    assert all(len(others) == 1 and node not in others for node, others in enumerate(known))
    assert max([other for others in known for other in others]) < (well_known or 12)
