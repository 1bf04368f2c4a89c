"""Vouchers: a wallet's signed running total of what one node delivered to it (SPEC section 10).

Shape and signature only: order within a stream, equivocation and the grant's scope are the ledger's matter.
"""

from typing import Annotated

import msgspec

from .accounts import check_account
from .auth.ed25519 import public_key, sign, verify
from .codec import Codec
from .errors import Refusal
from .hashing import hash_statement, u64
from .kinds.fields import Bin16, Bin32, Bin64
from .network import Network
from .reasons import Reason
from .types import Account

Total = Annotated[int, msgspec.Meta(ge=0)]
"""A u64; MessagePack has no larger integer."""


class VoucherWords(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """What a voucher says, unsigned; `count` (messages) and `units` (slots) are totals since the stream's start."""

    account: Account
    node_id: Bin32
    epoch: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    stream: Bin16
    sequence: Annotated[int, msgspec.Meta(ge=1, lt=2**32)]
    count: Total
    units: Total
    root: Bin32


class Voucher(VoucherWords, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """A signed voucher, in its wire layout."""

    key: Bin32
    grant_id: Bin32
    signature: Bin64


_CODEC: Codec[Voucher] = Codec(Voucher)


def decode_voucher(data: bytes) -> Voucher:
    """Raises Refusal `malformed`."""
    return _CODEC.decode(data)


def voucher_leaf(network: Network, salt: bytes, envelope_id: bytes) -> bytes:
    """The leaf input of one delivered message: 32 bytes. The stream's 16-byte salt hides the id from others."""
    return hash_statement("voucher-leaf", network.id, salt, envelope_id)


def voucher_message(network: Network, words: VoucherWords, grant_id: bytes) -> bytes:
    """The 32 bytes that the session key signs."""
    return hash_statement(
        "voucher",
        network.id,
        grant_id,
        words.account,
        words.node_id,
        u64(words.epoch),
        words.stream,
        u64(words.sequence),
        u64(words.count),
        u64(words.units),
        words.root,
    )


def sign_voucher(seed: bytes, grant_id: bytes, network: Network, words: VoucherWords) -> Voucher:
    """Sign with the session key of a 32-byte seed, which the grant names."""
    signature = sign(seed, voucher_message(network, words, grant_id))
    return Voucher(**msgspec.structs.asdict(words), key=public_key(seed), grant_id=grant_id, signature=signature)


def check_voucher(network: Network, voucher: Voucher) -> None:
    """Raise Refusal: `malformed` by shape, `bad-voucher` with the wrong member as its detail."""
    check_account("account", voucher.account)
    if voucher.units < voucher.count:  # a message is worth at least one slot
        wrong = "units"
    elif not verify(voucher.key, voucher_message(network, voucher, voucher.grant_id), voucher.signature):
        wrong = "signature"
    else:
        return
    raise Refusal(Reason.BAD_VOUCHER, "10.1", wrong)
