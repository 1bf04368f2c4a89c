"""What a wallet says and is told of its devices and of what it has read, in JSON: alike on every transport."""

from collections.abc import Sequence
from typing import Any

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Principal
from .contract import Cursor
from .cursor import commit_no_of, format_cursor
from .service import Service, check_device
from .wallet_state import MOST_MARKS, ReadState, WalletState


async def devices_form(service: Service, principal: Principal) -> dict[str, Any]:
    """`{"devices": [{"device", "cursor"}], "read": {"cursor", "messages"}, "unread"}`. Raises Denied."""
    wallets, cursor = service.wallets, service.forms.cursor
    places = await wallets.places(principal)
    return {
        "devices": [{"device": device, "cursor": cursor(place)} for device, place in sorted(places.items())],
        "read": read_form(service.inboxes.incarnation(), await wallets.read_state(principal)),
        "unread": await wallets.unread(principal),
    }


async def mark_read(
    wallets: WalletState,
    incarnation: bytes,
    principal: Principal,
    device: str,
    cursor: str | None,
    messages: Sequence[str],
) -> dict[str, Any]:
    """All up to the cursor is read, and the messages of these cursors: `{"device", "cursor", "messages", "unread"}`.

    Raises Denied `bad-cursor`, `bad-request`, `forbidden`."""
    if len(messages) > MOST_MARKS:
        raise Denied(Reason.BAD_REQUEST, f"at most {MOST_MARKS} messages at a time")
    commit_no = 0 if cursor is None else commit_no_of(cursor, incarnation)
    marks = [commit_no_of(message, incarnation) for message in messages]
    state, unread = await wallets.read(principal, check_device(device), commit_no, marks)
    return {"device": device, **read_form(incarnation, state), "unread": unread}


def read_form(incarnation: bytes, state: ReadState) -> dict[str, Any]:
    """`{"cursor", "messages"}`: read is all up to the cursor, and these above it."""

    def text(commit_no: int) -> str:
        return format_cursor(Cursor(incarnation, commit_no))

    return {"cursor": text(state.commit_no), "messages": [text(mark) for mark in state.marks]}
