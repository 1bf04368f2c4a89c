"""Receipts: a node's signed word that it has envelopes on its disk, numbered and hash-chained (SPEC 12.2 to 12.6).

One seal covers all that a node committed at once; a receipt is a seal and the way from one envelope to its root.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from .auth.ed25519 import sign, verify
from .codec import Codec
from .errors import Refusal
from .hashing import hash_statement, u64
from .kinds.fields import Bin16, Bin32, Bin64, Ms
from .levels import DURABLE
from .network import Network
from .reasons import Reason
from .tree import root_from_run

MAX_LEAVES: Final = 65_536
"""Of one tree of ids that a node signs: of a seal and of a hold."""

MAX_PATH: Final = 16
"""Hashes from a leaf of such a tree to its root, at most."""

NO_PREVIOUS: Final = bytes(32)
"""What the first seal of a node names as its previous one."""

CLOCK_IS_OFF: Final = 1
"""The flag of a seal whose time the node itself does not trust: it is more than 30 s off the median of its peers."""

LeafIndex = Annotated[int, msgspec.Meta(ge=0, lt=MAX_LEAVES)]
LeafCount = Annotated[int, msgspec.Meta(ge=1, le=MAX_LEAVES)]
Path = Annotated[list[Bin32], msgspec.Meta(max_length=MAX_PATH)]


class SealWords(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """What a seal says, unsigned. `chain` is the node's store; `number` counts in it, `previous` is the hash of the
    seal before it; what the seal covers is kept until `kept_until`, or its own expiry where that is earlier."""

    node_id: Bin32
    chain: Bin16
    number: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    previous: Bin32
    level: Annotated[int, msgspec.Meta(ge=DURABLE, le=DURABLE)]
    time: Ms
    kept_until: Ms
    flags: Annotated[int, msgspec.Meta(ge=0, le=CLOCK_IS_OFF)]
    count: LeafCount
    root: Bin32


class Seal(SealWords, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """A signed seal, in its wire layout."""

    signature: Bin64


class Receipt(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """One envelope's receipt in its wire layout: the seal, and leaf `index` with its audit path."""

    seal: Seal
    id: Bin32
    index: LeafIndex
    path: Path


_RECEIPTS: Codec[Receipt] = Codec(Receipt)
_SEALS: Codec[Seal] = Codec(Seal)


def decode_receipt(data: bytes) -> Receipt:
    """Raises Refusal `malformed`."""
    return _RECEIPTS.decode(data)


def decode_seal(data: bytes) -> Seal:
    """Raises Refusal `malformed`."""
    return _SEALS.decode(data)


def seal_hash(network: Network, words: SealWords) -> bytes:
    """The 32 bytes that the node signs and that its next seal names as the previous one."""
    return hash_statement(
        "receipt",
        network.id,
        words.node_id,
        words.chain,
        u64(words.number),
        words.previous,
        u64(words.level),
        u64(words.time),
        u64(words.kept_until),
        u64(words.flags),
        u64(words.count),
        words.root,
    )


def sign_seal(seed: bytes, network: Network, words: SealWords) -> Seal:
    """Sign with the node's 32-byte seed. Ed25519 signs one text in one way: sealing again gives the same bytes."""
    return Seal(**msgspec.structs.asdict(words), signature=sign(seed, seal_hash(network, words)))


def check_seal(network: Network, seal: Seal) -> None:
    """Raise Refusal `bad-receipt` with the wrong member as its detail."""
    if not verify(seal.node_id, seal_hash(network, seal), seal.signature):
        raise Refusal(Reason.BAD_RECEIPT, "12.3", "signature")


def check_receipt(network: Network, receipt: Receipt) -> None:
    """Raise Refusal `bad-receipt` with the wrong member as its detail. Whose receipt and of what the caller asks."""
    seal = receipt.seal
    if root_from_run([receipt.id], receipt.index, seal.count, receipt.path) != seal.root:
        raise Refusal(Reason.BAD_RECEIPT, "12.4", "path")
    check_seal(network, seal)


def follows(network: Network, earlier: SealWords, later: SealWords) -> bool:
    """Whether `later` is the very next seal after `earlier` in its chain."""
    return (
        (earlier.node_id, earlier.chain) == (later.node_id, later.chain)
        and later.number == earlier.number + 1
        and later.previous == seal_hash(network, earlier)
    )


def proves_equivocation(network: Network, one: Seal, other: Seal) -> bool:
    """Whether the two show a node that told two stories: one chain and number, two contents, both signed; or two in a
    row of which the later does not name the earlier (SPEC 12.6)."""
    if (one.node_id, one.chain) != (other.node_id, other.chain):
        return False
    one, other = sorted((one, other), key=lambda seal: seal.number)
    hashes = seal_hash(network, one), seal_hash(network, other)
    if one.number == other.number:
        lies = hashes[0] != hashes[1]
    else:
        lies = other.number == one.number + 1 and other.previous != hashes[0]
    return lies and all(
        verify(seal.node_id, digest, seal.signature) for seal, digest in zip((one, other), hashes, strict=True)
    )


def first_break(network: Network, seals: Sequence[SealWords]) -> int | None:
    """The place of the first seal that does not follow the one before it; None where all are one chain."""
    for place in range(1, len(seals)):
        if not follows(network, seals[place - 1], seals[place]):
            return place
    return None
