"""The client's side of publishing: what it may send, which request that is, and what it is answered. No socket."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mqtt5 import DisconnectReasonCode, PublishPacket, QoS

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from ...engine.answers import Acknowledged, Outcome, Permission, Principal
from .aliases import InboundAliases
from .events import SubmitAcknowledgement, SubmitFrame, SubmitRead
from .limits import Limits
from .rendering import JSON_TYPE
from .requests import (
    Request,
    Requests,
    Why,
    acknowledgement,
    is_json,
    read_acknowledgement,
    read_marks,
    read_wait,
    receipt_json,
    refusal_json,
    summary,
)
from .subscriptions import ACK, PUBLISH, READ, Subscriptions
from .wire import Broken


@dataclass(frozen=True, slots=True)
class Reply:
    """What to write for a request that was answered; `refused` is the reason to count, None for success."""

    data: bytes
    refused: Reason | None


_NOTHING = Reply(b"", None)
_DONE = Why(Reason.OK, "", "")

Order: TypeAlias = SubmitFrame | SubmitAcknowledgement | SubmitRead


class Publisher:
    """The requests of one connection; `wants_words` and `max_packet_bytes` are the client's wishes."""

    def __init__(self, limits: Limits, *, wants_words: bool, max_packet_bytes: int) -> None:
        self._limits = limits
        self._wants_words = wants_words
        self._max_packet_bytes = max_packet_bytes
        self._requests = Requests()
        self._aliases = InboundAliases(limits.inbound_aliases)

    @property
    def is_full(self) -> bool:
        """Whether so much waits for an answer that the client must not be read from."""
        requests = self._requests
        return requests.count >= self._limits.waiting_requests or requests.size_bytes >= self._limits.waiting_bytes

    def open(self, packet: PublishPacket) -> str | Broken:
        """The topic of a PUBLISH, or what the client must not do after reading CONNACK."""
        return self._broken(packet) or self._aliases.topic_of(packet)

    def _broken(self, packet: PublishPacket) -> Broken | None:
        if packet.qos == QoS.EXACTLY_ONCE:
            return Broken(DisconnectReasonCode.QOS_NOT_SUPPORTED, "the highest QoS is 1")
        if packet.retain:
            return Broken(DisconnectReasonCode.RETAIN_NOT_SUPPORTED, "nothing is retained")
        if packet.packet_id is None:
            return None
        if self._requests.acknowledgeable >= self._limits.inbound_window:
            return Broken(DisconnectReasonCode.RECEIVE_MAX_EXCEEDED, "more publishes without PUBACK than allowed")
        if self._requests.holds(packet.packet_id):
            return Broken(DisconnectReasonCode.PROTOCOL_ERROR, "the packet id is in use")
        return None

    def take(
        self, packet: PublishPacket, topic: str, principal: Principal, subscriptions: Subscriptions
    ) -> Order | Reply | Broken:
        """The order that follows from a PUBLISH to this topic. One that cannot be followed is answered at once.

        It is Broken only where it is refused and QoS 0 without response topic leaves no other way to say so."""
        request = self._requests.add(packet)
        try:
            if self._requests.untold > self._limits.waiting_receipts:
                detail = f"at most {self._limits.waiting_receipts} publishes may wait for their receipts"
                raise Refusal(Reason.RATE_LIMITED, "", detail)
            return _order(packet, topic, request.number, principal, subscriptions)
        except Refusal as refusal:
            if not subscriptions.takes_receipts(request.response_topic or ""):
                self._requests.told(request)
            if request.packet_id is None and request.response_topic is None:
                code = DisconnectReasonCode.PAYLOAD_FORMAT_INVALID
                forbidden = refusal.reason is Reason.FORBIDDEN
                return Broken(DisconnectReasonCode.NOT_AUTHORIZED if forbidden else code, refusal.detail)
            return self._settle(request, Why(refusal.reason, refusal.rule, refusal.detail))

    def frame_answered(self, number: int, outcomes: Sequence[Outcome]) -> Reply:
        """The answer to a SubmitFrame that was judged: its PUBACK, once all is durable."""
        request, why = self._requests.get(number), summary(outcomes)
        return _NOTHING if request is None else Reply(self._acknowledge(request, why), _refused(why))

    def told(self, number: int, acknowledged: Sequence[Acknowledged]) -> Reply:
        """The receipts of a SubmitFrame that waited."""
        request = self._requests.get(number)
        return _NOTHING if request is None else self._tell(request, receipt_json(acknowledged))

    def marked(self, number: int, form: bytes) -> Reply:
        """The answer to a SubmitRead that was done, with what is to be told of it."""
        request = self._requests.get(number)
        return _NOTHING if request is None else self._settle(request, _DONE, form)

    def answered(self, number: int, why: Why) -> Reply:
        """The answer to any request as a whole."""
        request = self._requests.get(number)
        return _NOTHING if request is None else self._settle(request, why)

    def _settle(self, request: Request, why: Why, form: bytes | None = None) -> Reply:
        """Tell the same in both places, or with a form more than PUBACK can."""
        told = self._tell(request, refusal_json(why) if form is None else form)
        return Reply(told.data + self._acknowledge(request, why), _refused(why) or told.refused)

    def _acknowledge(self, request: Request, why: Why) -> bytes:
        """Without words for a client that takes no packet so large (MQTT-3.4.2-2)."""
        answer = acknowledgement(request, why, with_words=self._wants_words)
        if answer is not None and answer.reason_str and len(answer.write()) > self._max_packet_bytes:
            answer = acknowledgement(request, why, with_words=False)
        return self._requests.answer(request, answer)

    def _tell(self, request: Request, payload: bytes) -> Reply:
        topic = request.response_topic
        if topic is None:
            return _NOTHING
        self._requests.told(request)
        packet = PublishPacket(
            topic,
            payload,
            correlation_data=request.correlation,
            content_type=JSON_TYPE,
            payload_format_indicator=1,
        ).write()
        return Reply(packet, None) if len(packet) <= self._max_packet_bytes else Reply(b"", Reason.OVERSIZE)


