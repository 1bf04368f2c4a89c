from random import Random

import pytest
from eth_account import Account as EthAccount
from eth_account.messages import encode_defunct

from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.auth.eip191 import batch_text, envelope_text, login_text, personal_digest
from pushmesh_protocol.auth.members import ENVELOPE_TYPES
from pushmesh_protocol.auth.secp256k1 import recover_account, sign
from pushmesh_protocol.hashing import keccak256
from pushmesh_protocol.kinds import Kind
from support.bodies import a_body, a_network, a_random_body, envelope_id
from support.signed_things import a_batch, a_random_batch, random_login_words, some_login_words

NETWORK = a_network()
SECRET = b"\x52" * 32
AUTHOR = evm_account(bytes.fromhex(EthAccount.from_key(SECRET).address[2:]))
OWNER = "eip155:1:0x" + AUTHOR[1:].hex()


def agree_with_eth_account(text: str) -> None:
    message = encode_defunct(text=text)
    digest = personal_digest(text)
    assert digest == keccak256(b"\x19" + message.version + message.header + message.body)
    assert EthAccount.recover_message(message, signature=sign(SECRET, digest))[2:].lower() == AUTHOR[1:].hex()
    theirs = EthAccount.sign_message(message, SECRET).signature
    assert recover_account(digest, bytes(theirs)) == AUTHOR


@pytest.mark.parametrize("kind", list(Kind))
def test_envelope_texts_are_signed_as_eth_account_signs_them(kind: Kind, rng: Random) -> None:
    for _ in range(15):
        body = a_random_body(rng, kind, AUTHOR)
        agree_with_eth_account(envelope_text(NETWORK, kind, body, envelope_id(NETWORK, AUTHOR, kind, body)))


def test_batch_and_login_texts_are_signed_as_eth_account_signs_them(rng: Random) -> None:
    for _ in range(20):
        agree_with_eth_account(batch_text(NETWORK, a_random_batch(rng, AUTHOR)))
        agree_with_eth_account(login_text(NETWORK, random_login_words(rng)))


def test_a_subscription_reads_like_this() -> None:
    body = a_body(Kind.SUBSCRIPTION, AUTHOR, receipts=True)
    assert envelope_text(NETWORK, Kind.SUBSCRIPTION, body, b"\xfe" * 32) == (
        "pushmesh 1 Subscription\n"
        f"network: test:{NETWORK.id.hex()}\n"
        f"topic: {OWNER}/alerts\n"
        "state: on\n"
        f"settingsHash: 0x{'00' * 32}\n"
        "receipts: true\n"
        f"id: 0x{'fe' * 32}"
    )


def test_a_batch_and_a_login_read_like_this() -> None:
    assert batch_text(NETWORK, a_batch(AUTHOR)) == (
        "pushmesh 1 Batch\n"
        f"network: test:{NETWORK.id.hex()}\n"
        f"author: {OWNER}\n"
        "kind: notification\n"
        f"topic: {OWNER}/alerts\n"
        "epoch: 25000\n"
        "firstSeq: 100\n"
        "count: 40\n"
        "expires: 2026-09-22T14:13:20.123Z\n"
        f"root: 0x{'0e' * 32}"
    )
    assert login_text(NETWORK, some_login_words(AUTHOR)) == (
        "pushmesh 1 LogIn\n"
        f"networkId: 0x{NETWORK.id.hex()}\n"
        f"node: 0x{'0d' * 32}\n"
        "host: node.example.org\n"
        f"account: {OWNER}\n"
        f"nonce: 0x{'0f' * 32}\n"
        "issuedAt: 2026-09-21T14:13:20.123Z\n"
        "purpose: inbox"
    )


def test_no_value_can_add_a_line(rng: Random) -> None:
    for body_text in ["a\nid: 0x00", "tab\there", "back\\nslash", "\r", "\\\n\\"]:
        body = a_body(Kind.NOTIFICATION, AUTHOR, body=body_text)
        text = envelope_text(NETWORK, Kind.NOTIFICATION, body, bytes(32))
        lines = text.splitlines()
        assert len(lines) == 1 + len(ENVELOPE_TYPES[Kind.NOTIFICATION].members)
        line = next(line for line in lines if line.startswith("body: "))
        unescaped = line.removeprefix("body: ").encode().decode("unicode_escape")
        assert unescaped == body_text


def test_two_bodies_never_share_a_text(rng: Random) -> None:
    texts = ["\n", "\\n", "\\\n", "\\\\n", "n", "\t", "\\t"]
    shown = {envelope_text(NETWORK, 5, a_body(5, AUTHOR, body=text), bytes(32)) for text in texts}
    assert len(shown) == len(texts)


def test_length_in_the_prefix_counts_bytes() -> None:
    assert personal_digest("ü") == keccak256(b"\x19Ethereum Signed Message:\n2\xc3\xbc")
