"""What a rule looked at, in words, and the least change after which it would not match. Only explaining uses it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from msgspec.structs import replace

from pushmesh_protocol.accounts import display_account, display_topic
from pushmesh_protocol.kinds.notification import Notification

from .facts import Facts
from .policy import Policy, Subjects

Inputs = dict[str, str | int | bool | None]
Owner = Literal["operator", "wallet"]
Action = Literal["allow", "mute", "deny"]


@dataclass(frozen=True, slots=True)
class Change:
    """`lift` gives the facts after it, None where nothing can change it; `remedy` says it in words, or why not."""

    lift: Callable[[Facts], Facts | None]
    remedy: Callable[[Facts], str]


def never(why: str) -> Change:
    """No change helps."""
    return Change(lambda _facts: None, lambda _facts: why)


SUBSCRIBE: Final = Change(
    lambda facts: replace(facts, subscribed=True),
    lambda facts: f"the wallet subscribed to {sender_and_topic(facts)['topic']}",
)
BE_IN_TIME: Final = Change(lambda facts: replace(facts, late=False), lambda _facts: "it had reached this node in time")


def _its_time(facts: Facts) -> Facts:
    body = facts.envelope.body
    return replace(facts, now=body.not_before) if type(body) is Notification else facts


WAIT: Final = Change(_its_time, lambda facts: f"it were {times(facts)['not_before']}, the time that its sender set")


def _with_priority(facts: Facts, priority: int) -> Facts:
    envelope = facts.envelope
    return replace(facts, envelope=replace(envelope, body=replace(envelope.body, priority=priority)))


def send_with(priority: int) -> Change:
    """The sender gave it this priority."""
    return Change(
        lambda facts: _with_priority(facts, priority),
        lambda _facts: f"its sender gave it priority {priority} or more",
    )


def _at_least(facts: Facts) -> Facts:
    return replace(facts, settings=replace(facts.settings, min_priority=wishes(facts)["priority"]))


LOWER_MINIMUM: Final = Change(
    _at_least,
    lambda facts: f"the wallet wanted priority {wishes(facts)['priority']} of {sender_and_topic(facts)['topic']} too",
)


def _switched_on(facts: Facts) -> Facts:
    return replace(facts, settings=replace(facts.settings, off=facts.settings.off - {str(wishes(facts)["category"])}))


SWITCH_ON: Final = Change(
    _switched_on,
    lambda facts: f"the wallet switched category {wishes(facts)['category']} of {sender_and_topic(facts)['topic']} on",
)


def _allowed(facts: Facts) -> Facts:
    allow = facts.operator.allow
    return _with_list(facts, "operator", "allow", replace(allow, accounts=allow.accounts | {facts.envelope.author}))


ALLOW_SENDER: Final = Change(_allowed, lambda facts: f"the operator allowed {display_account(facts.envelope.author)}")


def take_off(owner: Owner, action: Action, word: str) -> Change:
    """The sender and the topic are no longer on the list; `word` is what the list does."""

    def lift(facts: Facts) -> Facts:
        listed = _list(facts, owner, action)
        sender, topic = facts.envelope.author, facts.envelope.topic
        return _with_list(facts, owner, action, Subjects(listed.accounts - {sender}, listed.topics - {topic}))

    def remedy(facts: Facts) -> str:
        looked_at = listed(owner, action)(facts)
        names = [str(looked_at[name]) for name in ("sender", "topic") if looked_at[f"{name}_listed"]]
        return f"the {owner} removed its {word} of {' and of '.join(names)}"

    return Change(lift, remedy)


def _list(facts: Facts, owner: Owner, action: Action) -> Subjects:
    policy: Policy = facts.operator if owner == "operator" else facts.wallet
    subjects: Subjects = getattr(policy, action)
    return subjects


def _with_list(facts: Facts, owner: Owner, action: Action, subjects: Subjects) -> Facts:
    """A supposed policy has no hash: it is nobody's."""
    policy = replace(getattr(facts, owner), hash=b"", **{action: subjects})
    return replace(facts, **{owner: policy})


def sender_and_topic(facts: Facts) -> Inputs:
    """Both in display form."""
    topic = facts.envelope.topic
    return {
        "sender": display_account(facts.envelope.author),
        "topic": None if topic is None else display_topic(topic),
    }


def listed(owner: Owner, action: Action) -> Callable[[Facts], Inputs]:
    """Sender and topic, and whether they are on the list."""

    def inputs(facts: Facts) -> Inputs:
        subjects = _list(facts, owner, action)
        return {
            **sender_and_topic(facts),
            "sender_listed": facts.envelope.author in subjects.accounts,
            "topic_listed": facts.envelope.topic in subjects.topics,
        }

    return inputs


def recipients(facts: Facts) -> Inputs:
    """Whom the message is for."""
    return {
        "wallet": display_account(facts.account),
        "to_all_subscribers": facts.audience is None,
        "subscribed": facts.subscribed,
    }


def wishes(facts: Facts) -> Inputs:
    """What its sender says of its weight, and what the wallet wants of the topic."""
    body = facts.envelope.body
    priority, category = (body.priority, body.category) if type(body) is Notification else (None, None)
    return {
        "priority": priority,
        "min_priority": facts.settings.min_priority,
        "category": category,
        "category_on": category not in facts.settings.off,
    }


def times(facts: Facts) -> Inputs:
    """RFC 3339 in UTC with milliseconds, as signed texts show times."""
    body = facts.envelope.body
    return {
        "not_before": _time(body.not_before) if type(body) is Notification else None,
        "expires_at": _time(body.expires_at),
        "now": _time(facts.now),
    }


def standing(facts: Facts) -> Inputs:
    """What others made of it."""
    retraction = facts.retracted_by
    return {
        "void": facts.void,
        "revoked": facts.revoked,
        "late": facts.late,
        "retraction": None if retraction is None else retraction.id.hex(),
        "collapsed_by": None if facts.collapsed_by is None else facts.collapsed_by.hex(),
    }


def _time(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
