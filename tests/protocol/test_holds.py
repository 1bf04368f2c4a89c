from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.codec import pack
from pushmesh_protocol.holds import (
    HoldWords,
    check_hold,
    check_hold_of,
    check_hold_proof,
    count_holders,
    decode_hold_proof,
    sign_hold,
)
from pushmesh_protocol.tree import root_of
from pushmesh_protocol.types import Account
from support.bodies import a_network
from support.refusals import refused_by

NETWORK, OTHER_NETWORK = a_network(), a_network(name="other")
SEED = b"\x61" * 32
IDS = [bytes([number]) * 32 for number in range(7)]
WORDS = HoldWords(public_key(SEED), 1_700_000_000_000, len(IDS), root_of(IDS))
HOLD = sign_hold(SEED, NETWORK, WORDS)
ME, A, B, C = (bytes([number]) * 32 for number in (10, 11, 12, 13))
ALICE, BOB = evm_account(b"\x0a" * 20), evm_account(b"\x0b" * 20)


def test_a_hold_gives_a_proof_for_each_of_its_ids() -> None:
    proofs = check_hold_of(NETWORK, HOLD, IDS)
    assert [proof.id for proof in proofs] == IDS
    for proof in proofs:
        check_hold_proof(NETWORK, proof)
        assert decode_hold_proof(pack(proof)) == proof


def test_layout_is_that_of_the_specification() -> None:
    said = [1, WORDS.node_id, WORDS.time, 7, WORDS.root, HOLD.signature]
    assert pack(HOLD) == pack(said)
    (first, *_) = check_hold_of(NETWORK, HOLD, IDS)
    assert pack(first) == pack([1, said, IDS[0], 0, first.path])


@pytest.mark.parametrize("ids", [IDS[:6], [*IDS[:6], b"\x09" * 32], [*reversed(IDS)]])
def test_other_ids_than_those_under_its_root_are_refused(ids: list[bytes]) -> None:
    refusal = refused_by(check_hold_of, NETWORK, HOLD, ids)
    assert (refusal.reason, refusal.rule, refusal.detail) == ("bad-hold", "12.7", "root")


@pytest.mark.parametrize("changes", [{"node_id": A}, {"time": 1}, {"signature": bytes(64)}])
def test_a_changed_member_breaks_the_signature(changes: dict[str, Any]) -> None:
    assert refused_by(check_hold, NETWORK, replace(HOLD, **changes)).detail == "signature"


def test_a_proof_for_another_id_network_or_place_is_refused() -> None:
    proof = check_hold_of(NETWORK, HOLD, IDS)[2]
    assert refused_by(check_hold_proof, NETWORK, replace(proof, id=b"\x09" * 32)).detail == "path"
    assert refused_by(check_hold_proof, NETWORK, replace(proof, index=3)).detail == "path"
    assert refused_by(check_hold_proof, OTHER_NETWORK, proof).detail == "signature"


def operators(**bound: Iterable[Account]) -> Any:
    names = {ME: "me", A: "a", B: "b", C: "c"}
    return lambda node_id: bound.get(names[node_id], ())


def test_each_key_counts_once_and_the_asker_never() -> None:
    assert count_holders([A, B, A, ME], ME, operators()) == 2


def test_of_the_nodes_of_one_operator_one_counts() -> None:
    assert count_holders([A, B, C], ME, operators(a=[ALICE], b=[ALICE])) == 2
    assert count_holders([A, B, C], ME, operators(a=[ALICE], b=[ALICE, BOB], c=[BOB])) == 1


def test_none_counts_that_shares_an_operator_with_the_asker() -> None:
    assert count_holders([A, B], ME, operators(me=[ALICE], a=[ALICE])) == 1
