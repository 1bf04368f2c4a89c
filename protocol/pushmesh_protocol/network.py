"""A network: its genesis, its parameter sets and its id (SPEC section 1)."""

import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .accounts import display_account, parse_account
from .codec import pack
from .errors import AccountError, NetworkFileError
from .hashing import hash_statement, statement_hasher
from .kinds.registry import GENESIS_KINDS, KIND_NAMES, Kind
from .kinds.revocation import LIFE_MS as REVOCATION_LIFE_MS
from .kinds.subscription import OFF_LIFE_MS
from .types import Account, Epoch, NetworkId

_NAME = re.compile(r"[a-z0-9-]{1,32}\Z")
_KIND_NUMBERS = {name: kind for kind, name in KIND_NAMES.items()}
_HIGHEST = {"batch_count": 1_024}
"""Limits that the layout of a run fixes (SPEC 5.10, 8.1)."""


@dataclass(frozen=True, slots=True)
class ByteLimits:
    """The hard limits of a network (SPEC 8.2); sizes in bytes of canonical encoding."""

    item_bytes: int = 81_920
    run_bytes: int = 262_144
    frame_bytes: int = 262_144
    frame_items: int = 1_024
    leaf_bytes: int = 2_048
    batch_count: int = 1_024
    api_batch_bytes: int = 2_097_152


@dataclass(frozen=True, slots=True)
class Parameters:
    """A parameter set (SPEC 1.4): allowances in slots per epoch, difficulties in bits."""

    number: int
    first_epoch: int
    default_allowance: int
    allowances: dict[Account, int]
    difficulties: dict[int, int]

    def packed(self) -> bytes:
        """The canonical bytes that the digest covers."""
        listed = [[account, slots] for account, slots in sorted(self.allowances.items())]
        difficulties = [[kind, bits] for kind, bits in sorted(self.difficulties.items())]
        return pack([self.number, self.first_epoch, self.default_allowance, listed, difficulties])

    def digest(self) -> bytes:
        """32 bytes."""
        return hash_statement("parameters", self.packed())

    def allowance(self, author: Account) -> int:
        """Slots per epoch of an author; 0 means that every envelope needs work."""
        return self.allowances.get(author, self.default_allowance)

    def difficulty(self, kind: int) -> int:
        """Bits of work that a kind asks of those without allowance; a kind that is not listed asks 20."""
        return self.difficulties.get(kind, 20)


