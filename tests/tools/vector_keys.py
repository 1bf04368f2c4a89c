"""The keys of the vectors. Their secrets are hashes of their names: never use one for anything else."""

from dataclasses import dataclass
from hashlib import sha256

from pushmesh_protocol.accounts import contract_account, display_account, evm_account, solana_account
from pushmesh_protocol.auth import ed25519, secp256k1


@dataclass(frozen=True, slots=True)
class EvmKey:
    """A wallet."""

    secret: bytes
    account: bytes

    @property
    def address(self) -> bytes:
        """20 bytes."""
        return self.account[1:]


@dataclass(frozen=True, slots=True)
class EdKey:
    """An Ed25519 key: a session's, a node's, or a Solana account's."""

    seed: bytes
    public: bytes

    @property
    def account(self) -> bytes:
        """As a Solana account."""
        return solana_account(self.public)


def _seed(name: str) -> bytes:
    return sha256(f"pushmesh vectors: {name}".encode()).digest()


def evm_key(name: str) -> EvmKey:
    """The wallet of a name."""
    return EvmKey(_seed(name), secp256k1.account_of_secret(_seed(name)))


def ed_key(name: str) -> EdKey:
    """The Ed25519 key of a name."""
    return EdKey(_seed(name), ed25519.public_key(_seed(name)))


ALICE, BOB = evm_key("alice"), evm_key("bob")
CAROL, DAVE = ed_key("carol"), ed_key("dave")
PHONE, LAPTOP, THIEF = ed_key("phone"), ed_key("laptop"), ed_key("thief")
NODE, OTHER_NODE = ed_key("node"), ed_key("other node")
SAFE = contract_account(1, b"\x5a" * 20)
"""A contract wallet on chain 1."""
ALICE_CONTRACT = contract_account(1, ALICE.address)
"""A contract with the 20 bytes of Alice's key."""


def show(account: bytes) -> str:
    """CAIP-10."""
    return display_account(account)


def seal_keys(count: int) -> list[bytes]:
    """Ascending 32-byte values."""
    return [number.to_bytes(32, "big") for number in range(1, count + 1)]


def accounts(count: int) -> list[bytes]:
    """Ascending EVM accounts."""
    return [evm_account(number.to_bytes(20, "big")) for number in range(1, count + 1)]
