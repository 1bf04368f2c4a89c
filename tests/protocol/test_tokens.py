from typing import Any

import pytest
from msgspec.structs import replace

from pushmesh_protocol.accounts import Topic, evm_account
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.tokens import Token, TokenScope, TokenWords, check_token, format_token, parse_token, sign_token
from pushmesh_protocol.types import Account
from support.bodies import ISSUED_AT, a_network
from support.refusals import refusal_of

NETWORK = a_network()
SEED, GRANT, NODE_ID = b"\x81" * 32, b"\x82" * 32, b"\x83" * 32
ME = evm_account(b"\x84" * 20)
WORDS = TokenWords(NODE_ID, ME, [TokenScope.READ, TokenScope.PUBLISH], None, ISSUED_AT + DAY_MS, b"\x85" * 16)


def a_token(**changes: Any) -> Token:
    return sign_token(SEED, GRANT, NETWORK, replace(WORDS, **changes))


def check(token: Token, now_ms: int = ISSUED_AT) -> None:
    check_token(NETWORK, token, node_id=NODE_ID, now_ms=now_ms)


def wrong_member(token: Token, now_ms: int = ISSUED_AT) -> str:
    with pytest.raises(Refusal) as caught:
        check(token, now_ms)
    assert (caught.value.reason, caught.value.rule) == ("bad-token", "11.3")
    return caught.value.detail


@pytest.mark.parametrize(
    "changes", [{}, {"scopes": [1]}, {"scopes": [2]}, {"topics": [Topic(ME, "a"), Topic(ME, "b")]}]
)
def test_signed_token_passes_and_survives_its_text(changes: dict[str, Any]) -> None:
    token = a_token(**changes)
    check(token)
    assert token.key == public_key(SEED)
    assert parse_token(format_token(token)) == token


def test_layout_is_that_of_the_specification() -> None:
    token = a_token(topics=[Topic(ME, "a")])
    said = [1, NODE_ID, ME, [1, 2], [[ME, "a"]], ISSUED_AT + DAY_MS, b"\x85" * 16]
    assert from_text(format_token(token)) == pack([*said, public_key(SEED), GRANT, token.signature])


def test_token_for_another_node_is_refused() -> None:
    assert wrong_member(a_token(node_id=bytes(32))) == "node id"


def test_token_ends_and_lives_thirty_days_at_most() -> None:
    token = a_token()
    check(token, token.expires_at - 1)
    assert wrong_member(token, token.expires_at) == "expires-at"
    check(token, token.expires_at - 30 * DAY_MS)
    assert wrong_member(token, token.expires_at - 30 * DAY_MS - 1) == "expires-at"


@pytest.mark.parametrize(
    "changes",
    [
        {"account": evm_account(bytes(20))},
        {"scopes": [1]},
        {"topics": [Topic(ME, "a")]},
        {"expires_at": ISSUED_AT + 2 * DAY_MS},
        {"random": bytes(16)},
        {"key": public_key(bytes(32))},
        {"grant_id": bytes(32)},
        {"signature": bytes(64)},
    ],
)
def test_changed_token_is_refused(changes: dict[str, Any]) -> None:
    assert wrong_member(replace(a_token(), **changes)) == "signature"


def test_token_of_another_network_is_refused() -> None:
    token = sign_token(SEED, GRANT, a_network(nonce=bytes(16)), WORDS)
    assert wrong_member(token) == "signature"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"account": Account(b"")}, "2.1"),
        ({"scopes": [2, 1]}, "11.3"),
        ({"scopes": [1, 1]}, "11.3"),
        ({"scopes": [3]}, "11.3"),
        ({"scopes": [0]}, "11.3"),
        ({"topics": [Topic(ME, "b"), Topic(ME, "a")]}, "11.3"),
        ({"topics": [Topic(ME, "B")]}, "2.3"),
        ({"topics": [Topic(b"", "b")]}, "2.1"),
    ],
)
def test_token_of_another_shape_is_malformed(changes: dict[str, Any], rule: str) -> None:
    assert refusal_of(check, a_token(**changes)) == ("malformed", rule)


@pytest.mark.parametrize(
    "changes", [{"scopes": []}, {"scopes": [1, 2, 3]}, {"topics": []}, {"random": bytes(15)}, {"expires_at": -1}]
)
def test_token_out_of_bounds_does_not_decode(changes: dict[str, Any]) -> None:
    assert refusal_of(parse_token, to_text(pack(replace(a_token(), **changes)))) == ("malformed", "3.1")
