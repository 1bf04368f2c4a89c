from random import Random
from typing import Any

import pytest
from eth_account import Account as EthAccount
from eth_account.messages import SignableMessage, encode_typed_data
from msgspec.structs import replace

from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.auth.eip712 import (
    batch_digest,
    batch_typed_data,
    envelope_digest,
    envelope_typed_data,
    login_digest,
    login_typed_data,
)
from pushmesh_protocol.auth.secp256k1 import recover_account, sign
from pushmesh_protocol.hashing import keccak256
from pushmesh_protocol.kinds import Kind
from support.bodies import a_body, a_network, a_random_body, envelope_id
from support.signed_things import a_batch, a_random_batch, random_login_words, some_login_words

NETWORK = a_network()
SECRET = b"\x51" * 32
AUTHOR = evm_account(bytes.fromhex(EthAccount.from_key(SECRET).address[2:]))
CHAINS = [None, 1, 8453, 2**53 - 1]


def agree_with_eth_account(typed_data: dict[str, Any], digest: bytes) -> None:
    message: SignableMessage = encode_typed_data(full_message=typed_data)
    assert digest == keccak256(b"\x19" + message.version + message.header + message.body)
    assert evm_account(bytes.fromhex(EthAccount.recover_message(message, signature=sign(SECRET, digest))[2:])) == AUTHOR
    theirs = EthAccount.sign_typed_data(SECRET, full_message=typed_data).signature
    assert recover_account(digest, bytes(theirs)) == AUTHOR


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("chain_id", CHAINS)
def test_envelope_digests_and_signers_are_those_of_eth_account(kind: Kind, chain_id: int | None, rng: Random) -> None:
    for _ in range(8):
        body = a_random_body(rng, kind, AUTHOR)
        of = (NETWORK, chain_id, kind, body, envelope_id(NETWORK, AUTHOR, kind, body))
        agree_with_eth_account(envelope_typed_data(*of), envelope_digest(*of))


@pytest.mark.parametrize("chain_id", CHAINS)
def test_batch_digests_are_those_of_eth_account(chain_id: int | None, rng: Random) -> None:
    for _ in range(20):
        batch = a_random_batch(rng, AUTHOR)
        agree_with_eth_account(batch_typed_data(NETWORK, chain_id, batch), batch_digest(NETWORK, chain_id, batch))


@pytest.mark.parametrize("chain_id", CHAINS)
def test_login_digests_are_those_of_eth_account(chain_id: int | None, rng: Random) -> None:
    for _ in range(20):
        words = random_login_words(rng)
        agree_with_eth_account(login_typed_data(NETWORK, chain_id, words), login_digest(NETWORK, chain_id, words))


def test_chain_network_kind_body_and_id_each_change_the_digest() -> None:
    body = a_body(Kind.RETRACTION, AUTHOR)
    digests = {
        envelope_digest(NETWORK, None, Kind.RETRACTION, body, b"\x01" * 32),
        envelope_digest(NETWORK, 1, Kind.RETRACTION, body, b"\x01" * 32),
        envelope_digest(NETWORK, 10, Kind.RETRACTION, body, b"\x01" * 32),
        envelope_digest(a_network(nonce=b"\x02" * 16), None, Kind.RETRACTION, body, b"\x01" * 32),
        envelope_digest(NETWORK, None, Kind.RETRACTION, a_body(Kind.RETRACTION, AUTHOR, mode=2), b"\x01" * 32),
        envelope_digest(NETWORK, None, Kind.RETRACTION, body, b"\x02" * 32),
    }
    assert len(digests) == 6


def test_every_member_of_batch_and_login_changes_the_digest() -> None:
    batch, words = a_batch(AUTHOR), some_login_words(AUTHOR)
    other = evm_account(bytes(20))
    batch_changes: list[dict[str, Any]] = [
        {"author": other},
        {"kind": Kind.RETRACTION},
        {"topic": a_batch(other).topic},
        {"epoch": 1},
        {"first_seq": 1},
        {"count": 1},
        {"expires_at": 1},
        {"root": bytes(32)},
    ]
    assert {name for change in batch_changes for name in change} == set(batch.__struct_fields__)
    digests = {batch_digest(NETWORK, None, replace(batch, **change)) for change in batch_changes}
    assert len(digests | {batch_digest(NETWORK, None, batch)}) == len(batch_changes) + 1
    login_changes: list[dict[str, Any]] = [
        {"node_id": bytes(32)},
        {"host": "other.example.org"},
        {"account": other},
        {"nonce": bytes(32)},
        {"issued_at": 1},
        {"purpose": "other"},
    ]
    assert {name for change in login_changes for name in change} == set(words.__struct_fields__)
    digests = {login_digest(NETWORK, None, replace(words, **change)) for change in login_changes}
    assert len(digests | {login_digest(NETWORK, None, words)}) == len(login_changes) + 1


def test_typed_data_names_its_domain_with_the_chain_only_where_there_is_one() -> None:
    body = a_body(Kind.TOPIC, AUTHOR)
    assert envelope_typed_data(NETWORK, None, Kind.TOPIC, body, bytes(32))["domain"] == {
        "name": "pushmesh",
        "version": "1",
    }
    with_chain = envelope_typed_data(NETWORK, 5, Kind.TOPIC, body, bytes(32))
    assert with_chain["domain"] == {"name": "pushmesh", "version": "1", "chainId": 5}
    assert with_chain["types"]["EIP712Domain"][-1] == {"name": "chainId", "type": "uint256"}
    assert with_chain["primaryType"] == "Topic"
    assert with_chain["message"]["id"] == "0x" + "00" * 32
