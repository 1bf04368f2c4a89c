import pytest

from pushmesh_protocol.accounts import evm_account, solana_account
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.auth.schemes import Eip191, Eip712, Session, Solana
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
from pushmesh_protocol.auth.verify import envelope_claim, login_claim, statement_claim, verify_claims
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import Account
from support.bodies import a_body, a_network, envelope_id
from support.signed_things import a_batch, some_login_words

NETWORK = a_network()
WALLET, SOLANA = WalletKey(b"\x61" * 32), SolanaKey(b"\x62" * 32)
SESSION = SessionKey(b"\x63" * 32, b"\x64" * 32)
KEYS: list[tuple[Key, Account, type]] = [
    (WALLET, account_of(WALLET), Eip712),
    (WalletKey(WALLET.secret, chain_id=8453), account_of(WALLET), Eip712),
    (WalletKey(WALLET.secret, texts=True), account_of(WALLET), Eip191),
    (SESSION, account_of(WALLET), Session),
    (SOLANA, account_of(SOLANA), Solana),
]


@pytest.mark.parametrize(("key", "author", "scheme"), KEYS)
def test_what_a_key_signs_verifies_as_its_own_scheme(key: Key, author: Account, scheme: type) -> None:
    body = a_body(Kind.NOTIFICATION, author)
    id_ = envelope_id(NETWORK, author, Kind.NOTIFICATION, body)
    auth = sign_envelope(key, NETWORK, Kind.NOTIFICATION, body, id_, work=77)
    statement = sign_batch(key, NETWORK, a_batch(author), work=78)
    login = sign_login(key, NETWORK, some_login_words(author))
    assert (type(auth), type(statement.auth), type(login.auth)) == (scheme, scheme, scheme)
    assert (auth.work, statement.auth.work, login.auth.work) == (77, 78, None)
    claims = [
        envelope_claim(author, Kind.NOTIFICATION, auth, body, id_),
        statement_claim(NETWORK, statement),
        login_claim(NETWORK, login),
    ]
    assert verify_claims(NETWORK, claims) == [None, None, None]


def test_statement_and_login_say_what_was_given() -> None:
    author = account_of(WALLET)
    batch, words = a_batch(author), some_login_words(author)
    statement, login = sign_batch(WALLET, NETWORK, batch), sign_login(WALLET, NETWORK, words)
    assert all(getattr(statement, name) == getattr(batch, name) for name in batch.__struct_fields__)
    assert all(getattr(login, name) == getattr(words, name) for name in words.__struct_fields__)


def test_accounts_of_keys() -> None:
    # the address of this secret is known from Ethereum's own documentation of EIP-155
    assert account_of(WalletKey(b"\x46" * 32)) == evm_account(bytes.fromhex("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"))
    assert account_of(SOLANA) == solana_account(public_key(SOLANA.seed))


@pytest.mark.parametrize("key", [WALLET, SESSION, SOLANA])
def test_a_key_does_not_show_its_secret(key: Key) -> None:
    secret = key.secret if isinstance(key, WalletKey) else key.seed
    assert repr(secret) not in repr(key)
    assert secret.hex() not in repr(key)


def test_a_node_agrees_to_one_author_until_one_time() -> None:
    author, seed = account_of(WALLET), b"\x65" * 32
    plain = a_body(Kind.NODE_BINDING, author)
    signature = sign_node_binding(seed, NETWORK, author, plain.expires_at)
    body = a_body(Kind.NODE_BINDING, author, node_id=public_key(seed), signature=signature)
    id_ = envelope_id(NETWORK, author, Kind.NODE_BINDING, body)
    auth = sign_envelope(WALLET, NETWORK, Kind.NODE_BINDING, body, id_)
    assert verify_claims(NETWORK, [envelope_claim(author, Kind.NODE_BINDING, auth, body, id_)]) == [None]
