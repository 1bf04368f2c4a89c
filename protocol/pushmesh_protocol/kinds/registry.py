"""The table of kinds: number, name, layout, rules."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from ..accounts import check_topic
from ..codec import Codec
from ..errors import Refusal
from ..reasons import Reason
from ..types import Account
from .checks import malformed
from .grant import Grant, check_grant
from .node_binding import NodeBinding
from .notification import Notification, check_notification
from .preferences import Preferences, check_preferences
from .private_subscription import PrivateSubscription, check_private_subscription
from .retraction import Retraction, check_retraction
from .revocation import Revocation, check_revocation
from .subscription import Subscription, check_subscription
from .topic import TopicDetails, check_details


class Kind(IntEnum):
    """Kind numbers (SPEC 4.5)."""

    TOPIC = 1
    GRANT = 2
    REVOCATION = 3
    SUBSCRIPTION = 4
    NOTIFICATION = 5
    RETRACTION = 6
    NODE_BINDING = 7
    PREFERENCES = 64
    PRIVATE_SUBSCRIPTION = 65


AnyBody = TopicDetails | Grant | Revocation | Subscription | Notification | Retraction | NodeBinding | Preferences

KIND_NAMES: dict[int, str] = {kind: kind.name.lower() for kind in Kind}
CONTROL_KINDS = (Kind.TOPIC, Kind.GRANT, Kind.REVOCATION, Kind.NODE_BINDING)
SHARD_KINDS = (Kind.SUBSCRIPTION, Kind.NOTIFICATION, Kind.RETRACTION)
GOSSIPED_KINDS = frozenset(CONTROL_KINDS + SHARD_KINDS)
GENESIS_KINDS = GOSSIPED_KINDS | {Kind.PREFERENCES}
"""The kinds whose longest life a genesis says; a private subscription lives as long as a public one (SPEC 4.4)."""
PRIVATE_KINDS = range(64, 128)
SUBSCRIPTIONS = frozenset({Kind.SUBSCRIPTION, Kind.PRIVATE_SUBSCRIPTION})
OWNED_BY_TOPIC = frozenset({Kind.TOPIC, Kind.NOTIFICATION, Kind.RETRACTION})

_CODECS: dict[int, Codec[Any]] = {
    Kind.TOPIC: Codec(TopicDetails),
    Kind.GRANT: Codec(Grant),
    Kind.REVOCATION: Codec(Revocation),
    Kind.SUBSCRIPTION: Codec(Subscription),
    Kind.NOTIFICATION: Codec(Notification),
    Kind.RETRACTION: Codec(Retraction),
    Kind.NODE_BINDING: Codec(NodeBinding),
    Kind.PREFERENCES: Codec(Preferences),
    Kind.PRIVATE_SUBSCRIPTION: Codec(PrivateSubscription),
}

_CHECKS: dict[int, Callable[[Any], None]] = {
    Kind.TOPIC: check_details,
    Kind.REVOCATION: check_revocation,
    Kind.SUBSCRIPTION: check_subscription,
    Kind.NOTIFICATION: check_notification,
    Kind.RETRACTION: check_retraction,
    Kind.PREFERENCES: check_preferences,
    Kind.PRIVATE_SUBSCRIPTION: check_private_subscription,
}


def decode_body(kind: int, data: bytes) -> AnyBody:
    """The body of a known kind. Raises Refusal `malformed`, or `unknown-kind` for another number."""
    codec = _CODECS.get(kind)
    if codec is None:
        raise Refusal(Reason.UNKNOWN_KIND, "4.5", f"kind {kind} is not known here")
    body: AnyBody = codec.decode(data)
    return body


def check_body(kind: int, author: Account, body: AnyBody, wallet_range: int) -> None:
    """Raise Refusal where a decoded body breaks a rule of section 4 that needs of the genesis only the wallet range."""
    if body.expires_at <= body.issued_at:
        raise malformed("4.3", "expires-at is not after issued-at")
    if body.topic is not None:
        check_topic(body.topic)
    check = _CHECKS.get(kind)
    if check is not None:
        check(body)
    elif isinstance(body, Grant):
        check_grant(body, wallet_range)
    if kind in OWNED_BY_TOPIC:
        if body.topic is None or body.topic.owner != author:
            raise Refusal(Reason.NOT_TOPIC_OWNER, "4.6", "the author is not the topic's owner")
    elif kind not in SUBSCRIPTIONS and body.topic is not None:
        raise malformed("4.3", "this kind has no topic")