def _refused(why: Why) -> Reason | None:
    return None if why.reason in (Reason.OK, Reason.DUPLICATE) else why.reason


def _order(packet: PublishPacket, topic: str, number: int, principal: Principal, subscriptions: Subscriptions) -> Order:
    """Raises Refusal."""
    if topic not in (PUBLISH, ACK, READ):
        raise Refusal(Reason.FORBIDDEN, "", f"the topics to publish to are {PUBLISH}, {ACK} and {READ}")
    if packet.response_topic is not None and not subscriptions.takes_receipts(packet.response_topic):
        raise Refusal(Reason.FORBIDDEN, "", "the response topic is not subscribed to, under pushmesh/receipts/")
    if topic == ACK:
        return _acknowledgement(packet, number, principal)
    if topic == READ:
        cursor, messages = read_marks(packet)
        _require_read(principal)
        return SubmitRead(number, cursor, messages)
    if Permission.PUBLISH not in principal.permissions:
        raise Refusal(Reason.FORBIDDEN, "11.3", "the token has no scope publish")
    return SubmitFrame(number, packet.payload, is_json(packet), read_wait(packet))


def _acknowledgement(packet: PublishPacket, number: int, principal: Principal) -> SubmitAcknowledgement:
    cursor, voucher = read_acknowledgement(packet)
    _require_read(principal)
    if voucher is not None and voucher.account != principal.account:
        raise Refusal(Reason.FORBIDDEN, "10.1", "the voucher is another wallet's")
    return SubmitAcknowledgement(number, cursor, voucher)


def _require_read(principal: Principal) -> None:
    """Raises Refusal."""
    if Permission.READ not in principal.permissions:
        raise Refusal(Reason.FORBIDDEN, "11.3", "the token has no scope read")
