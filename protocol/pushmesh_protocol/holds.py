"""Holds: a peer's signed word that it has envelopes on its own disk (SPEC 12.7, 12.8), and how many count.

Who asked, when, and over which stream is the node's matter.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Final

import msgspec

from .auth.ed25519 import sign, verify
from .codec import Codec
from .errors import Refusal
from .hashing import hash_statement, u64
from .kinds.fields import Bin32, Bin64, Ms
from .network import Network
from .reasons import Reason
from .receipts import LeafCount, LeafIndex, Path
from .tree import levels_of, path_in, root_from_run
from .types import Account

MAX_HOLD_IDS: Final = 1_024
"""Of one hold, and of one question for some."""


class HoldWords(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """What a hold says, unsigned: at `time` the `count` envelopes under `root` were on the disk of `node_id`."""

    node_id: Bin32
    time: Ms
    count: LeafCount
    root: Bin32


class Hold(HoldWords, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """A signed hold, in its wire layout."""

    signature: Bin64


class HoldProof(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """A hold and the way from one envelope to its root: what a publisher is shown."""

    hold: Hold
    id: Bin32
    index: LeafIndex
    path: Path


HoldIds = Annotated[list[Bin32], msgspec.Meta(min_length=1, max_length=MAX_HOLD_IDS)]

_PROOFS: Codec[HoldProof] = Codec(HoldProof)


def decode_hold_proof(data: bytes) -> HoldProof:
    """Raises Refusal `malformed`."""
    return _PROOFS.decode(data)


def hold_message(network: Network, words: HoldWords) -> bytes:
    """The 32 bytes that the node signs."""
    return hash_statement("hold", network.id, words.node_id, u64(words.time), u64(words.count), words.root)


def sign_hold(seed: bytes, network: Network, words: HoldWords) -> Hold:
    """Sign with the node's 32-byte seed, after the commit of all that it names."""
    return Hold(**msgspec.structs.asdict(words), signature=sign(seed, hold_message(network, words)))


def check_hold(network: Network, hold: Hold) -> None:
    """Raise Refusal `bad-hold` with the wrong member as its detail."""
    if not verify(hold.node_id, hold_message(network, hold), hold.signature):
        raise Refusal(Reason.BAD_HOLD, "12.7", "signature")


def check_hold_of(network: Network, hold: Hold, ids: Sequence[bytes]) -> list[HoldProof]:
    """The proofs, one an id, of a hold that came with the ids of its tree. Raises Refusal `bad-hold`."""
    levels = levels_of(ids)
    if hold.count != len(ids) or levels[-1] != [hold.root]:
        raise Refusal(Reason.BAD_HOLD, "12.7", "root")
    check_hold(network, hold)
    return [HoldProof(hold, id_, index, path_in(levels, index)) for index, id_ in enumerate(ids)]


def check_hold_proof(network: Network, proof: HoldProof) -> None:
    """Raise Refusal `bad-hold` with the wrong member as its detail."""
    if root_from_run([proof.id], proof.index, proof.hold.count, proof.path) != proof.hold.root:
        raise Refusal(Reason.BAD_HOLD, "12.7", "path")
    check_hold(network, proof.hold)


def count_holders(node_ids: Iterable[bytes], asker: bytes, operators_of: Callable[[bytes], Iterable[Account]]) -> int:
    """How many of these nodes count beside `asker`: each key once, of the nodes that share an operator one, and none
    that shares one with `asker` (SPEC 12.8). `operators_of` gives the accounts that are bound to a node, if any."""
    used = set(operators_of(asker))
    counted = 0
    for node_id in sorted(set(node_ids) - {asker}):
        operators = set(operators_of(node_id))
        if operators & used:
            used |= operators
            continue
        used |= operators
        counted += 1
    return counted
