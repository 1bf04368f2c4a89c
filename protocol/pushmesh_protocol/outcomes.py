"""Outcomes: a delivering node's signed word, to the origin of a notification, on what became of it (SPEC 12.9, 12.10).

Shape and signatures only: whether the notification is the origin's and who may be named is the node's matter.
"""

from typing import Annotated, Final

import msgspec

from .accounts import check_account
from .auth.ed25519 import sign, verify
from .codec import Codec, pack
from .errors import Refusal
from .hashing import hash_statement, u64
from .kinds.checks import check_ascending, malformed
from .kinds.fields import Bin16, Bin32, Bin64, Ms
from .levels import ACKNOWLEDGED, DELIVERED
from .network import Network
from .reasons import Reason
from .tree import root_from_run
from .types import Account
from .vouchers import Voucher, check_voucher, voucher_leaf

MAX_ROWS: Final = 512
MAX_RECIPIENTS: Final = 512
"""Of one row, and of one statement in all: a statement stays below a megabyte."""

MAX_VOUCHER_PATH: Final = 64
MAX_LEAVES_DISCLOSED: Final = 256


class Acknowledgement(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """A wallet's own word on one message: a voucher, the salt of its stream, and leaf `index` with its audit path."""

    voucher: Voucher
    salt: Bin16
    index: Annotated[int, msgspec.Meta(ge=0)]
    path: Annotated[list[Bin32], msgspec.Meta(max_length=MAX_VOUCHER_PATH)]


class DisclosedLeaf(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One message of a voucher's tree: its id, its issued-at, which finds it, and its place and audit path."""

    id: Bin32
    issued_at: Ms
    index: Annotated[int, msgspec.Meta(ge=0)]
    path: Annotated[list[Bin32], msgspec.Meta(max_length=MAX_VOUCHER_PATH)]


class Disclosure(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """What a wallet hands its node: a voucher, the salt of its stream, and the messages that it speaks of."""

    voucher: Voucher
    salt: Bin16
    leaves: Annotated[list[DisclosedLeaf], msgspec.Meta(min_length=1, max_length=MAX_LEAVES_DISCLOSED)]


class Recipient(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One wallet that may be named, when it got there, and for `acknowledged` its own word."""

    account: Account
    at: Ms
    evidence: Acknowledgement | None


class OutcomeRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One notification (its issued-at finds it) and level: how many wallets of the node in all, and of those some by
    name."""

    id: Bin32
    issued_at: Ms
    level: Annotated[int, msgspec.Meta(ge=DELIVERED, le=ACKNOWLEDGED)]
    count: Annotated[int, msgspec.Meta(ge=1, lt=2**32)]
    recipients: Annotated[list[Recipient], msgspec.Meta(max_length=MAX_RECIPIENTS)]


class OutcomeWords(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """What an outcome statement says, unsigned. Counts are totals, so a statement that comes twice counts once."""

    node_id: Bin32
    origin: Bin32
    time: Ms
    rows: Annotated[list[OutcomeRow], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]


class OutcomeStatement(OutcomeWords, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """A signed outcome statement, in its wire layout."""

    signature: Bin64


_STATEMENTS: Codec[OutcomeStatement] = Codec(OutcomeStatement)
_DISCLOSURES: Codec[Disclosure] = Codec(Disclosure)
_ACKNOWLEDGEMENTS: Codec[Acknowledgement] = Codec(Acknowledgement)


def decode_outcome(data: bytes) -> OutcomeStatement:
    """Raises Refusal `malformed`."""
    return _STATEMENTS.decode(data)


def decode_acknowledgement(data: bytes) -> Acknowledgement:
    """Raises Refusal `malformed`."""
    return _ACKNOWLEDGEMENTS.decode(data)


def decode_disclosure(data: bytes) -> Disclosure:
    """Raises Refusal `malformed`."""
    return _DISCLOSURES.decode(data)


def outcome_message(network: Network, words: OutcomeWords) -> bytes:
    """The 32 bytes that the node signs."""
    return hash_statement("outcome", network.id, words.node_id, words.origin, u64(words.time), pack(words.rows))


def sign_outcome(seed: bytes, network: Network, words: OutcomeWords) -> OutcomeStatement:
    """Sign with the delivering node's 32-byte seed."""
    return OutcomeStatement(
        words.node_id, words.origin, words.time, words.rows, sign(seed, outcome_message(network, words))
    )


def check_outcome(network: Network, statement: OutcomeStatement) -> None:
    """Raise Refusal: `malformed` by shape, `bad-outcome` with the wrong member as its detail. The wallets' own words
    in it are not looked at: see `check_acknowledgement`."""
    rows = statement.rows
    check_ascending("12.9", "rows", [(row.id, row.level) for row in rows])
    if sum(len(row.recipients) for row in rows) > MAX_RECIPIENTS:
        raise malformed("12.9", f"a statement names at most {MAX_RECIPIENTS} wallets")
    for row in rows:
        _check_row(row)
    if not verify(statement.node_id, outcome_message(network, statement), statement.signature):
        raise Refusal(Reason.BAD_OUTCOME, "12.9", "signature")


def _check_row(row: OutcomeRow) -> None:
    check_ascending("12.9", "recipients", [recipient.account for recipient in row.recipients])
    for recipient in row.recipients:
        check_account("account", recipient.account)
    if row.count < len(row.recipients):
        raise Refusal(Reason.BAD_OUTCOME, "12.9", "count")
    if any((recipient.evidence is None) != (row.level == DELIVERED) for recipient in row.recipients):
        raise Refusal(Reason.BAD_OUTCOME, "12.9", "evidence")


def check_acknowledgement(
    network: Network,
    evidence: Acknowledgement,
    envelope_id: bytes,
    account: bytes,
    node_id: bytes,
    *,
    voucher_is_checked: bool = False,
) -> None:
    """Raise Refusal `bad-acknowledgement` with the wrong member as its detail, or as `check_voucher` does. Whether the
    voucher's key is the wallet's (its grant) is the caller's to ask."""
    voucher = evidence.voucher
    if voucher.account != account:
        wrong = "account"
    elif voucher.node_id != node_id:
        wrong = "node id"
    elif _root(network, evidence, envelope_id) != voucher.root:
        wrong = "path"
    else:
        if not voucher_is_checked:
            check_voucher(network, voucher)
        return
    raise Refusal(Reason.BAD_ACKNOWLEDGEMENT, "12.10", wrong)


def _root(network: Network, evidence: Acknowledgement, envelope_id: bytes) -> bytes | None:
    leaf = voucher_leaf(network, evidence.salt, envelope_id)
    return root_from_run([leaf], evidence.index, evidence.voucher.count, evidence.path)
