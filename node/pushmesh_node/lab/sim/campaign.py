"""All attacks on the same network, one after the other on every core, each beside the same network in peace."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import LabError
from .adversary import Adversary
from .pool import run_all
from .registry import Attack
from .siege import Siege, besiege, load_attacks


@dataclass(frozen=True, slots=True)
class Campaign:
    """`peace[i]` is what `sieges[i]` is to be compared with: the same honest nodes, addresses and publishers."""

    sieges: list[Siege]
    peace: list[Siege]


def choose(names: Sequence[str]) -> list[Attack]:
    """The attacks of these names, all where there are none. Raises LabError for a name that no attack has."""
    known = load_attacks()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise LabError(f"there is no attack named {unknown[0]}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())


def run_campaign(
    attacks: Sequence[Attack],
    honest: int,
    sybils: int,
    seed: int,
    progress: Callable[[int, int, Siege], None],
    processes: int | None = None,
) -> Campaign:
    """`progress(done, all, siege)` is told as runs end."""
    quiet = list(dict.fromkeys([in_peace(attack) for attack in attacks]))
    orders: list[tuple[object, ...]] = [(None, each, honest, sybils, seed) for each in quiet]
    ordered = sorted(attacks, key=lambda attack: not attack.is_long)
    orders += [(attack.name, in_peace(attack), honest, sybils, seed) for attack in ordered]
    results = run_all(_run, orders, lambda done, siege: progress(done, len(orders), siege), processes)
    peace = dict(zip(quiet, results, strict=False))
    sieges = {siege.name: siege for siege in results[len(quiet) :]}
    return Campaign([sieges[attack.name] for attack in attacks], [peace[in_peace(attack)] for attack in attacks])


def _run(name: str | None, peace: Attack, honest: int, sybils: int, seed: int) -> Siege:
    if name is not None:
        return besiege(load_attacks()[name], honest, sybils, seed)
    return besiege(peace, honest, 0, seed)


def in_peace(attack: Attack) -> Attack:
    """The same honest side, with nobody who attacks it; equal for attacks on equal honest sides."""
    return Attack("peace", "", Adversary, False, attack.bootstraps, attack.publishers, terrain=attack.terrain)
