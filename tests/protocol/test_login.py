from typing import Any

import pytest
from msgspec.structs import replace

from pushmesh_protocol.accounts import contract_account
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.auth.schemes import Solana
from pushmesh_protocol.auth.signing import SessionKey, WalletKey, account_of, sign_login
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.hashing import hash_statement, u64
from pushmesh_protocol.login import LogIn, check_login, format_login, login_hash, parse_login
from pushmesh_protocol.types import Account
from support.bodies import ISSUED_AT, a_network
from support.refusals import refusal_of
from support.signed_things import HOST, NODE_ID, some_login_words

NETWORK = a_network()
WALLET = WalletKey(b"\x21" * 32)
ME = account_of(WALLET)
LOGIN = sign_login(WALLET, NETWORK, some_login_words(ME))


def check(login: LogIn, now_ms: int = ISSUED_AT, hosts: tuple[str, ...] = ("localhost", HOST)) -> None:
    check_login(login, node_id=NODE_ID, hosts=hosts, now_ms=now_ms)


def wrong_member(login: LogIn, **changes: Any) -> str:
    with pytest.raises(Refusal) as caught:
        check(login, **changes)
    assert (caught.value.reason, caught.value.rule) == ("bad-login", "11.2")
    return caught.value.detail


def test_login_to_this_node_and_host_in_time_passes() -> None:
    check(LOGIN)
    check(sign_login(SessionKey(b"\x22" * 32, b"\x23" * 32), NETWORK, some_login_words(ME)))


def test_login_for_another_node_is_refused() -> None:
    assert wrong_member(replace(LOGIN, node_id=bytes(32))) == "node id"


@pytest.mark.parametrize("host", ["evil.example.org", "node.example.org.", "NODE.example.org", "node.example.org:443"])
def test_login_for_a_host_that_the_node_does_not_answer_to_is_refused(host: str) -> None:
    assert wrong_member(replace(LOGIN, host=host)) == "host"


@pytest.mark.parametrize("away", [-300_000, 0, 300_000])
def test_login_within_five_minutes_either_way_passes(away: int) -> None:
    check(LOGIN, now_ms=ISSUED_AT + away)


@pytest.mark.parametrize("away", [-300_001, 300_001])
def test_login_more_than_five_minutes_away_is_refused(away: int) -> None:
    assert wrong_member(LOGIN, now_ms=ISSUED_AT + away) == "issued-at"


def test_account_text_and_scheme_must_be_well_formed() -> None:
    assert refusal_of(check, replace(LOGIN, account=Account(b"\x00"))) == ("malformed", "2.1")
    assert refusal_of(check, replace(LOGIN, purpose="a\nb")) == ("malformed", "3.3")
    assert refusal_of(check, replace(LOGIN, host="a\u202eb")) == ("malformed", "3.3")
    assert refusal_of(check, replace(LOGIN, auth=Solana(bytes(64), None))) == ("scheme-not-allowed", "11.1")
    assert refusal_of(check, replace(LOGIN, account=contract_account(1, bytes(20)))) == ("scheme-not-allowed", "11.1")


def test_hash_covers_network_and_every_member() -> None:
    words = some_login_words(ME)
    assert login_hash(NETWORK, words) == hash_statement(
        "login", NETWORK.id, NODE_ID, HOST.encode(), ME, words.nonce, u64(ISSUED_AT), b"inbox"
    )
    assert login_hash(NETWORK, LOGIN) == login_hash(NETWORK, words)
    assert login_hash(a_network(nonce=bytes(16)), words) != login_hash(NETWORK, words)


def test_login_survives_its_header() -> None:
    assert parse_login(format_login(LOGIN)) == LOGIN


def test_layout_is_that_of_the_specification() -> None:
    auth = [1, None, LOGIN.auth.signature, None]
    assert from_text(format_login(LOGIN)) == pack([1, NODE_ID, HOST, ME, b"\x0f" * 32, ISSUED_AT, "inbox", auth])


@pytest.mark.parametrize(
    "form",
    [
        [2, NODE_ID, HOST, ME, bytes(32), ISSUED_AT, "inbox", LOGIN.auth],
        [1, NODE_ID, "", ME, bytes(32), ISSUED_AT, "inbox", LOGIN.auth],
        [1, NODE_ID, "h" * 256, ME, bytes(32), ISSUED_AT, "inbox", LOGIN.auth],
        [1, NODE_ID, HOST, ME, bytes(31), ISSUED_AT, "inbox", LOGIN.auth],
        [1, NODE_ID, HOST, ME, bytes(32), -1, "inbox", LOGIN.auth],
        [1, NODE_ID, HOST, ME, bytes(32), ISSUED_AT, "p" * 65, LOGIN.auth],
        [1, NODE_ID, HOST, ME, bytes(32), ISSUED_AT, "inbox"],
        [1, NODE_ID, HOST, ME, bytes(32), ISSUED_AT, "inbox", LOGIN.auth, None],
    ],
)
def test_other_layouts_are_refused(form: list[object]) -> None:
    assert refusal_of(parse_login, to_text(pack(form))) == ("malformed", "3.1")
