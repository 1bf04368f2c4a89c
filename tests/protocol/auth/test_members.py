from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

import pytest

from pushmesh_protocol.accounts import Topic, contract_account, display_account, evm_account
from pushmesh_protocol.auth.members import (
    BATCH,
    ENVELOPE_TYPES,
    LOGIN,
    ZERO,
    PrimaryType,
    batch_members,
    envelope_members,
    format_time,
    login_members,
)
from pushmesh_protocol.auth.statement import Batch
from pushmesh_protocol.codec import pack
from pushmesh_protocol.kinds import Action, Kind, Preference, Scope, Sealed, SealedBox, SettingChoice
from pushmesh_protocol.login import LogInWords
from support.bodies import ISSUED_AT, WALLET_RANGE, a_body, a_network
from support.tree import ROOT

NETWORK = a_network()
AUTHOR = evm_account(b"\xab" * 20)
ID = b"\x99" * 32
TOPIC_TEXT = "eip155:1:0x" + "ab" * 20 + "/alerts"
NETWORK_TEXT = "test:" + NETWORK.id.hex()


def shown(kind: int, **changes: Any) -> dict[str, Any]:
    values = envelope_members(NETWORK, kind, a_body(kind, AUTHOR, **changes), ID)
    return {name: value for (_, name), value in zip(ENVELOPE_TYPES[kind].members, values, strict=True)}


def test_types_are_those_of_the_specification() -> None:
    text = (ROOT / "protocol" / "SPEC.md").read_text()
    rule = next(line for line in text.split("- **") if line.startswith("5.4**"))
    written = {line.partition("`")[0] for line in rule.replace("\n", "").split("`") if line.endswith(")")}

    def short(primary: PrimaryType) -> str:
        members = ",".join(name if kind == "string" else f"{kind} {name}" for kind, name in primary.members)
        return f"{primary.name}({members})"

    assert written == {short(primary) for primary in (*ENVELOPE_TYPES.values(), BATCH, LOGIN)}


def test_every_kind_has_a_type_that_ends_in_the_id() -> None:
    assert set(ENVELOPE_TYPES) == set(Kind)
    for kind, primary in ENVELOPE_TYPES.items():
        assert primary.members[-1] == ("bytes32", "id")
        assert shown(kind)["id"] == ID
        assert shown(kind)["network"] == NETWORK_TEXT


def test_times_are_rfc_3339_with_milliseconds(rng: Random) -> None:
    assert format_time(0) == "1970-01-01T00:00:00.000Z"
    assert format_time(1_767_323_045_006) == "2026-01-02T03:04:05.006Z"
    assert format_time(253_402_300_799_999) == "9999-12-31T23:59:59.999Z"
    for _ in range(500):
        time_ms = rng.randrange(253_402_300_800_000)
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
        assert format_time(time_ms) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_absent_texts_are_empty_and_absent_lists_zero() -> None:
    bare = shown(Kind.NOTIFICATION, title=None)
    assert (bare["title"], bare["url"]) == ("", "")
    assert bare["audienceCount"] == 0
    assert bare["audienceHash"] == bare["actionsHash"] == bare["sealedHash"] == ZERO
    assert shown(Kind.SUBSCRIPTION)["settingsHash"] == ZERO
    assert shown(Kind.GRANT)["sealKey"] == ZERO
    assert shown(Kind.RETRACTION)["replacement"] == ZERO


def test_lists_are_shown_as_count_and_hash() -> None:
    audience = [bytes(AUTHOR), bytes(contract_account(1, b"\x01" * 20))]
    actions = [Action("Repay", "https://example.org")]
    body = shown(Kind.NOTIFICATION, audience=audience, actions=actions)
    assert body["audienceCount"] == 2
    assert body["audienceHash"] == sha256(pack(audience)).digest()
    assert body["actionsHash"] == sha256(b"\x91\x92\xa5Repay\xb3https://example.org").digest()
    choices = [SettingChoice("a", 5)]
    assert shown(Kind.SUBSCRIPTION, settings=choices)["settingsHash"] == sha256(b"\x91\x92\xa1a\x05").digest()
    assert shown(Kind.TOPIC, icon=b"png")["contentHash"] == sha256(b"\x93\xc4\x03png\xc0\xc0").digest()
    entries = [Preference(1, bytes(AUTHOR))]
    assert shown(Kind.PREFERENCES, entries=entries)["entriesHash"] == sha256(pack([[1, AUTHOR]])).digest()
    assert shown(Kind.PREFERENCES)["entriesHash"] == sha256(b"\x90").digest()


def test_a_grant_shows_its_scopes_and_topics_in_words() -> None:
    scopes = [int(Scope.TOPIC), int(Scope.NODE_BINDING), int(Scope.LOGIN)]
    topics = [Topic(AUTHOR, "alerts"), Topic(AUTHOR, "news")]
    grant = shown(Kind.GRANT, scopes=scopes, topics=topics, seal_key=b"\x77" * 32)
    assert grant["kinds"] == "topic, node_binding, login"
    assert grant["topics"] == f"{TOPIC_TEXT}, eip155:1:0x{'ab' * 20}/news"
    assert (grant["firstSeq"], grant["endSeq"]) == (WALLET_RANGE, WALLET_RANGE + 1000)
    assert grant["sealKey"] == b"\x77" * 32
    assert grant["notBefore"] == format_time(ISSUED_AT)
    assert shown(Kind.GRANT)["topics"] == "all"


