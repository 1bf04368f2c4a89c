"""JSON of a stream read into events. Pure; every transport shares it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pushmesh_protocol.armor import from_text
from pushmesh_protocol.errors import Refusal

from ..errors import BadAnswer
from .contract import Delivery, Ended, Event, Live, MarkRefused, ReadState, VoucherAnswer, Welcome

Json = Mapping[str, Any]


def read_json(text: str | bytes) -> Json:
    """Raises BadAnswer for what is no JSON object."""
    try:
        answer = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise BadAnswer("the node sent something that is not JSON on the stream") from error
    if not isinstance(answer, dict):
        raise BadAnswer("the node sent JSON that is no object on the stream")
    return answer


def read_delivery(answer: Json) -> Delivery:
    """A message in its JSON form. Raises BadAnswer."""
    try:
        frame = from_text(answer["frame"])
        return Delivery(str(answer["cursor"]), frame, str(answer["verdict"]), str(answer["reason"]))
    except (KeyError, TypeError, AttributeError, Refusal) as error:
        raise BadAnswer("the node sent a message without cursor, frame, verdict and reason") from error


def read_event(answer: Json) -> Event | None:
    """The event of a server frame `{"type": ...}`; None for those that a wallet need not act on."""
    match answer.get("type"):
        case "message":
            return read_delivery(answer)
        case "live":
            return Live(answer.get("cursor"))
        case "voucher":
            detail = str(answer.get("detail", ""))
            return VoucherAnswer(answer.get("accepted") is True, str(answer.get("reason", "")), detail)
        case "welcome":
            return Welcome(_hex(answer.get("node_id")))
        case "read":
            return read_marks(answer)
        case "error" if answer.get("about") == "read":
            return MarkRefused(str(answer.get("reason", "")), str(answer.get("detail", "")))
        case "end":
            return Ended(str(answer.get("reason", "")), str(answer.get("detail", "")))
        case _:
            return None


def read_marks(answer: Json) -> ReadState:
    """What is read now, as every transport says it. Raises BadAnswer."""
    try:
        listed = answer["messages"]
        messages = None if listed is None else tuple([str(cursor) for cursor in listed])
        return ReadState(str(answer["device"]), str(answer["cursor"]), messages, int(answer["unread"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer("the node told what was read in a form that cannot be read") from error


def _hex(text: object) -> bytes:
    try:
        return bytes.fromhex(str(text))
    except ValueError as error:
        raise BadAnswer("the node named itself by something that is not hex") from error
