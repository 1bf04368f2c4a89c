"""Decisions one by one, and against a twin that was written from the order of precedence and not from the table."""

from typing import Any

import pytest
from hypothesis import given, settings

from pushmesh_node.curation import DeliveryVerdict, Settings, compile_policy, decide
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds.retraction import CANCEL, REPLACED_BY, RETRACT
from pushmesh_protocol.types import Account
from support.curating import (
    NOW,
    OTHER_TOPIC,
    SENDER,
    STRANGER,
    TOPIC,
    WALLET,
    cases,
    compiled,
    facts,
    notification,
    pairs,
    retraction,
)

ALLOWS = compile_policy(allow=[SENDER])
ALLOWS_TOPIC = compile_policy(allow=[TOPIC])
ALLOWS_OTHERS = compile_policy(allow=[STRANGER, OTHER_TOPIC])
MUTES = compile_policy(mute=[SENDER])
MUTES_TOPIC = compile_policy(mute=[TOPIC])
DENIES = compile_policy(deny=[SENDER])
DENIES_TOPIC = compile_policy(deny=[TOPIC])
ABOVE_THREE = Settings(4, frozenset())
NO_NEWS = Settings(1, frozenset({"news"}))
TO_ME: dict[str, object] = {"audience": [WALLET], "envelope": notification([WALLET])}
TO_STRANGER: dict[str, object] = {"audience": [STRANGER], "envelope": notification([STRANGER])}


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, "now subscribed"),
        ({"late": True}, "silent late"),
        ({"subscribed": False}, "drop not-subscribed"),
        ({**TO_ME}, "now subscribed"),
        ({**TO_ME, "subscribed": False}, "request-inbox not-subscribed"),
        ({**TO_STRANGER}, "drop not-in-audience"),
        ({**TO_STRANGER, "wallet": ALLOWS}, "drop not-in-audience"),
        ({"void": True, "wallet": ALLOWS}, "drop slot-void"),
        ({"retracted_by": retraction(RETRACT), "wallet": ALLOWS}, "drop retracted"),
        ({"retracted_by": retraction(CANCEL)}, "drop cancelled"),
        ({"retracted_by": retraction(REPLACED_BY)}, "drop replaced"),
        ({"envelope": notification(expires_at=NOW), "wallet": ALLOWS}, "drop expired"),
        ({"operator": DENIES}, "drop denied-by-operator"),
        ({"operator": DENIES_TOPIC, "wallet": ALLOWS}, "drop denied-by-operator"),
        ({"wallet": DENIES}, "drop denied-by-wallet"),
        ({"wallet": DENIES_TOPIC, "operator": ALLOWS}, "drop denied-by-wallet"),
        ({"operator": DENIES, "wallet": DENIES}, "drop denied-by-operator"),
        ({"wallet": ALLOWS, "operator": MUTES}, "now allowed-by-wallet"),
        ({"wallet": ALLOWS_TOPIC, "operator": ALLOWS_OTHERS}, "now allowed-by-wallet"),
        ({"wallet": ALLOWS, "late": True}, "now allowed-by-wallet"),
        ({**TO_ME, "subscribed": False, "wallet": ALLOWS}, "now allowed-by-wallet"),
        ({"subscribed": False, "wallet": ALLOWS}, "drop not-subscribed"),
        ({"wallet": ALLOWS_OTHERS}, "now subscribed"),
        ({"wallet": MUTES}, "hold muted-by-wallet"),
        ({"wallet": MUTES_TOPIC, "operator": ALLOWS}, "hold muted-by-wallet"),
        ({"operator": MUTES}, "hold muted-by-operator"),
        ({"operator": MUTES_TOPIC, "late": True}, "hold muted-by-operator"),
        ({"operator": ALLOWS_OTHERS}, "request-inbox not-allowed-by-operator"),
        ({"operator": ALLOWS}, "now subscribed"),
        ({"operator": ALLOWS_TOPIC}, "now subscribed"),
        ({**TO_ME, "operator": ALLOWS, "subscribed": False}, "request-inbox not-subscribed"),
        ({"envelope": notification(not_before=NOW + 1), "wallet": ALLOWS}, "hold not-yet"),
        ({"envelope": notification(not_before=NOW)}, "now subscribed"),
        ({"envelope": notification(not_before=NOW + 1), "wallet": DENIES}, "drop denied-by-wallet"),
        ({"revoked": True, "wallet": ALLOWS}, "drop grant-revoked"),
        ({"collapsed_by": b"\x09" * 32, "wallet": ALLOWS}, "drop replaced"),
        ({"envelope": notification(priority=1)}, "silent low-priority"),
        ({"envelope": notification(priority=2)}, "silent low-priority"),
        ({"envelope": notification(priority=4)}, "now subscribed"),
        ({"envelope": notification(priority=1), "wallet": ALLOWS}, "silent low-priority"),
        ({"envelope": notification(priority=2), "wallet": ALLOWS}, "now allowed-by-wallet"),
        ({"envelope": notification(priority=1), "wallet": MUTES}, "hold muted-by-wallet"),
        ({"envelope": notification(priority=1), "late": True}, "silent late"),
        ({"envelope": notification(priority=3), "settings": ABOVE_THREE}, "hold below-min-priority"),
        ({"envelope": notification(priority=4), "settings": ABOVE_THREE}, "now subscribed"),
        ({"envelope": notification(priority=3), "settings": ABOVE_THREE, "wallet": ALLOWS}, "now allowed-by-wallet"),
        ({"envelope": notification(category="news"), "settings": NO_NEWS}, "hold category-off"),
        ({"envelope": notification(category="sales"), "settings": NO_NEWS}, "now subscribed"),
        ({"envelope": notification(category="news", priority=5), "settings": NO_NEWS}, "now subscribed"),
        ({"envelope": notification(category="news", priority=5), "wallet": MUTES}, "hold muted-by-wallet"),
        ({"envelope": notification(category="news", priority=5), "wallet": DENIES}, "drop denied-by-wallet"),
        ({"envelope": retraction(RETRACT), "settings": ABOVE_THREE}, "now subscribed"),
        ({"envelope": retraction(RETRACT)}, "now subscribed"),
        ({"envelope": retraction(RETRACT), "audience": [WALLET], "wallet": MUTES}, "hold muted-by-wallet"),
        ({"envelope": retraction(CANCEL), "audience": [STRANGER]}, "drop not-in-audience"),
    ],
)
def test_a_message_and_a_wallet_get_this_verdict(changes: dict[str, object], answer: str) -> None:
    decision = decide(facts(**changes))
    assert f"{decision.verdict} {decision.reason}" == answer


