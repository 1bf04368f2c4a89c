"""What of the honest side is out of the common in a scenario: epochs, clocks, and who may write without work."""

from dataclasses import dataclass, replace

from pushmesh_protocol.auth.signing import WalletKey, account_of
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.network import Network

from ..networks import shipped_network
from .plan import AUTHORS

ALLOWANCE = 2**22


@dataclass(frozen=True, slots=True)
class Terrain:
    """The defaults are those of the development network, on which every clock is right."""

    epoch_ms: int | None = None
    skew_ms: int = 0
    """How far a node's wall clock may be off, either way."""

    work_bits: int | None = None
    """Where set, whoever is no honest author has no allowance at all, and pays so many bits of work for each envelope
    (a public network asks 20; fewer here only spare the simulator the search)."""

    well_known: int | None = None
    """Where set, everybody's bootstrap addresses are of the first so many nodes; else of any."""


PLAIN = Terrain()


def network_of(terrain: Terrain, seed: int) -> Network:
    """The network file of a scenario."""
    network = shipped_network("devnet")
    if terrain.epoch_ms is not None:
        network = replace(network, epoch_length_ms=terrain.epoch_ms)
    if terrain.work_bits is not None:
        honest = [account_of(WalletKey(sha256(f"{seed}/author/{n}/wallet".encode()))) for n in range(AUTHORS)]
        parameters = replace(
            network.parameters,
            default_allowance=0,
            allowances=dict.fromkeys(honest, ALLOWANCE),
            difficulties=dict.fromkeys(network.parameters.difficulties, terrain.work_bits),
        )
        network = replace(network, parameters=parameters)
    return network
