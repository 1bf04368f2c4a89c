from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from time import perf_counter
from typing import Any

import pytest
from eth_account import Account as EthAccount
from eth_account.messages import encode_typed_data
from msgspec.structs import replace

from pushmesh_protocol.accounts import Topic, contract_account, evm_account
from pushmesh_protocol.auth import ed25519
from pushmesh_protocol.auth.eip712 import envelope_digest, envelope_typed_data
from pushmesh_protocol.auth.schemes import Auth, Eip191, Eip712, Erc1271, Erc6492, Session, Solana
from pushmesh_protocol.auth.secp256k1 import recover_account
from pushmesh_protocol.auth.signing import (
    Key,
    SessionKey,
    SolanaKey,
    WalletKey,
    account_of,
    sign_batch,
    sign_envelope,
    sign_login,
    sign_node_binding,
)
from pushmesh_protocol.auth.verify import (
    Claim,
    envelope_claim,
    login_claim,
    statement_claim,
    verify_claims,
    verify_one,
)
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import Account
from support.bodies import a_body, a_network, a_random_body, envelope_id
from support.signed_things import a_batch, a_random_batch, some_login_words

NETWORK = a_network()
WALLET, OTHER_WALLET, SOLANA = WalletKey(b"\x71" * 32), WalletKey(b"\x72" * 32), SolanaKey(b"\x73" * 32)
SESSION = SessionKey(b"\x74" * 32, b"\x75" * 32)
ME, MY_SOLANA = account_of(WALLET), account_of(SOLANA)
SIGNERS: list[tuple[Key, Account]] = [
    (WALLET, ME),
    (WalletKey(WALLET.secret, chain_id=1), ME),
    (WalletKey(WALLET.secret, texts=True), ME),
    (SESSION, ME),
    (SOLANA, MY_SOLANA),
]


def a_claim(key: Key, author: Account, kind: int = Kind.NOTIFICATION, body: Any = None) -> Claim:
    body = a_body(kind, author) if body is None else body
    id_ = envelope_id(NETWORK, author, kind, body)
    return envelope_claim(author, kind, sign_envelope(key, NETWORK, kind, body, id_), body, id_)


def answer(claim: Claim) -> tuple[str, str] | None:
    refusal = verify_one(NETWORK, claim)
    return None if refusal is None else (str(refusal.reason), refusal.rule)


@pytest.mark.parametrize(("key", "author"), SIGNERS)
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.GRANT, Kind.NODE_BINDING)])
def test_signed_envelope_of_every_kind_holds(key: Key, author: Account, kind: Kind, rng: Random) -> None:
    for _ in range(3):
        assert answer(a_claim(key, author, kind, a_random_body(rng, kind, author))) is None


@pytest.mark.parametrize(("key", "author"), SIGNERS)
def test_a_grant_holds_by_the_accounts_own_key_and_never_by_a_session(key: Key, author: Account) -> None:
    expected = ("scheme-not-allowed", "5.2") if isinstance(key, SessionKey) else None
    assert answer(a_claim(key, author, Kind.GRANT)) == expected


@pytest.mark.parametrize(("key", "author"), SIGNERS)
def test_a_changed_envelope_batch_or_login_is_refused(key: Key, author: Account) -> None:
    claim = a_claim(key, author)
    changed = a_body(Kind.NOTIFICATION, author, title="Another title")
    statement = sign_batch(key, NETWORK, a_batch(author))
    login = sign_login(key, NETWORK, some_login_words(author))
    forged = [
        replace(claim, content=changed, subject=envelope_id(NETWORK, author, Kind.NOTIFICATION, changed)),
        statement_claim(NETWORK, replace(statement, count=41)),
        statement_claim(NETWORK, replace(statement, root=bytes(32))),
        login_claim(NETWORK, replace(login, nonce=bytes(32))),
        login_claim(NETWORK, replace(login, host="evil.example.org")),
    ]
    refusals = verify_claims(NETWORK, forged)
    assert [refusal and str(refusal.reason) for refusal in refusals] == ["bad-signature"] * len(forged)


@pytest.mark.parametrize(("key", "author"), SIGNERS)
def test_a_signature_for_one_network_is_refused_on_another(key: Key, author: Account) -> None:
    other = a_network(nonce=b"\x09" * 16)
    claim = a_claim(key, author)
    assert verify_one(NETWORK, claim) is None
    body = a_body(Kind.NOTIFICATION, author)
    refusal = verify_one(other, replace(claim, subject=envelope_id(other, author, claim.kind, body)))
    assert refusal is not None and refusal.reason == "bad-signature"


def test_a_signature_by_another_key_is_refused() -> None:
    assert answer(a_claim(OTHER_WALLET, ME)) == ("bad-signature", "5.3")
    assert answer(a_claim(WalletKey(OTHER_WALLET.secret, texts=True), ME)) == ("bad-signature", "5.6")
    assert answer(a_claim(SolanaKey(b"\x01" * 32), MY_SOLANA)) == ("bad-signature", "5.9")
    session = a_claim(SESSION, ME)
    wrong_key = replace(session, auth=replace(session.auth, key=ed25519.public_key(b"\x01" * 32)))
    assert answer(wrong_key) == ("bad-signature", "5.8")


