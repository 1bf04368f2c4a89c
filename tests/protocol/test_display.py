import json
from random import Random
from typing import Any

import pytest

from pushmesh_protocol.accounts import Topic, display_account, evm_account
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.auth.schemes import Eip191, Eip712, Session
from pushmesh_protocol.auth.signing import SessionKey, sign_batch
from pushmesh_protocol.checks import check_item, check_leaf
from pushmesh_protocol.codec import pack
from pushmesh_protocol.display import auth_json, body_json, envelope_json, kind_text, statement_json
from pushmesh_protocol.kinds import Grant, Kind, Notification, Preference, Sealed, SealedBox, Setting, SettingChoice
from support.bodies import ISSUED_AT, a_body, a_network, a_random_body, an_account
from support.signed_things import a_batch

NETWORK = a_network()
AUTHOR = evm_account(b"\x10" * 20)
AUTHOR_TEXT = "eip155:1:0x" + "10" * 20
SIGNATURE = b"\x20" * 65
NOTICE = a_body(Kind.NOTIFICATION, AUTHOR)


def an_envelope(**changes: Any) -> Any:
    body = a_body(Kind.NOTIFICATION, AUTHOR, **changes)
    return check_item(NETWORK, Kind.NOTIFICATION, AUTHOR, pack(body), Eip712(None, SIGNATURE, None))


def test_an_envelope_is_shown_whole() -> None:
    envelope = an_envelope()
    assert envelope_json(envelope) == {
        "id": envelope.id.hex(),
        "kind": "notification",
        "author": AUTHOR_TEXT,
        "fields": {
            "issued_at": ISSUED_AT,
            "seq": 7,
            "expires_at": ISSUED_AT + 86_400_000,
            "topic": AUTHOR_TEXT + "/alerts",
            "title": "Loan at risk",
            "body": "Repay or add collateral.",
            "priority": 3,
            **dict.fromkeys(["audience", "url", "actions", "category", "collapse", "not_before", "language"]),
            **dict.fromkeys(["thread", "origin", "sealed"]),
        },
        "auth": {"scheme": "eip712", "chain_id": None, "signature": "20" * 65, "work": None},
        "cost": 1,
        "body": to_text(envelope.body_bytes),
    }


def test_the_signed_bytes_can_be_left_out() -> None:
    assert "body" not in envelope_json(an_envelope(), signed=False)


def test_a_leaf_shows_its_statement_and_its_place() -> None:
    key = SessionKey(b"\x01" * 32, b"\x02" * 32)
    epoch = NETWORK.epoch(ISSUED_AT)
    statement = sign_batch(key, NETWORK, a_batch(AUTHOR, epoch=epoch, first_seq=2**31, count=9))
    leaf = check_leaf(NETWORK, statement, 4, pack(a_body(Kind.NOTIFICATION, AUTHOR, seq=2**31 + 4)))
    shown = envelope_json(leaf)
    assert shown["index"] == 4
    assert shown["statement"] == statement_json(statement)
    assert shown["statement"]["topic"] == AUTHOR_TEXT + "/alerts"
    assert shown["statement"]["kind"] == "notification"
    assert shown["statement"]["root"] == "0e" * 32
    assert shown["auth"] == shown["statement"]["auth"]
    assert shown["auth"]["scheme"] == "session"


def test_accounts_ids_and_binary_have_their_own_forms() -> None:
    other = evm_account(b"\x99" * 20)
    sealed = Sealed(b"\xff" * 24, b"\x01\x02", [SealedBox(b"\x03" * 32, b"\x04" * 80)])
    body: Notification = a_body(
        Kind.NOTIFICATION, AUTHOR, audience=[other], thread=b"\x05" * 16, origin=b"\x06" * 32, sealed=sealed
    )
    shown = body_json(body)
    assert shown["audience"] == [display_account(other)]
    assert shown["thread"] == "05" * 16
    assert shown["origin"] == "06" * 32
    assert shown["sealed"]["nonce"] == "_" * 32
    assert from_text(shown["sealed"]["ciphertext"]) == b"\x01\x02"
    assert shown["sealed"]["boxes"][0]["seal_key"] == "03" * 32
    assert from_text(shown["sealed"]["boxes"][0]["box"]) == b"\x04" * 80


def test_numbers_that_mean_names_are_shown_as_names() -> None:
    topic = Topic(AUTHOR, "alerts")
    grant: Grant = a_body(Kind.GRANT, AUTHOR, scopes=[5, 128, 130], topics=[topic])
    assert body_json(grant)["scopes"] == ["notification", "login", "voucher"]
    assert body_json(grant)["topics"] == [AUTHOR_TEXT + "/alerts"]
    assert body_json(a_body(Kind.RETRACTION, AUTHOR, mode=2))["mode"] == "cancel"
    setting = Setting("price", 1, "Price", 5, 0, 9)
    shown = body_json(a_body(Kind.TOPIC, AUTHOR, icon=b"\xff\xd8", settings=[setting]))
    assert shown["icon"] == "_9g"
    assert shown["settings"] == [
        {"slug": "price", "kind": "range", "title": "Price", "default": 5, "low": 0, "high": 9}
    ]
    chosen = [SettingChoice("price", -7)]
    assert body_json(a_body(Kind.SUBSCRIPTION, AUTHOR, settings=chosen))["settings"] == {"price": -7}
    entries = [Preference(1, AUTHOR), Preference(3, topic)]
    assert body_json(a_body(Kind.PREFERENCES, AUTHOR, entries=entries))["entries"] == [
        {"action": "allow", "subject": AUTHOR_TEXT},
        {"action": "deny", "subject": AUTHOR_TEXT + "/alerts"},
    ]
    assert kind_text(Kind.NODE_BINDING) == "node_binding"
    assert kind_text(99) == 99


def test_each_scheme_is_shown_under_its_name() -> None:
    assert auth_json(Eip191(SIGNATURE, 7)) == {"scheme": "eip191", "signature": "20" * 65, "work": 7}
    assert auth_json(Session(b"\x01" * 32, b"\x02" * 32, b"\x03" * 64, None)) == {
        "scheme": "session",
        "key": "01" * 32,
        "grant_id": "02" * 32,
        "signature": "03" * 64,
        "work": None,
    }


def test_a_nonce_that_javascript_cannot_hold_is_text() -> None:
    assert auth_json(Eip191(SIGNATURE, 2**53 - 1))["work"] == 2**53 - 1
    for nonce in (2**53, 2**64 - 1):
        assert auth_json(Eip191(SIGNATURE, nonce))["work"] == str(nonce)


@pytest.mark.parametrize("kind", list(Kind))
def test_any_body_of_any_kind_is_json_ready(kind: Kind, rng: Random) -> None:
    for _ in range(30):
        author = an_account(rng)
        body = a_random_body(rng, kind, author)
        shown = body_json(body)
        assert json.loads(json.dumps(shown)) == shown
        assert shown.keys() == set(type(body).__struct_fields__)
