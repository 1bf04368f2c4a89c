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


@dataclass(frozen=True, slots=True)
class Answered:
    """What to write, and the reasons to count."""

    data: bytes
    refused: list[Reason]


def subscribe(
    subscriptions: Subscriptions,
    principal: Principal,
    packet: SubscribePacket,
    *,
    wants_words: bool,
    max_packet_bytes: int,
) -> Answered:
    """Grant what may be granted; each filter by itself."""
    form = dict(packet.user_properties).get("format", Form.JSON)
    codes: list[SubAckReasonCode] = []
    refused: list[tuple[str, NotGranted]] = []
    for asked in packet.topic_filters:
        answer: SubAckReasonCode | NotGranted = _NO_FORM
        if form in Form.__members__.values():
            answer = subscriptions.subscribe(principal, asked.pattern, asked.max_qos, Form(form))
        if isinstance(answer, NotGranted):
            refused.append((asked.pattern, answer))
        codes.append(answer.code if isinstance(answer, NotGranted) else answer)
    plain = SubAckPacket(packet.packet_id, codes).write()
    if refused and wants_words:
        words = [("reason", str(each.reason)) for _, each in refused[:TOLD]]
        text = _text([(pattern, each.detail) for pattern, each in refused])
        told = SubAckPacket(packet.packet_id, codes, reason_str=text, user_properties=words).write()
        plain = told if len(told) <= max_packet_bytes else plain
    return Answered(plain, [each.reason for _, each in refused])


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
