from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from pushmesh_node.curation import NO_POLICY, DeliveryVerdict, Settings, compile_policy, decide, explain
from pushmesh_node.curation.rules import RULES
from pushmesh_protocol.kinds.retraction import CANCEL
from support.curating import NOW, SENDER, STRANGER, TOPIC, WALLET, cases, compiled, facts, notification, retraction

ALICE = f"eip155:1:0x{SENDER[1:].hex()}"
ALERTS = f"{ALICE}/alerts"


@settings(max_examples=500)
@given(cases())
def test_what_is_told_is_what_was_decided(case: dict[str, Any]) -> None:
    asked = facts(**compiled(case))
    told = explain(asked)
    assert told.decision is decide(asked)
    assert [step.rule for step in told.steps] == [rule.decision.rule for rule in RULES]
    (deciding,) = [step for step in told.steps if step.decided]
    assert (deciding.rule, deciding.matched) == (told.decision.rule, True)
    assert not any(step.matched for step in told.steps[: told.steps.index(deciding)])


@settings(max_examples=500)
@given(cases())
def test_the_counterfactual_is_true(case: dict[str, Any]) -> None:
    """Lifting every rule that it names gives a delivery now, and each one is needed on its way."""
    asked = facts(**compiled(case))
    told, changes = explain(asked).counterfactual, 0
    while (decision := decide(asked)).verdict is not DeliveryVerdict.NOW:
        rule = next(rule for rule in RULES if rule.decision is decision)
        assert rule.change.remedy(asked) in told
        lifted = rule.change.lift(asked)
        if lifted is None:
            assert told.startswith("nothing can change it: ")
            return
        assert not rule.matches(lifted)
        asked, changes = lifted, changes + 1
    assert told.startswith("would be delivered now if ") if changes else told == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, ""),
        (
            {"wallet": compile_policy(mute=[SENDER])},
            f"would be delivered now if the wallet removed its mute of {ALICE}",
        ),
        (
            {"wallet": compile_policy(mute=[SENDER, TOPIC])},
            f"would be delivered now if the wallet removed its mute of {ALICE} and of {ALERTS}",
        ),
        (
            {"operator": compile_policy(deny=[TOPIC])},
            f"would be delivered now if the operator removed its denial of {ALERTS}",
        ),
        (
            {"operator": compile_policy(allow=[STRANGER]), "late": True},
            f"would be delivered now if the operator allowed {ALICE}, and it had reached this node in time",
        ),
        ({"subscribed": False}, f"would be delivered now if the wallet subscribed to {ALERTS}"),
        (
            {"audience": [WALLET], "subscribed": False, "wallet": compile_policy(mute=[TOPIC])},
            f"would be delivered now if the wallet removed its mute of {ALERTS}, and the wallet subscribed to {ALERTS}",
        ),
        (
            {"envelope": notification(not_before=NOW + 1)},
            "would be delivered now if it were 2027-01-15T08:00:00.001Z, the time that its sender set",
        ),
        (
            {"envelope": notification(priority=1), "wallet": compile_policy(allow=[SENDER])},
            "would be delivered now if its sender gave it priority 2 or more",
        ),
        (
            {"envelope": notification(priority=1), "settings": Settings(2, frozenset())},
            f"would be delivered now if the wallet wanted priority 1 of {ALERTS} too, "
            "and its sender gave it priority 3 or more",
        ),
        (
            {"envelope": notification(category="news"), "settings": Settings(1, frozenset({"news"}))},
            f"would be delivered now if the wallet switched category news of {ALERTS} on",
        ),
        ({"collapsed_by": bytes(32)}, "nothing can change it: a newer one with its collapse key took its place"),
        ({"revoked": True}, "nothing can change it: the key that signed it may not sign it by what is known now"),
        ({"void": True}, "nothing can change it: its author signed two messages for one slot"),
        ({"retracted_by": retraction(CANCEL)}, "nothing can change it: its sender took it back"),
        ({"audience": [STRANGER]}, "nothing can change it: it is for other wallets"),
    ],
)
def test_a_wallet_reads_what_stands_in_the_way(changes: dict[str, object], sentence: str) -> None:
    assert explain(facts(**changes)).counterfactual == sentence


def test_a_step_shows_what_its_rule_looked_at() -> None:
    told = explain(facts(wallet=compile_policy(mute=[TOPIC]), operator=compile_policy(mute=[SENDER])))
    steps = {step.rule: step for step in told.steps}
    assert steps["wallet-mutes"].inputs == {
        "sender": ALICE,
        "topic": ALERTS,
        "sender_listed": False,
        "topic_listed": True,
    }
    assert steps["wallet-mutes"].unless == f"the wallet removed its mute of {ALERTS}"
    assert (steps["operator-mutes"].matched, steps["operator-mutes"].decided) == (True, False)
    assert (steps["late"].matched, steps["late"].unless) == (False, "")
    assert steps["no-subscriber"].inputs == {
        "wallet": f"eip155:1:0x{WALLET[1:].hex()}",
        "to_all_subscribers": True,
        "subscribed": True,
    }


def test_an_explanation_names_both_policies_and_turns_into_json() -> None:
    wallet = compile_policy(allow=[SENDER])
    told = explain(facts(wallet=wallet))
    assert (told.policy_hash, told.preferences_hash) == (NO_POLICY.hash, wallet.hash)
    assert msgspec.json.decode(msgspec.json.encode(told.steps))[0]["rule"] == "void"
