from pushmesh_node.curation import Settings, compile_policy, telling
from pushmesh_node.curation.policy import Subjects
from pushmesh_protocol.kinds.retraction import CANCEL
from support.curating import NOW, OTHER_TOPIC, SENDER, STRANGER, TOPIC, WALLET, facts, notification, retraction

ALICE = f"eip155:1:0x{SENDER[1:].hex()}"


def test_taking_off_a_list_takes_off_sender_and_topic_and_nobody_else() -> None:
    asked = facts(wallet=compile_policy(mute=[SENDER, STRANGER, TOPIC, OTHER_TOPIC], deny=[SENDER]))
    lifted = telling.take_off("wallet", "mute", "mute").lift(asked)
    assert lifted is not None
    assert lifted.wallet.mute == Subjects(frozenset({STRANGER}), frozenset({OTHER_TOPIC}))
    assert lifted.wallet.deny == asked.wallet.deny
    assert lifted.operator is asked.operator


def test_a_supposed_policy_bears_no_hash() -> None:
    lifted = telling.ALLOW_SENDER.lift(facts(operator=compile_policy(allow=[STRANGER])))
    assert lifted is not None
    assert (lifted.operator.hash, lifted.operator.allow.accounts) == (b"", frozenset({SENDER, STRANGER}))


def test_each_change_changes_one_fact() -> None:
    asked = facts(subscribed=False, late=True, envelope=notification(not_before=NOW + 5))
    changed = [change.lift(asked) for change in (telling.SUBSCRIBE, telling.BE_IN_TIME, telling.WAIT)]
    assert [lifted and (lifted.subscribed, lifted.late, lifted.now) for lifted in changed] == [
        (True, True, NOW),
        (False, False, NOW),
        (False, True, NOW + 5),
    ]
    assert telling.never("it is over").lift(asked) is None
    assert telling.never("it is over").remedy(asked) == "it is over"


def test_what_a_wallet_wants_of_a_topic_is_told_beside_the_weight_of_the_message() -> None:
    asked = facts(
        envelope=notification(priority=2, category="news"), settings=Settings(4, frozenset({"news", "sales"}))
    )
    assert telling.wishes(asked) == {"priority": 2, "min_priority": 4, "category": "news", "category_on": False}
    lowered, switched = telling.LOWER_MINIMUM.lift(asked), telling.SWITCH_ON.lift(asked)
    assert lowered is not None and lowered.settings == Settings(2, frozenset({"news", "sales"}))
    assert switched is not None and switched.settings == Settings(4, frozenset({"sales"}))
    told = telling.wishes(facts(envelope=retraction(CANCEL)))
    assert told == {"priority": None, "min_priority": 1, "category": None, "category_on": True}


def test_waiting_changes_nothing_for_a_message_without_a_time() -> None:
    asked = facts(envelope=retraction(CANCEL))
    assert telling.WAIT.lift(asked) is asked


def test_inputs_are_in_display_form() -> None:
    asked = facts(envelope=notification(not_before=NOW), retracted_by=retraction(CANCEL))
    assert telling.sender_and_topic(asked) == {"sender": ALICE, "topic": f"{ALICE}/alerts"}
    assert telling.times(asked) == {
        "not_before": "2027-01-15T08:00:00.000Z",
        "expires_at": "2027-01-15T08:00:00.010Z",
        "now": "2027-01-15T08:00:00.000Z",
    }
    assert telling.standing(asked) == {
        "void": False,
        "revoked": False,
        "late": False,
        "retraction": "06" * 32,
        "collapsed_by": None,
    }
    assert telling.standing(facts(collapsed_by=b"\x09" * 32))["collapsed_by"] == "09" * 32
    assert telling.recipients(asked)["wallet"] == f"eip155:1:0x{WALLET[1:].hex()}"
    assert telling.listed("operator", "deny")(asked)["sender_listed"] is False
