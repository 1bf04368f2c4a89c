"""Cursors: where a consumer stands in this node's store. As text `<incarnation hex>.<commit number>`, `0` or `now`."""

import re
from dataclasses import dataclass

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Principal
from .contract import Cursor, Inboxes

BEGINNING, NOW = "0", "now"
_CURSOR = re.compile(r"([0-9a-f]{32})\.(0|[1-9][0-9]{0,18})\Z")


@dataclass(frozen=True, slots=True)
class Start:
    """Where a session starts: after this commit number, or (None) with what comes from now on.

    `gap` is a sentence for the consumer where this is not the place that it asked for, else empty."""

    after: int | None
    gap: str = ""


def format_cursor(cursor: Cursor) -> str:
    """The text that a client hands back to go on after this place."""
    return f"{cursor.incarnation.hex()}.{cursor.commit_no}"


def parse_cursor(text: str) -> Cursor:
    """The cursor of a text that `format_cursor` made. Raises Denied `bad-cursor`."""
    incarnation, number = _parts_of(text)
    return Cursor(bytes.fromhex(incarnation), int(number))


def commit_no_of(text: str, incarnation: bytes) -> int:
    """The commit number of a cursor of this store, as in an acknowledgement. Raises Denied `bad-cursor`."""
    of, number = _parts_of(text)
    if of != incarnation.hex():
        raise Denied(Reason.BAD_CURSOR, "the cursor is of another store")
    return int(number)


def _parts_of(text: str) -> tuple[str, str]:
    found = _CURSOR.match(text)
    if found is None:
        raise Denied(Reason.BAD_CURSOR, "a cursor is 32 hex digits, a dot and a commit number; or 0; or now")
    return found[1], found[2]


async def find_start(inboxes: Inboxes, principal: Principal, cursor: str | None, device: str) -> Start:
    """Where a consumer goes on: at its cursor, at what its device acknowledged (cursor None), or at the beginning.

    A cursor of another store starts at the beginning and says so. Raises Denied `bad-cursor` for another text."""
    if cursor is None:
        return Start(await inboxes.acknowledged(principal, device) or 0)
    if cursor == NOW:
        return Start(None)
    if cursor == BEGINNING:
        return Start(0)
    place = parse_cursor(cursor)
    if place.incarnation != inboxes.incarnation():
        return Start(0, "the cursor is of another store, so this one is read from its beginning")
    return Start(place.commit_no)