def test_a_session_signature_binds_the_grant() -> None:
    claim = a_claim(SESSION, ME)
    assert answer(replace(claim, auth=replace(claim.auth, grant_id=b"\x76" * 32))) == ("bad-signature", "5.8")


def test_the_stated_chain_is_part_of_the_signature() -> None:
    claim = a_claim(WalletKey(WALLET.secret, chain_id=1), ME)
    for chain_id in (None, 10):
        assert answer(replace(claim, auth=replace(claim.auth, chain_id=chain_id))) == ("bad-signature", "5.3")


def test_the_work_nonce_is_not_part_of_the_signature() -> None:
    claim = a_claim(WALLET, ME)
    assert answer(replace(claim, auth=replace(claim.auth, work=99))) is None


def test_typed_and_text_signatures_are_no_substitute_for_each_other() -> None:
    typed, text = a_claim(WALLET, ME), a_claim(WalletKey(WALLET.secret, texts=True), ME)
    assert isinstance(typed.auth, Eip712) and isinstance(text.auth, Eip191)
    assert answer(replace(typed, auth=Eip191(typed.auth.signature, None))) == ("bad-signature", "5.6")
    assert answer(replace(text, auth=Eip712(None, text.auth.signature, None))) == ("bad-signature", "5.3")


def test_a_key_and_a_contract_of_one_address_are_two_authors() -> None:
    contract = contract_account(1, ME[1:])
    claim = a_claim(WALLET, contract)
    assert answer(claim) == ("scheme-not-allowed", "5.2")


@pytest.mark.parametrize("auth", [Erc1271(b"x", None), Erc6492(b"x", None)])
def test_a_contracts_signature_waits_for_its_chain(auth: Auth) -> None:
    contract = contract_account(1, bytes(20))
    body = a_body(Kind.TOPIC, contract)
    unavailable = ("chain-unavailable", "5.14")
    assert answer(envelope_claim(contract, Kind.TOPIC, auth, body, bytes(32))) == unavailable
    login = replace(sign_login(WALLET, NETWORK, some_login_words(ME)), account=contract, auth=auth)
    assert answer(login_claim(NETWORK, login)) == unavailable
    statement = replace(sign_batch(WALLET, NETWORK, a_batch(ME)), author=contract, auth=auth)
    assert answer(statement_claim(NETWORK, statement)) == ("scheme-not-allowed", "5.2")
    notification = a_body(Kind.NOTIFICATION, contract)
    claim = envelope_claim(contract, Kind.NOTIFICATION, auth, notification, bytes(32))
    assert answer(claim) == ("scheme-not-allowed", "5.2")


def test_an_account_logs_in_by_its_own_scheme_only() -> None:
    login = sign_login(WALLET, NETWORK, some_login_words(ME))
    solana = replace(login, account=MY_SOLANA)
    assert answer(login_claim(NETWORK, solana)) == ("scheme-not-allowed", "11.1")
    assert answer(login_claim(NETWORK, replace(login, auth=Solana(bytes(64), None)))) == ("scheme-not-allowed", "11.1")


def test_a_node_binding_needs_the_nodes_agreement_too() -> None:
    node_seed = b"\x77" * 32
    node_id, expires_at = ed25519.public_key(node_seed), a_body(Kind.NODE_BINDING, ME).expires_at

    def binding(signature: bytes) -> Claim:
        return a_claim(
            WALLET, ME, Kind.NODE_BINDING, a_body(Kind.NODE_BINDING, ME, node_id=node_id, signature=signature)
        )

    other = evm_account(bytes(20))
    assert answer(binding(sign_node_binding(node_seed, NETWORK, ME, expires_at))) is None
    wrong = [
        sign_node_binding(node_seed, NETWORK, ME, expires_at + 1),
        sign_node_binding(node_seed, NETWORK, other, expires_at),
        sign_node_binding(b"\x78" * 32, NETWORK, ME, expires_at),
        sign_node_binding(node_seed, a_network(nonce=bytes(16)), ME, expires_at),
        bytes(64),
    ]
    for signature in wrong:
        assert answer(binding(signature)) == ("bad-signature", "4.18")


def test_login_envelope_and_batch_signatures_do_not_stand_for_each_other() -> None:
    for key, author in SIGNERS:
        statement = sign_batch(key, NETWORK, a_batch(author))
        login = sign_login(key, NETWORK, some_login_words(author))
        envelope = a_claim(key, author)
        for auth in (statement.auth, login.auth):
            assert answer(replace(envelope, auth=auth)) is not None
        for auth in (envelope.auth, login.auth):
            assert answer(statement_claim(NETWORK, replace(statement, auth=auth))) is not None
        for auth in (envelope.auth, statement.auth):
            assert answer(login_claim(NETWORK, replace(login, auth=auth))) is not None


