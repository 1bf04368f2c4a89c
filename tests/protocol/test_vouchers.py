from typing import Any

import pytest
from msgspec.structs import replace

from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.hashing import hash_statement
from pushmesh_protocol.mmr import Mountains, extend, root
from pushmesh_protocol.tree import audit_path, root_from_run
from pushmesh_protocol.types import Account
from pushmesh_protocol.vouchers import (
    VoucherWords,
    check_voucher,
    decode_voucher,
    sign_voucher,
    voucher_leaf,
)
from support.bodies import a_network
from support.refusals import refusal_of

NETWORK = a_network()
SEED, GRANT = b"\x91" * 32, b"\x92" * 32
ME = evm_account(b"\x93" * 20)
WORDS = VoucherWords(ME, b"\x94" * 32, 25_000, b"\x95" * 16, 1, 32, 40, b"\x96" * 32)
VOUCHER = sign_voucher(SEED, GRANT, NETWORK, WORDS)


def wrong_member(voucher: Any) -> str:
    with pytest.raises(Refusal) as caught:
        check_voucher(NETWORK, voucher)
    assert (caught.value.reason, caught.value.rule) == ("bad-voucher", "10.1")
    return caught.value.detail


def test_signed_voucher_passes_and_survives_its_bytes() -> None:
    check_voucher(NETWORK, VOUCHER)
    assert VOUCHER.key == public_key(SEED)
    assert decode_voucher(pack(VOUCHER)) == VOUCHER


def test_totals_run_to_the_largest_integer() -> None:
    voucher = sign_voucher(SEED, GRANT, NETWORK, replace(WORDS, count=2**64 - 1, units=2**64 - 1, sequence=2**32 - 1))
    check_voucher(NETWORK, decode_voucher(pack(voucher)))


def test_layout_is_that_of_the_specification() -> None:
    said = [1, ME, b"\x94" * 32, 25_000, b"\x95" * 16, 1, 32, 40, b"\x96" * 32]
    assert pack(VOUCHER) == pack([*said, public_key(SEED), GRANT, VOUCHER.signature])


@pytest.mark.parametrize(
    "changes",
    [
        {"account": evm_account(bytes(20))},
        {"node_id": bytes(32)},
        {"epoch": 1},
        {"stream": bytes(16)},
        {"sequence": 2},
        {"count": 31},
        {"units": 41},
        {"root": bytes(32)},
        {"key": public_key(bytes(32))},
        {"grant_id": bytes(32)},
        {"signature": bytes(64)},
    ],
)
def test_changed_voucher_is_refused(changes: dict[str, Any]) -> None:
    assert wrong_member(replace(VOUCHER, **changes)) == "signature"


def test_voucher_of_another_network_is_refused() -> None:
    assert wrong_member(sign_voucher(SEED, GRANT, a_network(nonce=bytes(16)), WORDS)) == "signature"


def test_fewer_units_than_messages_are_refused() -> None:
    check_voucher(NETWORK, sign_voucher(SEED, GRANT, NETWORK, replace(WORDS, units=32)))
    assert wrong_member(sign_voucher(SEED, GRANT, NETWORK, replace(WORDS, units=31))) == "units"


def test_account_must_be_one() -> None:
    voucher = sign_voucher(SEED, GRANT, NETWORK, replace(WORDS, account=Account(b"\x05" * 21)))
    assert refusal_of(check_voucher, NETWORK, voucher) == ("malformed", "2.1")


@pytest.mark.parametrize(
    "changes", [{"sequence": 0}, {"sequence": 2**32}, {"count": -1}, {"stream": b""}, {"epoch": -1}]
)
def test_voucher_out_of_bounds_does_not_decode(changes: dict[str, Any]) -> None:
    assert refusal_of(decode_voucher, pack(replace(VOUCHER, **changes))) == ("malformed", "3.1")


def test_one_delivery_is_proved_from_the_root_with_its_salt() -> None:
    salt, ids = b"\x97" * 16, [bytes((number,)) * 32 for number in range(50)]
    leaves = [voucher_leaf(NETWORK, salt, id_) for id_ in ids]
    signed_root = root(extend(Mountains(), leaves))
    path = audit_path(leaves, 33, 1)
    assert root_from_run([voucher_leaf(NETWORK, salt, ids[33])], 33, 50, path) == signed_root
    assert root_from_run([voucher_leaf(NETWORK, bytes(16), ids[33])], 33, 50, path) != signed_root
    assert leaves[0] == hash_statement("voucher-leaf", NETWORK.id, salt, ids[0])
