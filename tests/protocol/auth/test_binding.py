from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from pushmesh_protocol.accounts import evm_account, solana_account
from pushmesh_protocol.auth.binding import node_binding_message, session_message, solana_message
from pushmesh_protocol.auth.ed25519 import public_key, sign
from pushmesh_protocol.auth.schemes import Session, Solana
from pushmesh_protocol.auth.signing import WalletKey, account_of, sign_batch, sign_envelope, sign_login
from pushmesh_protocol.auth.statement import batch_id
from pushmesh_protocol.auth.verify import envelope_claim, login_claim, statement_claim, verify_one
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.hashing import STATEMENT_NAMES, hash_statement, u64
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.login import login_hash
from pushmesh_protocol.tokens import TokenWords, check_token, sign_token
from pushmesh_protocol.vouchers import VoucherWords, check_voucher, sign_voucher
from support.bodies import ISSUED_AT, a_body, a_network, envelope_id
from support.refusals import refusal_of
from support.signed_things import a_batch, some_login_words

NETWORK = a_network()
SEED, GRANT = b"\x31" * 32, b"\x32" * 32
KEY = public_key(SEED)
ME, WALLET = solana_account(KEY), WalletKey(b"\x33" * 32)
EXPIRES = ISSUED_AT + 1000
BODY = a_body(Kind.NOTIFICATION, ME)
ID = envelope_id(NETWORK, ME, Kind.NOTIFICATION, BODY)
TOKEN = TokenWords(b"\x34" * 32, ME, [1], None, EXPIRES, b"\x35" * 16)
VOUCHER = VoucherWords(ME, b"\x36" * 32, 9, b"\x37" * 16, 1, 2, 3, b"\x38" * 32)


def accepts_session(signature: bytes) -> bool:
    claim = envelope_claim(ME, Kind.NOTIFICATION, Session(KEY, GRANT, signature, None), BODY, ID)
    return verify_one(NETWORK, claim) is None


def accepts_solana(signature: bytes) -> bool:
    return verify_one(NETWORK, envelope_claim(ME, Kind.NOTIFICATION, Solana(signature, None), BODY, ID)) is None


def accepts_solana_batch(signature: bytes) -> bool:
    statement = replace(sign_batch(WALLET, NETWORK, a_batch(ME)), auth=Solana(signature, None))
    return verify_one(NETWORK, statement_claim(NETWORK, statement)) is None


def accepts_solana_login(signature: bytes) -> bool:
    login = replace(sign_login(WALLET, NETWORK, some_login_words(ME)), auth=Solana(signature, None))
    return verify_one(NETWORK, login_claim(NETWORK, login)) is None


def accepts_node_binding(signature: bytes) -> bool:
    author = account_of(WALLET)
    body = a_body(Kind.NODE_BINDING, author, expires_at=EXPIRES, node_id=KEY, signature=signature)
    id_ = envelope_id(NETWORK, author, Kind.NODE_BINDING, body)
    auth = sign_envelope(WALLET, NETWORK, Kind.NODE_BINDING, body, id_)
    return verify_one(NETWORK, envelope_claim(author, Kind.NODE_BINDING, auth, body, id_)) is None


def accepts_token(signature: bytes) -> bool:
    token = replace(sign_token(SEED, GRANT, NETWORK, TOKEN), signature=signature)
    try:
        check_token(NETWORK, token, node_id=TOKEN.node_id, now_ms=EXPIRES - 1)
    except Refusal as error:
        assert "signature" in str(error)
        return False
    return True


def accepts_voucher(signature: bytes) -> bool:
    voucher = replace(sign_voucher(SEED, GRANT, NETWORK, VOUCHER), signature=signature)
    try:
        check_voucher(NETWORK, voucher)
    except Refusal as error:
        assert "signature" in str(error)
        return False
    return True


VERIFIED: list[tuple[str, Callable[[bytes], bool], list[bytes]]] = [
    ("session", accepts_session, [NETWORK.id, GRANT, ID]),
    ("solana", accepts_solana, [NETWORK.id, ID]),
    ("solana", accepts_solana_batch, [NETWORK.id, batch_id(NETWORK, a_batch(ME))]),
    ("solana", accepts_solana_login, [NETWORK.id, login_hash(NETWORK, some_login_words(ME))]),
    ("node-binding", accepts_node_binding, [NETWORK.id, account_of(WALLET), u64(EXPIRES)]),
    (
        "token",
        accepts_token,
        [NETWORK.id, GRANT, TOKEN.node_id, ME, pack([1]), pack(None), u64(EXPIRES), TOKEN.random],
    ),
    (
        "voucher",
        accepts_voucher,
        [NETWORK.id, GRANT, ME, VOUCHER.node_id, u64(9), VOUCHER.stream, u64(1), u64(2), u64(3), VOUCHER.root],
    ),
]


@pytest.mark.parametrize(("name", "accepts", "parts"), VERIFIED)
def test_a_signature_under_one_name_is_refused_under_every_other(
    name: str, accepts: Callable[[bytes], bool], parts: list[bytes]
) -> None:
    accepted = {other for other in STATEMENT_NAMES if accepts(sign(SEED, hash_statement(other, *parts)))}
    assert accepted == {name}


@pytest.mark.parametrize(("name", "accepts", "parts"), VERIFIED)
def test_a_signature_over_another_statements_parts_is_refused(
    name: str, accepts: Callable[[bytes], bool], parts: list[bytes]
) -> None:
    for other_name, _, other_parts in VERIFIED:
        if other_parts != parts:
            assert not accepts(sign(SEED, hash_statement(other_name, *other_parts)))


@pytest.mark.parametrize(("name", "accepts", "parts"), VERIFIED)
def test_every_part_is_bound(name: str, accepts: Callable[[bytes], bool], parts: list[bytes]) -> None:
    for place, part in enumerate(parts):
        changed = [*parts]
        changed[place] = bytes(byte ^ 1 for byte in part)
        assert not accepts(sign(SEED, hash_statement(name, *changed)))
    assert not accepts(sign(SEED, parts[-1]))


def test_messages_are_the_hashes_of_the_specification() -> None:
    author = evm_account(bytes(20))
    assert session_message(NETWORK.id, GRANT, ID) == hash_statement("session", NETWORK.id, GRANT, ID)
    assert solana_message(NETWORK.id, ID) == hash_statement("solana", NETWORK.id, ID)
    expected = hash_statement("node-binding", NETWORK.id, author, u64(5))
    assert node_binding_message(NETWORK.id, author, 5) == expected


def test_a_time_that_no_integer_part_holds_is_an_error() -> None:
    with pytest.raises(OverflowError):
        node_binding_message(NETWORK.id, evm_account(bytes(20)), -1)


def test_reasons_are_those_of_the_edge() -> None:
    bad: dict[str, Any] = {"node_id": TOKEN.node_id, "now_ms": EXPIRES - 1}
    token = replace(sign_token(SEED, GRANT, NETWORK, TOKEN), signature=bytes(64))
    assert refusal_of(check_token, NETWORK, token, **bad) == ("bad-token", "11.3")
