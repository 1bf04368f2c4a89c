import pytest

from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.sim.campaign import choose, run_campaign
from pushmesh_node.lab.sim.siege import Siege, load_attacks


def test_every_attack_is_chosen_unless_names_are_given_and_unknown_ones_are_told() -> None:
    assert choose([]) == list(load_attacks().values())
    name = next(iter(load_attacks()))
    assert [attack.name for attack in choose([name])] == [name]
    with pytest.raises(LabError, match=f"no attack named nonsense; there are {name}"):
        choose(["nonsense"])


def test_each_siege_stands_beside_the_same_network_in_peace() -> None:
    attacks = choose([])[:1]
    told: list[tuple[int, int, str]] = []
    campaign = run_campaign(
        attacks, 6, 6, 1, lambda done, count, siege: told.append((done, count, siege.name)), processes=1
    )
    assert [siege.name for siege in campaign.sieges] == [attacks[0].name]
    assert [siege.name for siege in campaign.peace] == ["peace"]
    assert told == [(1, 2, "peace"), (2, 2, attacks[0].name)]
    assert isinstance(campaign.peace[0], Siege) and campaign.peace[0].sybil_links == 0


def test_long_attacks_begin_first_and_all_are_told_in_the_order_of_their_names() -> None:
    attacks = choose(["degrade-100", "idontwant-flood"])
    assert [attack.is_long for attack in attacks] == [False, True]
    told: list[str] = []
    campaign = run_campaign(attacks, 4, 4, 1, lambda done, count, siege: told.append(siege.name), processes=1)
    assert told == ["peace", "idontwant-flood", "degrade-100"]
    assert [siege.name for siege in campaign.sieges] == ["degrade-100", "idontwant-flood"]