@dataclass(frozen=True)
class Network:
    """A network as its file says it. Times in milliseconds; `lives_ms` is the longest life per kind."""

    name: str
    nonce: bytes
    epoch_length_ms: int
    epoch_origin_ms: int
    shard_count: int
    wallet_range: int
    slot_bytes: int
    limits: ByteLimits
    lives_ms: dict[int, int]
    admins: tuple[bytes, ...]
    threshold: int
    parameters: Parameters
    format: int = field(default=1)

    def packed_genesis(self) -> bytes:
        """The canonical bytes of SPEC 1.2."""
        limits = self.limits
        return pack(
            [
                self.format,
                self.name,
                self.nonce,
                self.epoch_length_ms,
                self.epoch_origin_ms,
                self.shard_count,
                self.wallet_range,
                self.slot_bytes,
                [
                    limits.item_bytes,
                    limits.run_bytes,
                    limits.frame_bytes,
                    limits.frame_items,
                    limits.leaf_bytes,
                    limits.batch_count,
                    limits.api_batch_bytes,
                ],
                [[kind, life] for kind, life in sorted(self.lives_ms.items())],
                list(self.admins),
                self.threshold,
                self.parameters.digest(),
            ]
        )

    @cached_property
    def id(self) -> NetworkId:
        """32 bytes that every id, digest and signature binds."""
        return NetworkId(hash_statement("network", self.packed_genesis()))

    @cached_property
    def display(self) -> str:
        """`name:<id in hex>`, as signed texts show the network (SPEC 1.7)."""
        return f"{self.name}:{self.id.hex()}"

    @cached_property
    def hash_envelope(self) -> Any:
        """`hash_envelope(kind byte, author, body)`: the id of an envelope, with the network already absorbed (SPEC
        4.1)."""
        return statement_hasher("envelope", self.id)

    def epoch(self, time_ms: int) -> Epoch:
        """The epoch of a time (SPEC 1.6); negative before the origin, which the caller refuses."""
        return Epoch((time_ms - self.epoch_origin_ms) // self.epoch_length_ms)

    def epoch_start(self, epoch: int) -> int:
        """Its first millisecond."""
        return self.epoch_origin_ms + epoch * self.epoch_length_ms

    def longest_life_ms(self, kind: int) -> int:
        """Of a known kind (SPEC 4.4)."""
        return self.lives_ms[Kind.SUBSCRIPTION if kind == Kind.PRIVATE_SUBSCRIPTION else kind]

    def shard(self, packed_topic: bytes) -> int:
        """The shard of a topic's canonical bytes (SPEC 8.6)."""
        return hash_statement("shard", packed_topic)[0] % self.shard_count

    def slot_cost(self, kind: int, author: bytes, body: bytes) -> int:
        """Slots that an envelope covers (SPEC 6.2), from the size of its canonical [kind, author, body] without
        building it."""
        size = 1 + (1 if kind < 128 else 2) + _bin_size(len(author)) + _bin_size(len(body))
        return -(-size // self.slot_bytes)  # rounded up


def _bin_size(length: int) -> int:
    if length < 2**8:
        return 2 + length
    return (3 if length < 2**16 else 5) + length


def load_network(text: str) -> Network:
    """Read a network file. Raises NetworkFileError with one sentence that names the key."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NetworkFileError(f"the network file is not TOML: {error}") from error
    _only(document, {"genesis", "parameters"}, "the network file")
    return _network(_table(document, "genesis"), _parameters(_table(document, "parameters")))


def dump_network(network: Network) -> str:
    """The TOML text of a network; `load_network` of it gives an equal network."""
    limits = "\n".join(f"{name} = {getattr(network.limits, name)}" for name in ByteLimits.__slots__)
    lives = "\n".join(f"{KIND_NAMES[kind]} = {life}" for kind, life in sorted(network.lives_ms.items()))
    parameters = network.parameters
    allowances = "\n".join(f'"{display_account(a)}" = {n}' for a, n in sorted(parameters.allowances.items()))
    difficulties = "\n".join(f"{KIND_NAMES[kind]} = {bits}" for kind, bits in sorted(parameters.difficulties.items()))
    admins = ", ".join(f'"{key.hex()}"' for key in network.admins)
    return f"""[genesis]
format = {network.format}
name = "{network.name}"
nonce = "{network.nonce.hex()}"
epoch_length_ms = {network.epoch_length_ms}
epoch_origin_ms = {network.epoch_origin_ms}
shard_count = {network.shard_count}
wallet_range = {network.wallet_range}
slot_bytes = {network.slot_bytes}
admins = [{admins}]
threshold = {network.threshold}
parameters_digest = "{parameters.digest().hex()}"

[genesis.limits]
{limits}

[genesis.longest_life_ms]
{lives}

[parameters]
number = {parameters.number}
first_epoch = {parameters.first_epoch}
default_allowance = {parameters.default_allowance}

[parameters.allowances]
{allowances}

[parameters.difficulties]
{difficulties}
"""


def _network(genesis: dict[str, Any], parameters: Parameters) -> Network:
    _only(
        genesis,
        {"format", "name", "nonce", "epoch_length_ms", "epoch_origin_ms", "shard_count", "wallet_range", "slot_bytes"}
        | {"admins", "threshold", "parameters_digest", "limits", "longest_life_ms"},
        "[genesis]",
    )
    name = genesis.get("name")
    if not isinstance(name, str) or _NAME.match(name) is None:
        raise NetworkFileError("genesis.name must be of [a-z0-9-]{1,32}")
    if _integer(genesis, "format", 1, 1) != 1:
        raise NetworkFileError("genesis.format must be 1")
    admins = genesis.get("admins", [])
    if not isinstance(admins, list):
        raise NetworkFileError("genesis.admins must be a list of Ed25519 keys in hex")
    keys = tuple(_hex({"admins": key}, "admins", 32) for key in admins)
    limits = _table(genesis, "limits")
    _only(limits, set(ByteLimits.__slots__), "[genesis.limits]")
    network = Network(
        name=name,
        nonce=_hex(genesis, "nonce", 16),
        epoch_length_ms=_integer(genesis, "epoch_length_ms", 1_000, 86_400_000),
        epoch_origin_ms=_integer(genesis, "epoch_origin_ms", 0, 2**53 - 1),
        shard_count=_integer(genesis, "shard_count", 1, 256),
        wallet_range=_integer(genesis, "wallet_range", 2**31, 2**31),
        slot_bytes=_integer(genesis, "slot_bytes", 256, 65_536),
        limits=ByteLimits(**{key: _integer(limits, key, 1, _HIGHEST.get(key, 2**31)) for key in ByteLimits.__slots__}),
        lives_ms={
            _kind(key): _integer(_table(genesis, "longest_life_ms"), key, 1, 2**53 - 1)
            for key in _table(genesis, "longest_life_ms")
        },
        admins=keys,
        threshold=_integer(genesis, "threshold", 1, max(1, len(keys))),
        parameters=parameters,
    )
    if set(network.lives_ms) != GENESIS_KINDS:
        raise NetworkFileError("genesis.longest_life_ms must name every kind once, but for private_subscription")
    for kind, exact_ms in ((Kind.REVOCATION, REVOCATION_LIFE_MS), (Kind.SUBSCRIPTION, OFF_LIFE_MS)):
        if network.lives_ms[kind] < exact_ms:
            raise NetworkFileError(
                f"genesis.longest_life_ms.{KIND_NAMES[kind]} must be at least {exact_ms}: nobody could "
                f"{'revoke a key' if kind == Kind.REVOCATION else 'unsubscribe'} (SPEC 4.4)"
            )
    if network.lives_ms[Kind.SUBSCRIPTION] > OFF_LIFE_MS:
        raise NetworkFileError(
            f"genesis.longest_life_ms.subscription must be {OFF_LIFE_MS}: a yes that lives longer would hold again "
            "when the no that took it back is over (SPEC 4.4)"
        )
    if len(set(keys)) < len(keys):
        raise NetworkFileError("genesis.admins names a key twice")
    if _hex(genesis, "parameters_digest", 32) != parameters.digest():
        raise NetworkFileError("genesis.parameters_digest does not match [parameters]: one of the two was changed")
    return network


def _parameters(table: dict[str, Any]) -> Parameters:
    _only(table, {"number", "first_epoch", "default_allowance", "allowances", "difficulties"}, "[parameters]")
    listed = _table(table, "allowances")
    try:
        allowances = {parse_account(text): _integer(listed, text, 0, 2**32) for text in listed}
    except AccountError as error:
        raise NetworkFileError(f"parameters.allowances: {error}") from error
    difficulties = _table(table, "difficulties")
    return Parameters(
        number=_integer(table, "number", 0, 0),  # later sets are signed statements (SPEC 1.1, 1.5)
        first_epoch=_integer(table, "first_epoch", 0, 2**53 - 1),
        default_allowance=_integer(table, "default_allowance", 0, 2**32),
        allowances=allowances,
        difficulties={_kind(key): _integer(difficulties, key, 0, 64) for key in difficulties},
    )


def _kind(name: str) -> int:
    kind = _KIND_NUMBERS.get(name)
    if kind is None:
        raise NetworkFileError(f"{name} is not a kind; kinds are {', '.join(_KIND_NUMBERS)}")
    return kind


def _table(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise NetworkFileError(f"the network file needs a table [{key}]")
    return value


def _integer(table: dict[str, Any], key: str, low: int, high: int) -> int:
    value = table.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise NetworkFileError(f"{key} must be a whole number from {low} to {high}, not {value!r}")
    return value


def _hex(table: dict[str, Any], key: str, size: int) -> bytes:
    value = table.get(key)
    try:
        data = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        data = b""
    if len(data) != size:
        raise NetworkFileError(f"{key} must be {size} bytes in hex")
    return data


def _only(table: dict[str, Any], keys: set[str], where: str) -> None:
    unknown = sorted(set(table) - keys)
    if unknown:
        raise NetworkFileError(f"{where} has the unknown key {unknown[0]!r}; known are {', '.join(sorted(keys))}")
