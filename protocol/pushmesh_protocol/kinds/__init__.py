"""The kinds of envelopes: one file each, and the table that knows them all (SPEC section 4)."""

from .grant import Grant, Scope
from .node_binding import NodeBinding
from .notification import Action, Notification, Sealed, SealedBox
from .preferences import Preference, Preferences
from .private_subscription import PrivateSubscription
from .registry import (
    CONTROL_KINDS,
    GENESIS_KINDS,
    GOSSIPED_KINDS,
    KIND_NAMES,
    PRIVATE_KINDS,
    SHARD_KINDS,
    AnyBody,
    Kind,
    check_body,
    decode_body,
)
from .retraction import Retraction
from .revocation import Revocation
from .subscription import SettingChoice, Subscription
from .topic import Category, Setting, TopicDetails

__all__ = [
    "CONTROL_KINDS",
    "GENESIS_KINDS",
    "GOSSIPED_KINDS",
    "KIND_NAMES",
    "PRIVATE_KINDS",
    "SHARD_KINDS",
    "Action",
    "AnyBody",
    "Category",
    "Grant",
    "Kind",
    "NodeBinding",
    "Notification",
    "Preference",
    "Preferences",
    "PrivateSubscription",
    "Retraction",
    "Revocation",
    "Scope",
    "Sealed",
    "SealedBox",
    "Setting",
    "SettingChoice",
    "Subscription",
    "TopicDetails",
    "check_body",
    "decode_body",
]
