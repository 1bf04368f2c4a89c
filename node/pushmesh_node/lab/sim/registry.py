"""Every attack by its name, with the world that it needs. What it does stands in `attacks`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from .adversary import Adversary
from .terrain import PLAIN, Terrain
from .world import World

BEGIN_S, END_S = 60.0, 180.0
"""When an attack lasts, unless it says otherwise."""

Make = TypeVar("Make", bound=type[Adversary])


@dataclass(frozen=True, slots=True)
class Attack:
    """One scenario. `own_protocol`: of our own protocol, so that no honest node may be blamed at all. `bootstraps` are
    the honest addresses that each honest node knows, `publishers` how many nodes publish (None: all of them), `begin_s`
    is when the attack begins; `is_long`: its run takes so long that it had better begin before others."""

    name: str
    about: str
    make: Callable[[World, int], Adversary]
    own_protocol: bool = False
    bootstraps: int = 3
    publishers: int | None = None
    begin_s: float = BEGIN_S
    terrain: Terrain = PLAIN
    is_long: bool = False


ATTACKS: dict[str, Attack] = {}
"""Every attack by name, in the order in which the modules of `attacks` register them."""


def attack(
    name: str,
    about: str,
    *,
    own_protocol: bool = False,
    bootstraps: int = 3,
    publishers: int | None = None,
    begin_s: float = BEGIN_S,
    terrain: Terrain = PLAIN,
    is_long: bool = False,
) -> Callable[[Make], Make]:
    """Register an adversary under a name."""

    def register(make: Make) -> Make:
        ATTACKS[name] = Attack(name, about, make, own_protocol, bootstraps, publishers, begin_s, terrain, is_long)
        return make

    return register
