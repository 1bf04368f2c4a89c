"""The one hash construction of the protocol, and keccak for Ethereum's digests."""

import hashlib
from collections.abc import Callable

import sha3

STATEMENT_NAMES = frozenset(
    {
        "network",
        "parameters",
        "parameters-set",
        "envelope",
        "batch",
        "session",
        "solana",
        "work",
        "shard",
        "node-binding",
        "login",
        "token",
        "voucher",
        "voucher-leaf",
        "receipt",
        "hold",
        "outcome",
        "sealed",
    }
)
"""The closed list of SPEC 3.5; a new statement needs a new name, never a reused one."""


def _prefix(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


_SEEDS = {name: hashlib.sha256(_prefix(f"pushmesh/1/{name}".encode())) for name in STATEMENT_NAMES}


def u64(value: int) -> bytes:
    """8 bytes big-endian, the form of an integer part (SPEC 3.4). Raises OverflowError outside 0..2^64-1."""
    return value.to_bytes(8, "big")


def hash_statement(name: str, *parts: bytes) -> bytes:
    """H(name, parts...) of SPEC 3.4: 32 bytes. `name` is one of STATEMENT_NAMES, else KeyError."""
    state = _SEEDS[name].copy()
    for part in parts:
        state.update(len(part).to_bytes(4, "big"))
        state.update(part)
    return state.digest()


def statement_hasher(name: str, *parts: bytes) -> Callable[..., bytes]:
    """`hash_statement` with its first parts already absorbed, for stages that hash many of one kind."""
    seed = _SEEDS[name].copy()
    for part in parts:
        seed.update(_prefix(part))
    copy = seed.copy

    def finish(*rest: bytes) -> bytes:
        state = copy()
        for part in rest:
            state.update(len(part).to_bytes(4, "big") + part)
        return state.digest()

    return finish


def sha256(data: bytes) -> bytes:
    """32 bytes."""
    return hashlib.sha256(data).digest()


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash (the original Keccak padding, not SHA-3): 32 bytes."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest
