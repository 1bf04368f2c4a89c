"""What a client publishes: read into requests, and answered in the order in which they came."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from mqtt5 import PubAckPacket, PubAckReasonCode, PublishPacket

from pushmesh_protocol.armor import from_text
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.levels import LEVELS
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.vouchers import Voucher, decode_voucher

from ...engine.answers import Acknowledged, Denied, Level, Outcome, Wait
from .codes import puback_code
from .rendering import JSON_TYPE

MOST_WAITED_FOR = 1_000_000
WAIT_WORDS = ("wait", "k", "timeout_s")
_WAITABLE = tuple(level for level in LEVELS if level != Level.REFUSED)


class _ReadForm(msgspec.Struct, forbid_unknown_fields=True):
    """What is read: up to a cursor, and the messages of these cursors."""

    cursor: str | None = None
    messages: list[str] = []


_ack_json = msgspec.json.Decoder(dict[str, Any])
_ack_msgpack = msgspec.msgpack.Decoder(dict[str, Any])
_read_json = msgspec.json.Decoder(_ReadForm)
_read_msgpack = msgspec.msgpack.Decoder(_ReadForm)
_encode_json = msgspec.json.Encoder().encode


def is_json(packet: PublishPacket) -> bool:
    """By its content type; without one, by its first byte (a frame or a MessagePack map never starts with a brace)."""
    if packet.content_type is None:
        return packet.payload[:1] == b"{"
    return packet.content_type == JSON_TYPE


def read_acknowledgement(packet: PublishPacket) -> tuple[str | None, Voucher | None]:
    """The cursor and the voucher of a PUBLISH to `pushmesh/ack`. Raises Refusal for anything else.

    It is a JSON object, the voucher in base64url, or a MessagePack map, the voucher in bytes."""
    try:
        form = (_ack_json if is_json(packet) else _ack_msgpack).decode(packet.payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Refusal(Reason.BAD_REQUEST, "", "an acknowledgement is {cursor, voucher}") from error
    cursor, voucher = form.get("cursor"), form.get("voucher")
    if not form.keys() <= {"cursor", "voucher"} or not isinstance(cursor, str | None):
        raise Refusal(Reason.BAD_REQUEST, "", "an acknowledgement is {cursor, voucher}, the cursor a text")
    if isinstance(voucher, str):
        voucher = from_text(voucher)
    if isinstance(voucher, bytes):
        return cursor, decode_voucher(voucher)
    if voucher is not None or cursor is None:
        raise Refusal(Reason.BAD_REQUEST, "", "an acknowledgement needs a cursor, or a voucher in base64url or binary")
    return cursor, None


def read_marks(packet: PublishPacket) -> tuple[str | None, Sequence[str]]:
    """The cursor and the messages of a PUBLISH to `pushmesh/read`, as JSON or MessagePack. Raises Refusal for anything
    else."""
    try:
        form = (_read_json if is_json(packet) else _read_msgpack).decode(packet.payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        detail = "what was read is {cursor, messages}, the messages a list of cursors"
        raise Refusal(Reason.BAD_REQUEST, "", detail) from error
    return form.cursor, form.messages


def read_wait(packet: PublishPacket) -> Wait | None:
    """What a publish with a response topic waits for: its user properties `wait`, `k` and `timeout_s`, which mean what
    they mean over HTTP. Raises Refusal."""
    words = {name: value for name, value in packet.user_properties if name in WAIT_WORDS}
    if packet.response_topic is None:
        if words:
            raise Refusal(Reason.BAD_REQUEST, "", "who waits for a level has a response topic to hear of it")
        return None
    level, count, timeout_s = words.get("wait", Level.DURABLE), words.get("k", "1"), words.get("timeout_s", "10")
    if level not in _WAITABLE:
        raise Refusal(Reason.BAD_REQUEST, "", f"wait is one of {', '.join(_WAITABLE)}")
    if not (count.isascii() and count.isdigit() and len(count) < 9 and 1 <= int(count) <= MOST_WAITED_FOR):
        raise Refusal(Reason.BAD_REQUEST, "", f"k is a whole number from 1 to {MOST_WAITED_FOR}")
    try:
        seconds = float(timeout_s)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:  # NaN compares false
        raise Refusal(Reason.BAD_REQUEST, "", "timeout_s is a number of seconds from 0")
    return Wait(Level(level), int(count), seconds)


@dataclass(frozen=True, slots=True)
class Why:
    """How a request was answered as a whole; `retry_after_s` is set where the same may come again then."""

    reason: Reason
    rule: str
    detail: str
    retry_after_s: float | None = None


@dataclass(slots=True)
class Request:
    """A PUBLISH of the client that waits for its answer, and (with a response topic) for what is told there;
    `packet_id` is None for QoS 0."""

    number: int
    packet_id: int | None
    size_bytes: int
    response_topic: str | None
    correlation: bytes | None
    answer: PubAckPacket | None = field(default=None)
    is_answered: bool = False


class Requests:
    """The unanswered requests of a connection, in order."""

    def __init__(self) -> None:
        self._waiting: deque[Request] = deque()
        self._by_number: dict[int, Request] = {}
        self._next = 0
        self.size_bytes = 0
        self.acknowledgeable = 0
        """How many of them are QoS 1."""
        self.untold = 0
        """How many have still to be told something on their response topic, answered or not."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._waiting)

    def holds(self, packet_id: int) -> bool:
        """Whether an unanswered request has this packet id."""
        return any(request.packet_id == packet_id for request in self._waiting)

    def add(self, packet: PublishPacket) -> Request:
        """A new request."""
        request = Request(
            self._next, packet.packet_id, len(packet.payload), packet.response_topic, packet.correlation_data
        )
        self._next += 1
        self._waiting.append(request)
        self._by_number[request.number] = request
        self.size_bytes += request.size_bytes
        self.acknowledgeable += packet.packet_id is not None
        self.untold += packet.response_topic is not None
        return request

    def get(self, number: int) -> Request | None:
        """The request of this number; None where it has been answered and told."""
        return self._by_number.get(number)

    def told(self, request: Request) -> None:
        """Nothing more is to be told on its response topic."""
        if request.response_topic is not None:
            request.response_topic = None
            self.untold -= 1
            if request.is_answered:
                self._by_number.pop(request.number, None)

    def answer(self, request: Request, answer: PubAckPacket | None) -> bytes:
        """Set a request's answer; returns what may be written now: PUBACKs leave in the order of their requests."""
        if request.is_answered:
            return b""
        request.answer, request.is_answered = answer, True
        if request.response_topic is None:
            del self._by_number[request.number]
        ready: list[bytes] = []
        while self._waiting and self._waiting[0].is_answered:
            first = self._waiting.popleft()
            self.size_bytes -= first.size_bytes
            if first.answer is not None:
                self.acknowledgeable -= 1
                ready.append(first.answer.write())
        return b"".join(ready)


def acknowledgement(request: Request, why: Why, *, with_words: bool) -> PubAckPacket | None:
    """The PUBACK of a request, None for QoS 0; without words where the client asked for none."""
    if request.packet_id is None:
        return None
    code = puback_code(why.reason)
    if code == PubAckReasonCode.SUCCESS or not with_words:
        return PubAckPacket(request.packet_id, reason_code=code)
    words = [("reason", str(why.reason)), ("rule", why.rule)]
    if why.retry_after_s is not None:
        words.append(("retry-after-s", f"{why.retry_after_s:.3f}"))
    text = why.detail or str(why.reason)
    return PubAckPacket(request.packet_id, reason_code=code, reason_str=text, user_properties=words)


def summary(outcomes: Sequence[Outcome]) -> Why:
    """One answer for many outcomes: ok where all are durable, else the first that is not."""
    for outcome in outcomes:
        if outcome.level is not Level.DURABLE:
            return Why(outcome.reason, outcome.rule, outcome.detail, outcome.retry_after_s)
    return Why(Reason.OK, "", "")


def receipt_json(acknowledged: Sequence[Acknowledged]) -> bytes:
    """The payload for a topic of receipts."""
    return _encode_json({"outcomes": [each.as_json() for each in acknowledged]})


def refusal_json(why: Why) -> bytes:
    """The payload for a topic of receipts where a request was refused, or taken, as a whole."""
    return _encode_json(Denied(why.reason, why.detail, why.rule, why.retry_after_s).as_json())
