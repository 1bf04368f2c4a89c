from typing import Any

import pytest
from msgspec.structs import replace

from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.codec import pack
from pushmesh_protocol.outcomes import (
    Acknowledgement,
    DisclosedLeaf,
    Disclosure,
    OutcomeRow,
    OutcomeStatement,
    OutcomeWords,
    Recipient,
    check_acknowledgement,
    check_outcome,
    decode_acknowledgement,
    decode_disclosure,
    decode_outcome,
    sign_outcome,
)
from pushmesh_protocol.tree import levels_of, path_in, root_of
from pushmesh_protocol.types import Account
from pushmesh_protocol.vouchers import VoucherWords, sign_voucher, voucher_leaf
from support.bodies import a_network
from support.refusals import refused_by

NETWORK, OTHER_NETWORK = a_network(), a_network(name="other")
SEED, KEY_SEED, GRANT, SALT = b"\x71" * 32, b"\x72" * 32, b"\x73" * 32, b"\x74" * 16
NODE, ORIGIN = public_key(SEED), b"\x75" * 32
ME, OTHER = evm_account(b"\x01" * 20), evm_account(b"\x02" * 20)
IDS = [bytes([number]) * 32 for number in range(6)]
LEAVES = [voucher_leaf(NETWORK, SALT, id_) for id_ in IDS]
NOW = 1_700_000_000_000
VOUCHER = sign_voucher(KEY_SEED, GRANT, NETWORK, VoucherWords(ME, NODE, 25_000, b"\x76" * 16, 1, 6, 6, root_of(LEAVES)))
EVIDENCE = Acknowledgement(VOUCHER, SALT, 3, path_in(levels_of(LEAVES), 3))


def delivered(id_: bytes, count: int, *names: Account) -> OutcomeRow:
    return OutcomeRow(id_, NOW, 4, count, [Recipient(name, NOW, None) for name in sorted(names)])


def stated(*rows: OutcomeRow, **changes: Any) -> OutcomeStatement:
    return sign_outcome(SEED, NETWORK, replace(OutcomeWords(NODE, ORIGIN, NOW, list(rows)), **changes))


ACKNOWLEDGED = OutcomeRow(IDS[3], NOW, 5, 1, [Recipient(ME, NOW, EVIDENCE)])


def test_a_statement_holds_and_survives_its_bytes() -> None:
    statement = stated(delivered(IDS[1], 7, ME, OTHER), delivered(IDS[3], 1), ACKNOWLEDGED)
    check_outcome(NETWORK, statement)
    assert decode_outcome(pack(statement)) == statement


def test_layout_is_that_of_the_specification() -> None:
    statement = stated(delivered(IDS[1], 2, ME))
    row = [IDS[1], NOW, 4, 2, [[ME, NOW, None]]]
    assert pack(statement) == pack([1, NODE, ORIGIN, NOW, [row], statement.signature])


@pytest.mark.parametrize("changes", [{"origin": NODE}, {"time": 1}, {"node_id": ORIGIN}, {"rows": [ACKNOWLEDGED]}])
def test_a_changed_member_breaks_the_signature(changes: dict[str, Any]) -> None:
    refusal = refused_by(check_outcome, NETWORK, replace(stated(delivered(IDS[1], 1)), **changes))
    assert (refusal.reason, refusal.rule, refusal.detail) == ("bad-outcome", "12.9", "signature")
    assert refused_by(check_outcome, OTHER_NETWORK, stated(delivered(IDS[1], 1))).detail == "signature"


def test_rows_and_names_ascend_and_stand_once() -> None:
    for rows in (
        (delivered(IDS[2], 1), delivered(IDS[1], 1)),
        (delivered(IDS[1], 1), delivered(IDS[1], 2)),
        (replace(delivered(IDS[1], 2, ME, OTHER), recipients=[Recipient(ME, NOW, None)] * 2),),
    ):
        assert refused_by(check_outcome, NETWORK, stated(*rows)).reason == "malformed"


def test_there_are_not_more_names_than_the_count() -> None:
    assert refused_by(check_outcome, NETWORK, stated(delivered(IDS[1], 1, ME, OTHER))).detail == "count"


def test_acknowledged_needs_the_wallets_own_word_and_delivered_carries_none() -> None:
    without = replace(ACKNOWLEDGED, recipients=[Recipient(ME, NOW, None)])
    beside = replace(ACKNOWLEDGED, level=4)
    for row in (without, beside):
        assert refused_by(check_outcome, NETWORK, stated(row)).detail == "evidence"


def test_a_statement_names_only_so_many_wallets() -> None:
    many = [Recipient(evm_account(n.to_bytes(20, "big")), NOW, None) for n in range(1, 301)]
    rows = [OutcomeRow(id_, NOW, 4, 300, many) for id_ in IDS[:2]]
    assert refused_by(check_outcome, NETWORK, stated(*rows)).reason == "malformed"


def test_a_wallets_own_word_holds_for_its_message_and_nothing_else() -> None:
    check_acknowledgement(NETWORK, EVIDENCE, IDS[3], ME, NODE)
    assert decode_acknowledgement(pack(EVIDENCE)) == EVIDENCE
    for evidence, id_, account, node, wrong in (
        (EVIDENCE, IDS[2], ME, NODE, "path"),
        (replace(EVIDENCE, salt=bytes(16)), IDS[3], ME, NODE, "path"),
        (replace(EVIDENCE, index=2), IDS[3], ME, NODE, "path"),
        (EVIDENCE, IDS[3], OTHER, NODE, "account"),
        (EVIDENCE, IDS[3], ME, ORIGIN, "node id"),
    ):
        refusal = refused_by(check_acknowledgement, NETWORK, evidence, id_, account, node)
        assert (refusal.reason, refusal.rule, refusal.detail) == ("bad-acknowledgement", "12.10", wrong)


def test_a_voucher_that_does_not_hold_makes_no_word() -> None:
    forged = replace(EVIDENCE, voucher=replace(VOUCHER, signature=bytes(64)))
    assert refused_by(check_acknowledgement, NETWORK, forged, IDS[3], ME, NODE).reason == "bad-voucher"


def test_a_disclosure_survives_its_bytes_and_shows_something() -> None:
    disclosure = Disclosure(VOUCHER, SALT, [DisclosedLeaf(IDS[3], NOW, 3, EVIDENCE.path)])
    assert decode_disclosure(pack(disclosure)) == disclosure
    assert refused_by(decode_disclosure, pack(replace(disclosure, leaves=[]))).reason == "malformed"
