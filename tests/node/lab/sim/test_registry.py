from pushmesh_node.lab.sim.adversary import Adversary
from pushmesh_node.lab.sim.registry import ATTACKS, attack


class Diary(Adversary):
    """Does nothing."""


def test_an_attack_is_registered_with_what_it_needs() -> None:
    try:
        attack("diary", "writes down", own_protocol=True, bootstraps=1)(Diary)
        assert (ATTACKS["diary"].make, ATTACKS["diary"].own_protocol, ATTACKS["diary"].bootstraps) == (Diary, True, 1)
    finally:
        del ATTACKS["diary"]
