"""EIP-712 digests of fixed layout (SPEC 5.3-5.5), and the JSON that a wallet is given, from one table of members."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from ..hashing import keccak256
from ..kinds.registry import AnyBody
from ..login import LogInWords
from ..network import Network
from .members import (
    BATCH,
    ENVELOPE_TYPES,
    LOGIN,
    PrimaryType,
    Value,
    batch_members,
    envelope_members,
    login_members,
)
from .statement import Batch

_DOMAIN = (("string", "name"), ("string", "version"))
_DOMAIN_WITH_CHAIN = (*_DOMAIN, ("uint256", "chainId"))
_NAME, _VERSION = "pushmesh", "1"
_EMPTY = keccak256(b"")
_REPEATING = frozenset({"network", "topic", "author", "account", "kind", "kinds", "state", "mode", "host", "purpose"})
"""The string members whose hashes are kept: many messages share their values, and all of them are short."""


def envelope_digest(network: Network, chain_id: int | None, kind: int, body: AnyBody, envelope_id: bytes) -> bytes:
    """The 32 bytes that a wallet signs for an envelope; the body must have passed `check_body`."""
    return _digest(chain_id, ENVELOPE_TYPES[kind], envelope_members(network, kind, body, envelope_id))


def batch_digest(network: Network, chain_id: int | None, batch: Batch) -> bytes:
    """The 32 bytes that a wallet signs for a batch statement."""
    return _digest(chain_id, BATCH, batch_members(network, batch))


def login_digest(network: Network, chain_id: int | None, words: LogInWords) -> bytes:
    """The 32 bytes that a wallet signs to log in."""
    return _digest(chain_id, LOGIN, login_members(network, words))


def envelope_typed_data(
    network: Network, chain_id: int | None, kind: int, body: AnyBody, envelope_id: bytes
) -> dict[str, Any]:
    """The argument of a wallet's eth_signTypedData_v4 for an envelope."""
    return _typed_data(chain_id, ENVELOPE_TYPES[kind], envelope_members(network, kind, body, envelope_id))


def batch_typed_data(network: Network, chain_id: int | None, batch: Batch) -> dict[str, Any]:
    """The same for a batch statement."""
    return _typed_data(chain_id, BATCH, batch_members(network, batch))


def login_typed_data(network: Network, chain_id: int | None, words: LogInWords) -> dict[str, Any]:
    """The same for a log-in."""
    return _typed_data(chain_id, LOGIN, login_members(network, words))


def _hash_text(text: Any) -> bytes:
    return keccak256(text.encode()) if text else _EMPTY


_hash_repeating_text = lru_cache(maxsize=16_384)(_hash_text)


def _word(number: Any) -> bytes:
    data: bytes = number.to_bytes(32, "big")
    return data


def _encoder(kind: str, name: str) -> Callable[[Any], bytes]:
    if kind == "string":
        return _hash_repeating_text if name in _REPEATING else _hash_text
    return bytes if kind == "bytes32" else _word


_ENCODERS = {
    primary.name: (
        keccak256(primary.encoded.encode()),
        tuple(_encoder(kind, name) for kind, name in primary.members),
    )
    for primary in (*ENVELOPE_TYPES.values(), BATCH, LOGIN)
}


@lru_cache(maxsize=1024)
def _preamble(chain_id: int | None) -> bytes:
    """0x1901 and the domain separator; peers choose the chain id, so the cache has an end."""
    members = _DOMAIN if chain_id is None else _DOMAIN_WITH_CHAIN
    type_hash = keccak256(PrimaryType("EIP712Domain", members).encoded.encode())
    chain = b"" if chain_id is None else _word(chain_id)
    return b"\x19\x01" + keccak256(type_hash + _hash_text(_NAME) + _hash_text(_VERSION) + chain)


def _digest(chain_id: int | None, primary: PrimaryType, values: Sequence[Value]) -> bytes:
    type_hash, encoders = _ENCODERS[primary.name]
    words = [encode(value) for encode, value in zip(encoders, values, strict=True)]
    return keccak256(_preamble(chain_id) + keccak256(type_hash + b"".join(words)))


def _typed_data(chain_id: int | None, primary: PrimaryType, values: Sequence[Value]) -> dict[str, Any]:
    domain: dict[str, Any] = {"name": _NAME, "version": _VERSION}
    if chain_id is not None:
        domain["chainId"] = chain_id
    return {
        "types": {
            "EIP712Domain": _json_members(_DOMAIN if chain_id is None else _DOMAIN_WITH_CHAIN),
            primary.name: _json_members(primary.members),
        },
        "primaryType": primary.name,
        "domain": domain,
        "message": {
            name: "0x" + value.hex() if isinstance(value, bytes) else value
            for (_, name), value in zip(primary.members, values, strict=True)
        },
    }


def _json_members(members: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for kind, name in members]
