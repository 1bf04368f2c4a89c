from hashlib import sha256

import pytest

from pushmesh_node.curation import Facts, Settings, compile_policy, decide
from pushmesh_node.curation.policy import RULE_SET
from pushmesh_node.curation.rules import RULES
from pushmesh_protocol.kinds.retraction import CANCEL, REPLACED_BY, RETRACT
from support.curating import NOW, SENDER, STRANGER, WALLET, facts, notification, retraction

DECIDED_BY: dict[str, dict[str, object]] = {
    "void": {"void": True},
    "revoked": {"revoked": True},
    "retracted": {"retracted_by": retraction(RETRACT)},
    "cancelled": {"retracted_by": retraction(CANCEL)},
    "replaced": {"retracted_by": retraction(REPLACED_BY)},
    "collapsed": {"collapsed_by": b"\x09" * 32},
    "expired": {"envelope": notification(expires_at=NOW)},
    "not-listed": {"audience": [STRANGER]},
    "no-subscriber": {"subscribed": False},
    "operator-denies": {"operator": compile_policy(deny=[SENDER])},
    "wallet-denies": {"wallet": compile_policy(deny=[SENDER])},
    "too-early": {"envelope": notification(not_before=NOW + 1)},
    "pinned-but-lowest": {"wallet": compile_policy(allow=[SENDER]), "envelope": notification(priority=1)},
    "wallet-allows": {"wallet": compile_policy(allow=[SENDER])},
    "wallet-mutes": {"wallet": compile_policy(mute=[SENDER])},
    "operator-mutes": {"operator": compile_policy(mute=[SENDER])},
    "operator-leaves-out": {"operator": compile_policy(allow=[STRANGER])},
    "stranger": {"audience": [WALLET], "subscribed": False},
    "below-minimum": {"settings": Settings(4, frozenset())},
    "category-off": {"settings": Settings(1, frozenset({"news"})), "envelope": notification(category="news")},
    "late": {"late": True},
    "low-priority": {"envelope": notification(priority=2)},
    "subscribed": {},
}


def test_the_table_holds_these_rules_in_this_order() -> None:
    assert [rule.decision.rule for rule in RULES] == list(DECIDED_BY)


@pytest.mark.parametrize("name", DECIDED_BY)
def test_each_rule_decides_where_it_alone_matches(name: str) -> None:
    assert decide(facts(**DECIDED_BY[name])).rule == name


@pytest.mark.parametrize("earlier", range(len(RULES) - 1))
def test_an_earlier_rule_wins_over_every_later_one(earlier: int) -> None:
    names = list(DECIDED_BY)
    for later in names[earlier + 1 :]:
        both = facts(**{**DECIDED_BY[later], **DECIDED_BY[names[earlier]]})
        if _by_name(names[earlier], both):
            assert decide(both).rule in names[: earlier + 1]


def _by_name(name: str, asked: Facts) -> bool:
    return next(rule for rule in RULES if rule.decision.rule == name).matches(asked)


def test_the_last_rule_matches_always() -> None:
    assert all(RULES[-1].matches(facts(**changes)) for changes in DECIDED_BY.values())


def test_a_policy_hash_stands_for_these_rules() -> None:
    """Change RULE_SET together with this: an old hash must not seem to cover new rules."""
    told = "\n".join(f"{rule.decision.rule} {rule.decision.verdict} {rule.decision.reason}" for rule in RULES)
    assert (RULE_SET, sha256(told.encode()).hexdigest()[:16]) == (2, "93b705d1bca24e23")
