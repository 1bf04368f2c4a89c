"""The topics that exist on the endpoint, and which of them a session has subscribed to. Nothing else exists."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mqtt5 import QoS, SubAckReasonCode, UnsubAckReasonCode

from pushmesh_protocol.accounts import Topic, display_topic, parse_topic
from pushmesh_protocol.errors import AccountError
from pushmesh_protocol.reasons import Reason

from ...engine.answers import Permission, Principal

INBOX = "pushmesh/inbox"
INBOX_TREE = "pushmesh/inbox/#"
PUBLISH = "pushmesh/publish"
ACK = "pushmesh/ack"
READ = "pushmesh/read"
RECEIPTS = "pushmesh/receipts/"
DEVICES = "pushmesh/devices"
SUBSCRIPTIONS = "pushmesh/subscriptions"
NEWS = frozenset({DEVICES, SUBSCRIPTIONS})
MAX_RECEIPT_TOPIC = 256


class Form(StrEnum):
    """How a message is written: the display form, or the frame that the wallet can verify by itself."""

    JSON = "json"
    FRAME = "frame"


@dataclass(frozen=True, slots=True)
class Granted:
    """A subscription that was granted, under QoS 1 or 0; `pattern` is the client's own spelling. With `is_marked` the
    client wants to be told where what is stored ends and what is new begins."""

    pattern: str
    is_sure: bool
    form: Form
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class NotGranted:
    """Why a filter is refused."""

    code: SubAckReasonCode
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Route:
    """Where and how a message goes to this client; sure is QoS 1."""

    topic: str
    is_sure: bool
    form: Form


class Subscriptions:
    """The filters of one session, at most `limit`; outlives its connection where the session does."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._granted: dict[str, Granted] = {}
        self._topics: dict[Topic, Granted] = {}
        self._whole: Route | None = None

    @property
    def wants_inbox(self) -> bool:
        """Whether any filter selects messages of the inbox."""
        return bool(self._topics) or INBOX in self._granted or INBOX_TREE in self._granted

    @property
    def selection(self) -> frozenset[Topic] | None:
        """The topics whose messages are wanted; None is the whole inbox."""
        whole = INBOX in self._granted or INBOX_TREE in self._granted
        return None if whole else frozenset(self._topics)

    @property
    def marked(self) -> Sequence[str]:
        """The topics on which the client wants markers: the inbox where a filter selects all of it, and single ones."""
        granted = self._granted
        whole = any(each in granted and granted[each].is_marked for each in (INBOX, INBOX_TREE))
        single = [each.pattern for each in self._topics.values() if each.is_marked]
        return [INBOX, *single] if whole else single

    @property
    def news(self) -> frozenset[str]:
        """Which news of the wallet are wanted."""
        return NEWS & self._granted.keys()

    @property
    def only_route(self) -> Route | None:
        """The way of every message, where they all go the same."""
        if self._topics or INBOX_TREE in self._granted:
            return None
        return self._whole

    def takes_receipts(self, topic: str) -> bool:
        """Whether this topic of receipts is subscribed to."""
        return topic.startswith(RECEIPTS) and topic in self._granted

    def route(self, topic: Topic | None) -> Route | None:
        """Where a message of this topic goes; None where no filter selects it. The narrowest filter wins."""
        granted = self._topics.get(topic) if topic is not None else None
        if granted is not None:
            return Route(granted.pattern, granted.is_sure, granted.form)
        granted = self._granted.get(INBOX_TREE)
        if granted is not None and topic is not None:
            return Route(f"{INBOX}/{display_topic(topic)}", granted.is_sure, granted.form)
        return self._whole

    def subscribe(
        self, principal: Principal, pattern: str, max_qos: QoS, form: Form, *, is_marked: bool = False
    ) -> SubAckReasonCode | NotGranted:
        """Grant a filter or say why not; a filter that is there already is replaced."""
        topic = _judge(principal, pattern)
        if isinstance(topic, NotGranted):
            return topic
        if pattern not in self._granted and len(self._granted) >= self._limit:
            detail = f"a session has at most {self._limit} filters"
            return NotGranted(SubAckReasonCode.QUOTA_EXCEEDED, Reason.BAD_REQUEST, detail)
        # Of receipts the sure answer is PUBACK, and news may be asked for again.
        is_sure = max_qos != QoS.AT_MOST_ONCE and not pattern.startswith(RECEIPTS) and pattern not in NEWS
        granted = Granted(pattern, is_sure, form, is_marked)
        if topic is not None:
            other = self._topics.get(topic)
            if other is not None:  # the same topic in another spelling
                del self._granted[other.pattern]
            self._topics[topic] = granted
        self._granted[pattern] = granted
        if pattern == INBOX:
            self._whole = Route(INBOX, is_sure, form)
        code = SubAckReasonCode
        return code.GRANTED_QOS_AT_LEAST_ONCE if is_sure else code.GRANTED_QOS_AT_MOST_ONCE

    def unsubscribe(self, pattern: str) -> UnsubAckReasonCode:
        """Forget a filter."""
        if self._granted.pop(pattern, None) is None:
            return UnsubAckReasonCode.NO_SUBSCRIPTION_EXISTED
        if pattern == INBOX:
            self._whole = None
        self._topics = {topic: granted for topic, granted in self._topics.items() if granted.pattern != pattern}
        return UnsubAckReasonCode.SUCCESS


def _judge(principal: Principal, pattern: str) -> Topic | NotGranted | None:
    """The topic that a filter selects, None for what is no topic of the inbox, or why there is no such filter."""
    code = SubAckReasonCode
    if pattern.startswith("$share/"):
        detail = "there are no shared subscriptions"
        return NotGranted(code.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED, Reason.FORBIDDEN, detail)
    if pattern.startswith(RECEIPTS) and not _has_wildcard(pattern):
        if len(RECEIPTS) < len(pattern) <= MAX_RECEIPT_TOPIC:
            return None
        detail = f"a topic of receipts has a name, and at most {MAX_RECEIPT_TOPIC} characters"
        return NotGranted(code.TOPIC_FILTER_INVALID, Reason.BAD_REQUEST, detail)
    if _has_wildcard(pattern) and pattern != INBOX_TREE:
        detail = f"the only wildcard is {INBOX_TREE}"
        return NotGranted(code.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED, Reason.FORBIDDEN, detail)
    if Permission.READ not in principal.permissions:
        return NotGranted(code.NOT_AUTHORIZED, Reason.FORBIDDEN, "the token has no scope read")
    if pattern in (INBOX, INBOX_TREE) or pattern in NEWS:
        return None
    topic = _topic_of(pattern)
    if topic is None:
        return NotGranted(code.NOT_AUTHORIZED, Reason.FORBIDDEN, "there is no such topic for this wallet")
    if principal.topics is not None and topic not in principal.topics:
        return NotGranted(code.NOT_AUTHORIZED, Reason.FORBIDDEN, "the token does not cover this topic")
    return topic


def _has_wildcard(pattern: str) -> bool:
    return "#" in pattern or "+" in pattern


def _topic_of(pattern: str) -> Topic | None:
    if not pattern.startswith(f"{INBOX}/"):
        return None
    try:
        return parse_topic(pattern.removeprefix(f"{INBOX}/"))
    except AccountError:
        return None
