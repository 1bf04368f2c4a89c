"""SUBSCRIBE and UNSUBSCRIBE: which filters are granted, and the answer that says why others are not. No socket."""

from collections.abc import Sequence
from dataclasses import dataclass

from mqtt5 import SubAckPacket, SubAckReasonCode, SubscribePacket, UnsubAckPacket, UnsubAckReasonCode, UnsubscribePacket

from pushmesh_protocol.reasons import Reason

from ...engine.answers import Principal
from .subscriptions import Form, NotGranted, Subscriptions

TOLD = 8
"""Filters that an answer gives a reason for; the codes cover all."""

SHOWN = 64
"""Characters of a filter that a reason repeats."""

_NO_FORM = NotGranted(SubAckReasonCode.IMPLEMENTATION_SPECIFIC_ERROR, Reason.BAD_REQUEST, "the format is json or frame")
_NO_MARKERS = NotGranted(SubAckReasonCode.IMPLEMENTATION_SPECIFIC_ERROR, Reason.BAD_REQUEST, "markers is 0 or 1")


@dataclass(frozen=True, slots=True)
class Answered:
    """What to write, and the reasons to count; `wants_live` where a filter was granted that asked for markers."""

    data: bytes
    refused: list[Reason]
    wants_live: bool = False


def subscribe(
    subscriptions: Subscriptions,
    principal: Principal,
    packet: SubscribePacket,
    *,
    wants_words: bool,
    max_packet_bytes: int,
) -> Answered:
    """Grant what may be granted; each filter by itself."""
    wishes = dict(packet.user_properties)
    form, markers = wishes.get("format", Form.JSON), wishes.get("markers", "0")
    codes: list[SubAckReasonCode] = []
    refused: list[tuple[str, NotGranted]] = []
    for asked in packet.topic_filters:
        answer: SubAckReasonCode | NotGranted = _NO_FORM
        if markers not in ("0", "1"):
            answer = _NO_MARKERS
        elif form in Form.__members__.values():
            is_marked = markers == "1"
            answer = subscriptions.subscribe(principal, asked.pattern, asked.max_qos, Form(form), is_marked=is_marked)
        if isinstance(answer, NotGranted):
            refused.append((asked.pattern, answer))
        codes.append(answer.code if isinstance(answer, NotGranted) else answer)
    plain = SubAckPacket(packet.packet_id, codes).write()
    if refused and wants_words:
        words = [("reason", str(each.reason)) for _, each in refused[:TOLD]]
        text = _text([(pattern, each.detail) for pattern, each in refused])
        told = SubAckPacket(packet.packet_id, codes, reason_str=text, user_properties=words).write()
        plain = told if len(told) <= max_packet_bytes else plain
    wants_live = markers == "1" and len(refused) < len(codes) and bool(subscriptions.marked)
    return Answered(plain, [each.reason for _, each in refused], wants_live)


def unsubscribe(
    subscriptions: Subscriptions, packet: UnsubscribePacket, *, wants_words: bool, max_packet_bytes: int
) -> bytes:
    """Forget filters; the answer says which were none."""
    codes = [subscriptions.unsubscribe(pattern) for pattern in packet.patterns]
    plain = UnsubAckPacket(packet.packet_id, codes).write()
    unknown = [
        (pattern, "this was not subscribed to")
        for pattern, code in zip(packet.patterns, codes, strict=True)
        if code == UnsubAckReasonCode.NO_SUBSCRIPTION_EXISTED
    ]
    if unknown and wants_words:
        told = UnsubAckPacket(packet.packet_id, codes, reason_str=_text(unknown)).write()
        plain = told if len(told) <= max_packet_bytes else plain
    return plain


def _text(told: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{pattern[:SHOWN]}: {detail}" for pattern, detail in told[:TOLD])
