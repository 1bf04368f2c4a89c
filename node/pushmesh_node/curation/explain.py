"""Tells a decision rule by rule, and what would have to be different for the message to be delivered now."""

from dataclasses import dataclass

from .facts import Facts
from .rules import RULES, Rule
from .telling import Inputs
from .verdict import Decision, DeliveryVerdict


@dataclass(frozen=True, slots=True)
class Step:
    """One rule: what it looked at, whether it matched, whether it decided (the first match does), and its verdict.

    `unless` says for a rule that matched what keeps it from matching, or why nothing can; "" where it did not match."""

    rule: str
    inputs: Inputs
    matched: bool
    decided: bool
    verdict: DeliveryVerdict
    reason: str
    unless: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with its steps in order. The hashes name what it rests on, so that anybody can run it again.

    `counterfactual` is one sentence, "" where the message is delivered now."""

    decision: Decision
    steps: tuple[Step, ...]
    counterfactual: str
    policy_hash: bytes
    preferences_hash: bytes


def explain(facts: Facts) -> Explanation:
    """Asks every rule, also after the one that decides: a wallet sees all that stands in the way."""
    deciding = _deciding(facts)
    return Explanation(
        decision=deciding.decision,
        steps=tuple(_step(rule, facts, rule is deciding) for rule in RULES),
        counterfactual=_counterfactual(facts),
        policy_hash=facts.operator.hash,
        preferences_hash=facts.wallet.hash,
    )


def _deciding(facts: Facts) -> Rule:
    return next(rule for rule in RULES if rule.matches(facts))


def _step(rule: Rule, facts: Facts, decided: bool) -> Step:
    matched = rule.matches(facts)
    return Step(
        rule=rule.decision.rule,
        inputs=rule.inputs(facts),
        matched=matched,
        decided=decided,
        verdict=rule.decision.verdict,
        reason=rule.decision.reason,
        unless=rule.change.remedy(facts) if matched else "",
    )


def _counterfactual(facts: Facts) -> str:
    """Lifts one deciding rule after the other, each time deciding again, so that the sentence is true as a whole."""
    changes: list[str] = []
    rule = _deciding(facts)
    while rule.decision.verdict is not DeliveryVerdict.NOW:
        lifted = rule.change.lift(facts)
        if lifted is None:
            return f"nothing can change it: {rule.change.remedy(facts)}"
        changes.append(rule.change.remedy(facts))
        facts, rule = lifted, _deciding(lifted)
    return f"would be delivered now if {', and '.join(changes)}" if changes else ""
