from pushmesh_node.lab.networks import shipped_network
from pushmesh_node.lab.sim.terrain import ALLOWANCE, PLAIN, Terrain, network_of
from pushmesh_protocol.auth.signing import WalletKey, account_of
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.types import Account


def test_plain_terrain_is_the_development_network() -> None:
    assert network_of(PLAIN, 1) == shipped_network("devnet")


def test_epochs_can_be_short() -> None:
    network = network_of(Terrain(epoch_ms=30_000), 1)
    assert network.epoch_length_ms == 30_000
    assert network.id != shipped_network("devnet").id


def test_only_honest_authors_write_without_work_where_strangers_must_pay() -> None:
    parameters = network_of(Terrain(work_bits=6), 1).parameters
    assert parameters.allowance(account_of(WalletKey(sha256(b"1/author/0/wallet")))) == ALLOWANCE
    assert parameters.allowance(Account(b"\x00" * 21)) == 0
    assert parameters.difficulty(1) == 6