def test_an_operator_who_denies_one_topic_lets_the_others_of_its_owner_through() -> None:
    assert decide(facts(operator=compile_policy(deny=[OTHER_TOPIC]))).verdict is DeliveryVerdict.NOW


def naive(case: dict[str, Any]) -> str:
    """From uncompiled lists, layer by layer; no table and no sets."""
    message, wallet = case["envelope"].body, pairs(case["wallet"])
    operator = pairs(case["operator"])

    def says(entries: list[tuple[int, Account | Topic]], action: int) -> bool:
        return any(one == action and subject in (SENDER, TOPIC) for one, subject in entries)

    if case["void"]:
        return "drop slot-void"
    if case["revoked"]:
        return "drop grant-revoked"
    if case["retracted_by"] is not None:
        return {1: "drop retracted", 2: "drop cancelled", 3: "drop replaced"}[case["retracted_by"].body.mode]
    if case["collapsed_by"] is not None:
        return "drop replaced"
    if message.expires_at <= NOW:
        return "drop expired"
    targeted = message.audience is not None
    if targeted and WALLET not in message.audience:
        return "drop not-in-audience"
    if not targeted and not case["subscribed"]:
        return "drop not-subscribed"
    if says(operator, 3):
        return "drop denied-by-operator"
    if says(wallet, 3):
        return "drop denied-by-wallet"
    if message.not_before is not None and message.not_before > NOW:
        return "hold not-yet"
    if says(wallet, 1):
        return "silent low-priority" if message.priority == 1 else "now allowed-by-wallet"
    if says(wallet, 2):
        return "hold muted-by-wallet"
    if says(operator, 2):
        return "hold muted-by-operator"
    if case["operator"][0] and not says(operator, 1):
        return "request-inbox not-allowed-by-operator"
    if not case["subscribed"]:
        return "request-inbox not-subscribed"
    least, off = case["settings"]
    if message.priority < least:
        return "hold below-min-priority"
    if message.category in off and message.priority != 5:
        return "hold category-off"
    if case["late"]:
        return "silent late"
    return "silent low-priority" if message.priority in (1, 2) else "now subscribed"


@settings(max_examples=1_000)
@given(cases())
def test_the_table_decides_like_its_naive_twin(case: dict[str, Any]) -> None:
    decision = decide(facts(**compiled(case)))
    assert f"{decision.verdict} {decision.reason}" == naive(case)
