from typing import Any

import pytest
from msgspec.structs import astuple, replace

from pushmesh_protocol.auth.ed25519 import public_key, sign
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.hashing import hash_statement
from pushmesh_protocol.receipts import (
    NO_PREVIOUS,
    Receipt,
    Seal,
    SealWords,
    check_receipt,
    check_seal,
    decode_receipt,
    decode_seal,
    first_break,
    follows,
    proves_equivocation,
    seal_hash,
    sign_seal,
)
from pushmesh_protocol.tree import levels_of, path_in, root_of
from support.bodies import a_network
from support.refusals import refused_by

NETWORK, OTHER_NETWORK = a_network(), a_network(name="other")
SEED, OTHER_SEED = b"\x41" * 32, b"\x42" * 32
IDS = [bytes([number]) * 32 for number in range(5)]
CHAIN = b"\x0c" * 16
WORDS = SealWords(public_key(SEED), CHAIN, 1, NO_PREVIOUS, 2, 1_700_000_000_000, 1_700_086_400_000, 0, 5, root_of(IDS))
FIRST = sign_seal(SEED, NETWORK, WORDS)


def a_receipt(index: int, seal: Seal = FIRST) -> Receipt:
    return Receipt(seal, IDS[index], index, path_in(levels_of(IDS), index))


def the_next(seal: SealWords, **changes: Any) -> Seal:
    words = replace(WORDS, number=seal.number + 1, previous=seal_hash(NETWORK, seal))
    return sign_seal(SEED, NETWORK, replace(words, **changes))


def test_every_envelope_under_a_seal_has_a_receipt_that_survives_its_bytes() -> None:
    for index in range(len(IDS)):
        receipt = a_receipt(index)
        check_receipt(NETWORK, receipt)
        assert decode_receipt(pack(receipt)) == receipt
    assert decode_seal(pack(FIRST)) == FIRST


def test_sealing_again_gives_the_same_bytes() -> None:
    assert pack(sign_seal(SEED, NETWORK, WORDS)) == pack(FIRST)


def test_layout_is_that_of_the_specification() -> None:
    said = [1, WORDS.node_id, CHAIN, 1, bytes(32), 2, WORDS.time, WORDS.kept_until, 0, 5, WORDS.root, FIRST.signature]
    assert pack(FIRST) == pack(said)
    assert pack(a_receipt(4)) == pack([1, said, IDS[4], 4, path_in(levels_of(IDS), 4)])


@pytest.mark.parametrize(
    "changes",
    [
        {"node_id": public_key(OTHER_SEED)},
        {"chain": bytes(16)},
        {"number": 2},
        {"previous": b"\x01" * 32},
        {"time": 1},
        {"kept_until": 1},
        {"flags": 1},
        {"signature": bytes(64)},
    ],
)
def test_a_changed_member_breaks_the_signature(changes: dict[str, Any]) -> None:
    refusal = refused_by(check_seal, NETWORK, replace(FIRST, **changes))
    assert (refusal.reason, refusal.rule, refusal.detail) == ("bad-receipt", "12.3", "signature")


@pytest.mark.parametrize(
    "changes",
    [{"id": b"\x09" * 32}, {"index": 1}, {"path": []}, {"path": [bytes(32)] * 3}, {"seal": replace(FIRST, count=4)}],
)
def test_another_leaf_or_way_to_the_root_breaks_the_path(changes: dict[str, Any]) -> None:
    refusal = refused_by(check_receipt, NETWORK, replace(a_receipt(0), **changes))
    assert (refusal.reason, refusal.rule, refusal.detail) == ("bad-receipt", "12.4", "path")


def test_a_receipt_is_worth_nothing_in_another_network_or_under_another_name() -> None:
    assert refused_by(check_receipt, OTHER_NETWORK, a_receipt(0)).detail == "signature"
    for name in ("hold", "outcome", "voucher"):
        forged = replace(FIRST, signature=sign(SEED, hash_statement(name, NETWORK.id, seal_hash(NETWORK, WORDS))))
        assert refused_by(check_seal, NETWORK, forged).detail == "signature"


@pytest.mark.parametrize("level", [0, 1, 3, 4, 5, 6])
def test_a_seal_of_another_level_is_malformed(level: int) -> None:
    said = list(astuple(FIRST))
    said[4] = level  # after node id, chain, number, previous
    with pytest.raises(Refusal, match="malformed"):
        decode_seal(pack([1, *said]))


def test_seals_in_a_row_name_each_other() -> None:
    second = the_next(FIRST)
    third = the_next(second)
    assert follows(NETWORK, FIRST, second) and not follows(NETWORK, FIRST, third)
    assert first_break(NETWORK, [FIRST, second, third]) is None
    assert first_break(NETWORK, [FIRST, third]) == 1
    assert first_break(NETWORK, [FIRST, second, the_next(FIRST)]) == 2


def test_two_stories_under_one_number_are_proof_whoever_shows_them() -> None:
    other = sign_seal(SEED, NETWORK, replace(WORDS, root=root_of(IDS[:4]), count=4))
    assert proves_equivocation(NETWORK, FIRST, other)
    assert proves_equivocation(NETWORK, other, FIRST)


def test_a_seal_that_does_not_name_the_one_before_it_is_proof_too() -> None:
    lonely = the_next(FIRST, previous=b"\x01" * 32)
    assert proves_equivocation(NETWORK, lonely, FIRST)
    assert not proves_equivocation(NETWORK, the_next(FIRST), FIRST)


def test_nothing_else_is_proof() -> None:
    restored = sign_seal(SEED, NETWORK, replace(WORDS, chain=b"\x0d" * 16, count=4))
    stranger = sign_seal(OTHER_SEED, NETWORK, replace(WORDS, node_id=public_key(OTHER_SEED), count=4))
    forged = replace(FIRST, count=4)
    later = the_next(the_next(FIRST), previous=b"\x01" * 32)
    for other in (FIRST, restored, stranger, forged, later):
        assert not proves_equivocation(NETWORK, FIRST, other)