def test_answers_come_in_the_order_of_the_claims(rng: Random) -> None:
    claims, expected = [], []
    for _ in range(120):
        key, author = rng.choice(SIGNERS)
        good = rng.random() < 0.7
        claim = a_claim(key, author)
        claims.append(claim if good else replace(claim, subject=bytes(32)))
        expected.append(good)
    assert [refusal is None for refusal in verify_claims(NETWORK, claims)] == expected


def test_an_empty_list_has_no_answers() -> None:
    assert verify_claims(NETWORK, []) == []


def test_threads_give_the_answers_of_one_thread(rng: Random) -> None:
    lists = []
    for _ in range(8):
        pairs = [rng.choice(SIGNERS) for _ in range(16)]
        claims = [a_claim(key, author) for key, author in pairs]
        lists.append([claim if rng.random() < 0.8 else replace(claim, subject=bytes(32)) for claim in claims])
    alone = [[str(answer) for answer in verify_claims(NETWORK, claims)] for claims in lists]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda claims: [str(answer) for answer in verify_claims(NETWORK, claims)], lists))
    assert together == alone
    assert any("bad-signature" in text for texts in alone for text in texts)


def test_no_bytes_of_a_signature_make_it_raise(rng: Random) -> None:
    claim, solana = a_claim(WALLET, ME), a_claim(SOLANA, MY_SOLANA)
    for _ in range(300):
        work = None
        forms = [
            Eip712(rng.choice([None, 1, 2**53 - 1]), rng.randbytes(64) + bytes((rng.choice([0, 27, 28, 255]),)), work),
            Eip191(rng.randbytes(64) + b"\x1c", work),
            Session(rng.randbytes(32), rng.randbytes(32), rng.randbytes(64), work),
        ]
        for auth in forms:
            refusal = verify_one(NETWORK, replace(claim, auth=auth))
            assert refusal is not None and refusal.reason == "bad-signature"
        assert answer(replace(solana, auth=Solana(rng.randbytes(64), work))) == ("bad-signature", "5.9")


def test_a_kept_refusal_keeps_no_frames() -> None:
    no_point = (5).to_bytes(32, "big") + bytes(31) + b"\x01\x1b"
    no_key = replace(a_claim(WALLET, ME), auth=Eip191(no_point, None))
    for claim in (a_claim(OTHER_WALLET, ME), a_claim(SolanaKey(bytes(32)), MY_SOLANA), no_key):
        refusal = verify_one(NETWORK, claim)
        assert refusal is not None
        assert (refusal.__traceback__, refusal.__cause__, refusal.__context__) == (None, None, None)


def test_a_statement_of_every_signer_holds(rng: Random) -> None:
    for key, author in SIGNERS:
        for _ in range(5):
            statement = sign_batch(key, NETWORK, a_random_batch(rng, author))
            assert answer(statement_claim(NETWORK, statement)) is None
            moved = replace(statement, topic=Topic(author, "elsewhere"))
            assert answer(statement_claim(NETWORK, moved)) is not None


def test_verdicts_are_those_of_eth_account_at_a_fraction_of_its_time(rng: Random) -> None:
    """The times of one interleaved run are printed (pytest -rP shows them), not asserted."""
    bodies = [a_random_body(rng, Kind.NOTIFICATION, ME) for _ in range(40)]
    claims = [a_claim(rng.choice([WALLET, OTHER_WALLET]), ME, Kind.NOTIFICATION, body) for body in bodies]
    digests = [envelope_digest(NETWORK, None, c.kind, body, c.subject) for c, body in zip(claims, bodies, strict=True)]

    def theirs(claim: Claim, body: Any) -> bool:
        assert isinstance(claim.auth, Eip712)
        message = encode_typed_data(full_message=envelope_typed_data(NETWORK, None, claim.kind, body, claim.subject))
        address = EthAccount.recover_message(message, signature=claim.auth.signature)
        return evm_account(bytes.fromhex(address[2:])) == ME

    steps: dict[str, Callable[[int], object]] = {
        "digest": lambda n: envelope_digest(NETWORK, None, claims[n].kind, bodies[n], claims[n].subject),
        "recover": lambda n: recover_account(digests[n], claims[n].auth.signature),
        "verify": lambda n: verify_one(NETWORK, claims[n]) is None,
        "eth_account": lambda n: theirs(claims[n], bodies[n]),
    }
    best = dict.fromkeys(steps, float("inf"))
    answers: dict[str, list[object]] = {name: [] for name in steps}
    for number in range(len(claims)):
        for name, step in steps.items():
            for _ in range(5):
                start = perf_counter()
                value = step(number)
                best[name] = min(best[name], (perf_counter() - start) * 1e6)
            answers[name].append(value)
    assert answers["verify"] == answers["eth_account"]
    assert set(answers["verify"]) == {True, False}
    figures = ", ".join(f"{name} {time:.1f} us" for name, time in best.items())
    print(
        f"best time of one notification: {figures}; eth_account / verify = {best['eth_account'] / best['verify']:.1f}"
    )
