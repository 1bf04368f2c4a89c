"""What a wallet says and is told of its devices and of what it has read, in JSON: alike on every HTTP transport."""

from collections.abc import Sequence
from typing import Any

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Principal
from .cursor import commit_no_of
from .service import Service, check_device
from .wallet_state import MOST_MARKS, ReadState


async def devices_form(service: Service, principal: Principal) -> dict[str, Any]:
    """`{"devices": [{"device", "cursor"}], "read": {"cursor", "messages"}, "unread"}`. Raises Denied."""
    wallets, cursor = service.wallets, service.forms.cursor
    places = await wallets.places(principal)
    return {
        "devices": [{"device": device, "cursor": cursor(place)} for device, place in sorted(places.items())],
        "read": read_form(service, await wallets.read_state(principal)),
        "unread": await wallets.unread(principal),
    }


async def mark_read(
    service: Service, principal: Principal, device: str, cursor: str | None, messages: Sequence[str]
) -> dict[str, Any]:
    """All up to the cursor is read, and the messages of these cursors: `{"device", "cursor", "messages", "unread"}`.

    Raises Denied `bad-cursor`, `bad-request`, `forbidden`."""
    if len(messages) > MOST_MARKS:
        raise Denied(Reason.BAD_REQUEST, f"at most {MOST_MARKS} messages at a time")
    incarnation = service.inboxes.incarnation()
    commit_no = 0 if cursor is None else commit_no_of(cursor, incarnation)
    marks = [commit_no_of(message, incarnation) for message in messages]
    state, unread = await service.wallets.read(principal, check_device(device), commit_no, marks)
    return {"device": device, **read_form(service, state), "unread": unread}


def read_form(service: Service, state: ReadState) -> dict[str, Any]:
    """`{"cursor", "messages"}`: read is all up to the cursor, and these above it."""
    cursor = service.forms.cursor
    return {"cursor": cursor(state.commit_no), "messages": [cursor(mark) for mark in state.marks]}
