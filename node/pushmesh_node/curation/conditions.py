"""When each rule matches. Asked for every message and wallet, so nothing here builds anything."""

from bisect import bisect_left
from collections.abc import Callable

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds.notification import Notification
from pushmesh_protocol.kinds.retraction import Retraction

from .facts import Facts
from .policy import Subjects
from .settings import is_below, is_off


def is_void(facts: Facts) -> bool:
    """It shares a slot with another message of its author."""
    return facts.void


def is_revoked(facts: Facts) -> bool:
    """The key that signed it may not sign it by what is known now."""
    return facts.revoked


def is_collapsed(facts: Facts) -> bool:
    """A newer one with its collapse key took its place."""
    return facts.collapsed_by is not None


def ended_by(mode: int) -> Callable[[Facts], bool]:
    """A retraction of this mode counts."""

    def matches(facts: Facts) -> bool:
        retraction = facts.retracted_by
        return retraction is not None and _mode(retraction.body) == mode

    return matches


def _mode(body: object) -> int | None:
    return body.mode if type(body) is Retraction else None


def is_expired(facts: Facts) -> bool:
    """Its time is over."""
    return facts.envelope.body.expires_at <= facts.now


def is_not_listed(facts: Facts) -> bool:
    """It lists other wallets."""
    audience = facts.audience
    if audience is None:
        return False
    place = bisect_left(audience, facts.account)
    return place == len(audience) or audience[place] != facts.account


def is_no_subscriber(facts: Facts) -> bool:
    """It is for subscribers and the wallet is none."""
    return facts.audience is None and not facts.subscribed


def is_too_early(facts: Facts) -> bool:
    """Its sender wants it delivered later."""
    body = facts.envelope.body
    return type(body) is Notification and body.not_before is not None and body.not_before > facts.now


def is_stranger(facts: Facts) -> bool:
    """It lists the wallet, which did not subscribe."""
    return not facts.subscribed


SILENT_PRIORITY = 2
"""Of this priority and below a notification asks for no attention."""

LOWEST_PRIORITY = 1
"""So even where the wallet always wants to hear of the sender."""


def is_pinned_but_lowest(facts: Facts) -> bool:
    """Its sender wants it shown silently, and the wallet always wants to have it."""
    body = facts.envelope.body
    return type(body) is Notification and body.priority <= LOWEST_PRIORITY and wallet_allows(facts)


def is_low(facts: Facts) -> bool:
    """Its sender wants it shown silently."""
    body = facts.envelope.body
    return type(body) is Notification and body.priority <= SILENT_PRIORITY


def is_below_minimum(facts: Facts) -> bool:
    """The wallet wants only higher priorities of the topic."""
    body = facts.envelope.body
    return type(body) is Notification and is_below(facts.settings, body)


def is_category_off(facts: Facts) -> bool:
    """The wallet switched the category off."""
    body = facts.envelope.body
    return type(body) is Notification and is_off(facts.settings, body)


def is_late(facts: Facts) -> bool:
    """It came after its time."""
    return facts.late


def always(_facts: Facts) -> bool:
    """Nothing stood in the way."""
    return True


def covers(subjects: Subjects, envelope: Envelope) -> bool:
    """The sender or the topic is among them."""
    if envelope.author in subjects.accounts:
        return True
    topics = subjects.topics
    return bool(topics) and envelope.body.topic in topics


def operator_denies(facts: Facts) -> bool:
    """The sender or the topic is on the list."""
    return covers(facts.operator.deny, facts.envelope)


def wallet_denies(facts: Facts) -> bool:
    """The sender or the topic is on the list."""
    return covers(facts.wallet.deny, facts.envelope)


def wallet_allows(facts: Facts) -> bool:
    """The sender or the topic is on the list."""
    return covers(facts.wallet.allow, facts.envelope)


def wallet_mutes(facts: Facts) -> bool:
    """The sender or the topic is on the list."""
    return covers(facts.wallet.mute, facts.envelope)


def operator_mutes(facts: Facts) -> bool:
    """The sender or the topic is on the list."""
    return covers(facts.operator.mute, facts.envelope)


def operator_leaves_out(facts: Facts) -> bool:
    """The operator has a list of whom to allow, and neither is on it."""
    allow = facts.operator.allow
    return bool(allow) and not covers(allow, facts.envelope)
