"""The one table of rules. `decide` runs it, `explain` tells it, so that they cannot differ.

The first rule that matches decides. Order: what ended the message, who its recipients are, the operator's denials, the
wallet's denials, its time, the wallet's pins, its mutes, the operator's mutes and list, subscription, the wallet's
settings of the topic, what is silent. So a wallet can tighten everything, and loosen all but a denial by the operator
and the silence that the sender asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pushmesh_protocol.kinds.retraction import CANCEL, REPLACED_BY, RETRACT
from pushmesh_protocol.reasons import Reason

from . import conditions
from .facts import Facts
from .telling import (
    ALLOW_SENDER,
    BE_IN_TIME,
    LOWER_MINIMUM,
    SUBSCRIBE,
    SWITCH_ON,
    WAIT,
    Change,
    Inputs,
    listed,
    never,
    recipients,
    send_with,
    standing,
    take_off,
    times,
    wishes,
)
from .verdict import Decision, DeliveryVerdict

NOW, SILENT, REQUEST_INBOX = DeliveryVerdict.NOW, DeliveryVerdict.SILENT, DeliveryVerdict.REQUEST_INBOX
HOLD, DROP = DeliveryVerdict.HOLD, DeliveryVerdict.DROP


@dataclass(frozen=True, slots=True)
class Rule:
    """`matches` is asked on the hot path; `inputs` (what it looked at) and `change` (what undoes it) explain."""

    decision: Decision
    matches: Callable[[Facts], bool]
    inputs: Callable[[Facts], Inputs]
    change: Change


def _rule(
    name: str,
    matches: Callable[[Facts], bool],
    verdict: DeliveryVerdict,
    reason: Reason,
    inputs: Callable[[Facts], Inputs],
    change: Change,
) -> Rule:
    return Rule(Decision(verdict, reason, name), matches, inputs, change)


_TAKEN_BACK = never("its sender took it back")
_REPLACED = never("its sender replaced it")
_DELIVERED = never("it is delivered now")
_DOUBLE = never("its author signed two messages for one slot")
_OVER = never("its time is over")
_COLLAPSED = never("a newer one with its collapse key took its place")
_REVOKED = never("the key that signed it may not sign it by what is known now")
_FOR_OTHERS = never("it is for other wallets")

# fmt: off  # a table is read by columns
RULES: Final = (
    _rule("void", conditions.is_void, DROP, Reason.SLOT_VOID, standing, _DOUBLE),
    _rule("revoked", conditions.is_revoked, DROP, Reason.GRANT_REVOKED, standing, _REVOKED),
    _rule("retracted", conditions.ended_by(RETRACT), DROP, Reason.RETRACTED, standing, _TAKEN_BACK),
    _rule("cancelled", conditions.ended_by(CANCEL), DROP, Reason.CANCELLED, standing, _TAKEN_BACK),
    _rule("replaced", conditions.ended_by(REPLACED_BY), DROP, Reason.REPLACED, standing, _REPLACED),
    _rule("collapsed", conditions.is_collapsed, DROP, Reason.REPLACED, standing, _COLLAPSED),
    _rule("expired", conditions.is_expired, DROP, Reason.EXPIRED, times, _OVER),
    _rule("not-listed", conditions.is_not_listed, DROP, Reason.NOT_IN_AUDIENCE, recipients, _FOR_OTHERS),
    _rule("no-subscriber", conditions.is_no_subscriber, DROP, Reason.NOT_SUBSCRIBED, recipients, SUBSCRIBE),
    _rule(
        "operator-denies",
        conditions.operator_denies,
        DROP,
        Reason.DENIED_BY_OPERATOR,
        listed("operator", "deny"),
        take_off("operator", "deny", "denial"),
    ),
    _rule(
        "wallet-denies",
        conditions.wallet_denies,
        DROP,
        Reason.DENIED_BY_WALLET,
        listed("wallet", "deny"),
        take_off("wallet", "deny", "denial"),
    ),
    _rule("too-early", conditions.is_too_early, HOLD, Reason.NOT_YET, times, WAIT),
    _rule(
        "pinned-but-lowest",
        conditions.is_pinned_but_lowest,
        SILENT,
        Reason.LOW_PRIORITY,
        wishes,
        send_with(conditions.LOWEST_PRIORITY + 1),
    ),
    _rule(
        "wallet-allows", conditions.wallet_allows, NOW, Reason.ALLOWED_BY_WALLET, listed("wallet", "allow"), _DELIVERED
    ),
    _rule(
        "wallet-mutes",
        conditions.wallet_mutes,
        HOLD,
        Reason.MUTED_BY_WALLET,
        listed("wallet", "mute"),
        take_off("wallet", "mute", "mute"),
    ),
    _rule(
        "operator-mutes",
        conditions.operator_mutes,
        HOLD,
        Reason.MUTED_BY_OPERATOR,
        listed("operator", "mute"),
        take_off("operator", "mute", "mute"),
    ),
    _rule(
        "operator-leaves-out",
        conditions.operator_leaves_out,
        REQUEST_INBOX,
        Reason.NOT_ALLOWED_BY_OPERATOR,
        listed("operator", "allow"),
        ALLOW_SENDER,
    ),
    _rule("stranger", conditions.is_stranger, REQUEST_INBOX, Reason.NOT_SUBSCRIBED, recipients, SUBSCRIBE),
    _rule("below-minimum", conditions.is_below_minimum, HOLD, Reason.BELOW_MINIMUM, wishes, LOWER_MINIMUM),
    _rule("category-off", conditions.is_category_off, HOLD, Reason.CATEGORY_OFF, wishes, SWITCH_ON),
    _rule("late", conditions.is_late, SILENT, Reason.LATE, standing, BE_IN_TIME),
    _rule(
        "low-priority",
        conditions.is_low,
        SILENT,
        Reason.LOW_PRIORITY,
        wishes,
        send_with(conditions.SILENT_PRIORITY + 1),
    ),
    _rule("subscribed", conditions.always, NOW, Reason.SUBSCRIBED, recipients, _DELIVERED),
)
# fmt: on
"""In the order in which they are asked; the last one matches always. See `policy.RULE_SET` before you change it."""
