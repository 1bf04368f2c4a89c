"""What a person reads when signing: the primary types of SPEC 5.4, and their members' values from the body (SPEC 5.5).

One table for eip712, eip191 and the wallet's JSON, so that they cannot drift apart. Makes no digest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ..accounts import Topic, display_account, display_topic
from ..codec import pack
from ..hashing import sha256
from ..kinds.grant import SCOPE_NAMES, Grant, Scope
from ..kinds.node_binding import NodeBinding
from ..kinds.notification import Notification
from ..kinds.preferences import Preferences
from ..kinds.private_subscription import PrivateSubscription
from ..kinds.registry import KIND_NAMES, AnyBody, Kind
from ..kinds.retraction import MODE_NAMES, Retraction
from ..kinds.revocation import Revocation
from ..kinds.subscription import Subscription
from ..kinds.topic import TopicDetails
from ..login import LogInWords
from ..network import Network
from .statement import Batch

ZERO = bytes(32)

Value = str | int | bytes
"""A member's value: str for `string`, 32 bytes for `bytes32`, int for numbers, bool (an int) for `bool`."""


@dataclass(frozen=True, slots=True)
class PrimaryType:
    """A type of SPEC 5.4; `members` are (type, name) in signing order."""

    name: str
    members: tuple[tuple[str, str], ...]

    @property
    def encoded(self) -> str:
        """EIP-712's encodeType: `Name(type name,...)`."""
        return f"{self.name}({','.join(f'{kind} {name}' for kind, name in self.members)})"


def _primary_type(line: str) -> PrimaryType:
    name, _, rest = line.rstrip(")").partition("(")
    members = [part.rpartition(" ") for part in rest.split(",")]
    return PrimaryType(name, tuple((kind or "string", member) for kind, _, member in members))


NOTIFICATION = _primary_type(
    "Notification(network,topic,title,body,url,expires,"
    "uint32 audienceCount,bytes32 audienceHash,bytes32 actionsHash,bytes32 sealedHash,bytes32 id)"
)
TOPIC = _primary_type("Topic(network,topic,title,description,bytes32 contentHash,bytes32 id)")
GRANT = _primary_type(
    "Grant(network,bytes32 key,kinds,topics,bytes32 sealKey,uint32 firstSeq,uint32 endSeq,notBefore,expires,bytes32 id)"
)
REVOCATION = _primary_type("Revocation(network,bytes32 grant,before,cutTime,uint32 cutSeq,bytes32 id)")
SUBSCRIPTION = _primary_type("Subscription(network,topic,state,bytes32 settingsHash,bool receipts,bytes32 id)")
RETRACTION = _primary_type("Retraction(network,topic,mode,bytes32 target,bytes32 replacement,bytes32 id)")
NODE_BINDING = _primary_type("NodeBinding(network,bytes32 node,expires,bytes32 id)")
PREFERENCES = _primary_type("Preferences(network,bytes32 entriesHash,bytes32 id)")
PRIVATE_SUBSCRIPTION = _primary_type("PrivateSubscription(network,topic,state,bytes32 settingsHash,bytes32 id)")
BATCH = _primary_type("Batch(network,author,kind,topic,uint64 epoch,uint32 firstSeq,uint32 count,expires,bytes32 root)")
LOGIN = _primary_type("LogIn(bytes32 networkId,bytes32 node,host,account,bytes32 nonce,issuedAt,purpose)")


