"""Small sieges: few nodes, a short window, the whole attack."""

from functools import cache

import msgspec
import pytest

from pushmesh_node.gossip.parameters import MeshParameters, RouterParameters, ScoreParameters, TopicScoreParameters
from pushmesh_node.ipc import Settings
from pushmesh_node.lab.sim import siege as room
from pushmesh_node.lab.sim.campaign import in_peace
from pushmesh_node.lab.sim.conditions import Conditions
from pushmesh_node.lab.sim.plan import Traffic
from pushmesh_node.lab.sim.registry import Attack
from pushmesh_node.lab.sim.siege import Defences, Siege, besiege, load_attacks

HONEST, SYBILS = 6, 40
NO_SCORE = ScoreParameters(
    topic=TopicScoreParameters(weight=0.0), app_weight=0.0, colocation_weight=0.0, behaviour_weight=0.0
)
UNSCORED = Defences(router=RouterParameters(score=NO_SCORE))
PUSH_ALONE = Defences(
    router=RouterParameters(
        mesh=MeshParameters(d_lazy=0, gossip_factor=0.0, flood_publish=False, d_out=0), score=NO_SCORE
    ),
    settings=msgspec.structs.replace(Settings(), max_connections_per_ip=10_000, max_connections_per_subnet=10_000),
    conditions=Conditions(sync=False),
)
"""A mesh and nothing around it: no lazy gossip, no flood publish, no outbound quota, no scores, no limits by address,
no sync. Most attacks are about places in a mesh; each of these undoes some of that, and none is missed alone."""

TRAFFIC = Traffic(first_s=12.0, end_s=45.0, sizes=room.TRAFFIC.sizes)
BEGIN_S, END_S, SECONDS = 15.0, 40.0, 60.0


def small_siege(name: str, defences: Defences | None = None) -> tuple[Siege, Siege]:
    """An attack on six nodes for 25 of 60 virtual seconds, and the same network in peace."""
    attack = load_attacks()[name]
    with pytest.MonkeyPatch.context() as patch:
        for word, value in (("TRAFFIC", TRAFFIC), ("BEGIN_S", BEGIN_S), ("END_S", END_S), ("SECONDS", SECONDS)):
            patch.setattr(room, word, value)
        siege = besiege(_early(attack), HONEST, SYBILS, 1, defences=defences)
        return siege, _peace(in_peace(_early(attack)))


def is_repelled(siege: Siege, peace: Siege) -> bool:
    """Whether all arrived, nobody honest was blamed, all agree, and honest nodes carried less than twice as much."""
    return (
        siege.delivered_fraction == 1.0
        and siege.honest_penalties == 0
        and siege.disagreements == 0
        and siege.carried_per_item < 2 * peace.carried_per_item
    )


def is_held_off(siege: Siege) -> bool:
    """Whether all arrived in time, nobody honest was blamed, and the meshes were in honest hands again soon."""
    return (
        siege.delivered_fraction == 1.0
        and siege.p99_ms <= 6_000
        and siege.honest_penalties == 0
        and siege.recovered_s is not None
    )


def _early(attack: Attack) -> Attack:
    return Attack(
        attack.name,
        attack.about,
        attack.make,
        attack.own_protocol,
        attack.bootstraps,
        attack.publishers,
        min(attack.begin_s, BEGIN_S),
        attack.terrain,
    )


@cache
def _peace(attack: Attack) -> Siege:
    return besiege(attack, HONEST, 0, 1)
