"""Takes a client's requests to the node: all frames that wait in one call, a few calls at a time."""

from collections.abc import Callable, Sequence

import msgspec

from pushmesh_protocol.display import frame_from_json
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from ...admission import Caller, Door, Ticket
from ...engine.answers import Denied, Outcome, Principal
from ..cursor import commit_no_of
from ..service import Publish
from ..wallet_forms import mark_read
from .events import (
    FrameAnswered,
    MarkedRead,
    ReceiptsGiven,
    RequestAnswered,
    SubmitAcknowledgement,
    SubmitFrame,
    SubmitRead,
)
from .ports import Ports, PublishAndTell

Answer = FrameAnswered | RequestAnswered

_encode_json = msgspec.json.Encoder().encode


def admit(door: Door, caller: Caller, order: SubmitFrame) -> Ticket | RequestAnswered:
    """The order's ticket, or its answer where the node has no room for it."""
    try:
        return door.admit(caller, len(order.payload))
    except Denied as denied:
        return _denied(order.number, denied)


async def publish(way_in: Publish, door: Door, orders: Sequence[tuple[SubmitFrame, Ticket]]) -> list[Answer]:
    """One answer an order. Never raises for a client's fault or a node that cannot take more."""
    answers: list[Answer] = []
    frames: list[bytes] = []
    numbers: list[int] = []
    tickets: list[Ticket] = []
    for order, ticket in orders:
        frame = _frame(order)
        if isinstance(frame, bytes):
            frames.append(frame)
            numbers.append(order.number)
            tickets.append(ticket)
        else:
            door.give_back(ticket)
            answers.append(frame)
    if not frames:
        return answers
    try:
        outcomes = await way_in(frames, tickets)
    except Denied as denied:
        return answers + [_denied(number, denied) for number in numbers]
    return answers + [FrameAnswered(number, each) for number, each in zip(numbers, outcomes, strict=True)]


async def publish_and_tell(
    way_in: PublishAndTell,
    door: Door,
    order: SubmitFrame,
    ticket: Ticket,
    durable: Callable[[Sequence[Outcome]], None],
) -> ReceiptsGiven | RequestAnswered:
    """The answer to an order that waits; `durable` is told of the outcomes before. Never raises for a client's fault or
    a node that cannot take more."""
    assert order.wait is not None
    frame = _frame(order)
    if not isinstance(frame, bytes):
        door.give_back(ticket)
        return frame
    try:
        return ReceiptsGiven(order.number, await way_in(frame, order.wait, [ticket], durable))
    except Denied as denied:
        return _denied(order.number, denied)


def _frame(order: SubmitFrame) -> bytes | RequestAnswered:
    if not order.is_json:
        return order.payload
    try:
        return frame_from_json(msgspec.json.decode(order.payload))
    except Refusal as refusal:
        return RequestAnswered(order.number, refusal.reason, refusal.rule, refusal.detail)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return RequestAnswered(order.number, Reason.MALFORMED, "", f"not JSON: {error}")


async def acknowledge(ports: Ports, principal: Principal, device: str, order: SubmitAcknowledgement) -> Answer:
    """The answer to an explicit acknowledgement, counted where it refuses; the voucher counts only where the cursor is
    good too."""
    inboxes = ports.inboxes
    try:
        if order.cursor is not None:
            await inboxes.acknowledge(principal, device, commit_no_of(order.cursor, inboxes.incarnation()))
        if order.voucher is not None:
            await inboxes.take_voucher(principal, order.voucher)
    except Denied as denied:
        ports.refused_access(denied.reason)
        return _denied(order.number, denied)
    return RequestAnswered(order.number, Reason.OK, "", "")


async def mark(ports: Ports, principal: Principal, device: str, order: SubmitRead) -> MarkedRead | RequestAnswered:
    """The answer to what a person has read, counted where it refuses."""
    incarnation = ports.inboxes.incarnation()
    try:
        form = await mark_read(ports.wallets, incarnation, principal, device, order.cursor, order.messages)
    except Denied as denied:
        ports.refused_access(denied.reason)
        return _denied(order.number, denied)
    return MarkedRead(order.number, _encode_json(form))


def _denied(number: int, denied: Denied) -> RequestAnswered:
    return RequestAnswered(number, denied.reason, denied.rule, denied.detail, denied.retry_after_s)