def format_time(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, for 0..253402300799999 (the end of year 9999)."""
    seconds, ms = divmod(time_ms, 1000)
    return f"{_second(seconds)}{ms:03d}Z"


@lru_cache(maxsize=512)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19] + "."


def _hash_list(value: Any) -> bytes:
    return ZERO if value is None else sha256(pack(value))


def _topics(topics: list[Topic] | None) -> str:
    return "all" if topics is None else ", ".join(display_topic(topic) for topic in topics)


def _notification(network: Network, body: Notification, envelope_id: bytes) -> tuple[Value, ...]:
    return (
        network.display,
        display_topic(body.topic),
        body.title or "",
        body.body or "",
        body.url or "",
        format_time(body.expires_at),
        0 if body.audience is None else len(body.audience),
        _hash_list(body.audience),
        _hash_list(body.actions),
        _hash_list(body.sealed),
        envelope_id,
    )


def _topic(network: Network, body: TopicDetails, envelope_id: bytes) -> tuple[Value, ...]:
    content = sha256(pack([body.icon, body.categories, body.settings]))
    return network.display, display_topic(body.topic), body.title, body.description or "", content, envelope_id


def _grant(network: Network, body: Grant, envelope_id: bytes) -> tuple[Value, ...]:
    return (
        network.display,
        body.key,
        ", ".join(SCOPE_NAMES[Scope(scope)] for scope in body.scopes),
        _topics(body.topics),
        body.seal_key or ZERO,
        body.first_seq,
        body.end_seq,
        format_time(body.not_before),
        format_time(body.expires_at),
        envelope_id,
    )


def _revocation(network: Network, body: Revocation, envelope_id: bytes) -> tuple[Value, ...]:
    before = "" if body.before is None else format_time(body.before)
    return network.display, body.grant_id or ZERO, before, format_time(body.cut_time), body.cut_seq, envelope_id


def _subscription(network: Network, body: Subscription, envelope_id: bytes) -> tuple[Value, ...]:
    state = "on" if body.on else "off"
    settings = _hash_list(body.settings)
    return network.display, display_topic(body.topic), state, settings, body.receipts, envelope_id


def _retraction(network: Network, body: Retraction, envelope_id: bytes) -> tuple[Value, ...]:
    mode, replacement = MODE_NAMES[body.mode], body.replacement or ZERO
    return network.display, display_topic(body.topic), mode, body.target, replacement, envelope_id


def _node_binding(network: Network, body: NodeBinding, envelope_id: bytes) -> tuple[Value, ...]:
    return network.display, body.node_id, format_time(body.expires_at), envelope_id


def _preferences(network: Network, body: Preferences, envelope_id: bytes) -> tuple[Value, ...]:
    return network.display, _hash_list(body.entries), envelope_id


def _private_subscription(network: Network, body: PrivateSubscription, envelope_id: bytes) -> tuple[Value, ...]:
    state = "on" if body.on else "off"
    return network.display, display_topic(body.topic), state, _hash_list(body.settings), envelope_id


def batch_members(network: Network, batch: Batch) -> tuple[Value, ...]:
    """The values of BATCH."""
    return (
        network.display,
        display_account(batch.author),
        KIND_NAMES[batch.kind],
        display_topic(batch.topic),
        batch.epoch,
        batch.first_seq,
        batch.count,
        format_time(batch.expires_at),
        batch.root,
    )


def login_members(network: Network, words: LogInWords) -> tuple[Value, ...]:
    """The values of LOGIN."""
    account, issued_at = display_account(words.account), format_time(words.issued_at)
    return network.id, words.node_id, words.host, account, words.nonce, issued_at, words.purpose


ENVELOPE_TYPES: dict[int, PrimaryType] = {
    Kind.TOPIC: TOPIC,
    Kind.GRANT: GRANT,
    Kind.REVOCATION: REVOCATION,
    Kind.SUBSCRIPTION: SUBSCRIPTION,
    Kind.NOTIFICATION: NOTIFICATION,
    Kind.RETRACTION: RETRACTION,
    Kind.NODE_BINDING: NODE_BINDING,
    Kind.PREFERENCES: PREFERENCES,
    Kind.PRIVATE_SUBSCRIPTION: PRIVATE_SUBSCRIPTION,
}

_ENVELOPE_MEMBERS: dict[int, Callable[[Network, Any, bytes], tuple[Value, ...]]] = {
    Kind.TOPIC: _topic,
    Kind.GRANT: _grant,
    Kind.REVOCATION: _revocation,
    Kind.SUBSCRIPTION: _subscription,
    Kind.NOTIFICATION: _notification,
    Kind.RETRACTION: _retraction,
    Kind.NODE_BINDING: _node_binding,
    Kind.PREFERENCES: _preferences,
    Kind.PRIVATE_SUBSCRIPTION: _private_subscription,
}


def envelope_members(network: Network, kind: int, body: AnyBody, envelope_id: bytes) -> tuple[Value, ...]:
    """The values of `ENVELOPE_TYPES[kind]` for a body that passed `check_body`. Raises KeyError for an unknown kind."""
    return _ENVELOPE_MEMBERS[kind](network, body, envelope_id)