EXPIRES_TEXT = "2026-09-22T14:13:20.123Z"
SEALED = Sealed(b"n" * 24, b"c", [SealedBox(b"k" * 32, b"b" * 80)])
WHOLE: list[tuple[int, dict[str, Any], dict[str, Any]]] = [
    (
        Kind.NOTIFICATION,
        {"url": "https://a", "audience": [bytes(AUTHOR)], "sealed": SEALED, "actions": [Action("A", "ipfs://a")]},
        {
            "topic": TOPIC_TEXT,
            "title": "Loan at risk",
            "body": "Repay or add collateral.",
            "url": "https://a",
            "expires": EXPIRES_TEXT,
            "audienceCount": 1,
            "audienceHash": sha256(b"\x91\xc4\x15" + AUTHOR).digest(),
            "actionsHash": sha256(b"\x91\x92\xa1A\xa8ipfs://a").digest(),
            "sealedHash": sha256(pack([b"n" * 24, b"c", [[b"k" * 32, b"b" * 80]]])).digest(),
        },
    ),
    (
        Kind.TOPIC,
        {"description": "What it is", "icon": b"png"},
        {
            "topic": TOPIC_TEXT,
            "title": "Alerts",
            "description": "What it is",
            "contentHash": sha256(b"\x93\xc4\x03png\xc0\xc0").digest(),
        },
    ),
    (
        Kind.GRANT,
        {"not_before": ISSUED_AT + 1000},
        {
            "key": b"\x22" * 32,
            "kinds": "notification",
            "topics": "all",
            "sealKey": ZERO,
            "firstSeq": WALLET_RANGE,
            "endSeq": WALLET_RANGE + 1000,
            "notBefore": "2026-09-21T14:13:21.123Z",
            "expires": EXPIRES_TEXT,
        },
    ),
    (
        Kind.REVOCATION,
        {"cut_time": 1000, "cut_seq": 9},
        {"grant": b"\x33" * 32, "before": "", "cutTime": "1970-01-01T00:00:01.000Z", "cutSeq": 9},
    ),
    (
        Kind.REVOCATION,
        {"grant_id": None, "before": 2000, "cut_time": 1000},
        {
            "grant": ZERO,
            "before": "1970-01-01T00:00:02.000Z",
            "cutTime": "1970-01-01T00:00:01.000Z",
            "cutSeq": 7,
        },
    ),
    (
        Kind.SUBSCRIPTION,
        {"on": True, "receipts": True, "settings": [SettingChoice("a", 5)]},
        {
            "topic": TOPIC_TEXT,
            "state": "on",
            "settingsHash": sha256(b"\x91\x92\xa1a\x05").digest(),
            "receipts": True,
        },
    ),
    (Kind.SUBSCRIPTION, {"on": False}, {"topic": TOPIC_TEXT, "state": "off", "settingsHash": ZERO, "receipts": False}),
    (
        Kind.RETRACTION,
        {"mode": 1},
        {"topic": TOPIC_TEXT, "mode": "retract", "target": b"\x44" * 32, "replacement": ZERO},
    ),
    (
        Kind.RETRACTION,
        {"mode": 2},
        {"topic": TOPIC_TEXT, "mode": "cancel", "target": b"\x44" * 32, "replacement": ZERO},
    ),
    (
        Kind.RETRACTION,
        {"mode": 3, "replacement": ID},
        {"topic": TOPIC_TEXT, "mode": "replaced-by", "target": b"\x44" * 32, "replacement": ID},
    ),
    (Kind.NODE_BINDING, {}, {"node": b"\x55" * 32, "expires": EXPIRES_TEXT}),
    (Kind.PREFERENCES, {}, {"entriesHash": sha256(b"\x90").digest()}),
    (
        Kind.PRIVATE_SUBSCRIPTION,
        {"on": True, "settings": [SettingChoice("a", 5)]},
        {"topic": TOPIC_TEXT, "state": "on", "settingsHash": sha256(b"\x91\x92\xa1a\x05").digest()},
    ),
    (Kind.PRIVATE_SUBSCRIPTION, {"on": False}, {"topic": TOPIC_TEXT, "state": "off", "settingsHash": ZERO}),
]


@pytest.mark.parametrize(("kind", "changes", "members"), WHOLE)
def test_a_body_is_shown_as_it_is(kind: int, changes: dict[str, Any], members: dict[str, Any]) -> None:
    assert shown(kind, **changes) == {"network": NETWORK_TEXT, **members, "id": ID}


def test_every_kind_is_shown_above() -> None:
    assert {kind for kind, _, _ in WHOLE} == set(Kind)


def test_a_batch_shows_its_author_kind_and_range() -> None:
    batch = Batch(AUTHOR, Kind.RETRACTION, Topic(AUTHOR, "alerts"), 5, 10, 3, ISSUED_AT, b"\x01" * 32)
    assert batch_members(NETWORK, batch) == (
        NETWORK_TEXT,
        display_account(AUTHOR),
        "retraction",
        TOPIC_TEXT,
        5,
        10,
        3,
        format_time(ISSUED_AT),
        b"\x01" * 32,
    )


def test_a_login_shows_host_account_and_purpose() -> None:
    words = LogInWords(b"\x01" * 32, "node.example.org", AUTHOR, b"\x02" * 32, ISSUED_AT, "read my inbox")
    assert login_members(NETWORK, words) == (
        NETWORK.id,
        b"\x01" * 32,
        "node.example.org",
        "eip155:1:0x" + "ab" * 20,
        b"\x02" * 32,
        format_time(ISSUED_AT),
        "read my inbox",
    )
