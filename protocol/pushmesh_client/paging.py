"""A list of accounts that a node gives in pages, followed to its end. A node that never comes to one is told apart from
a long list: each page goes on behind the one before, and there are so many at most."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from pushmesh_protocol.accounts import parse_account
from pushmesh_protocol.errors import AccountError

from .errors import BadAnswer

MOST_PAGES = 1_000


async def follow(
    ask: Callable[[str], Awaitable[dict[str, Any]]], rows: str, limit: int, most_pages: int = MOST_PAGES
) -> AsyncGenerator[dict[str, Any], None]:
    """Every page, from `ask("")` on; `rows` names the list in it, which has at most `limit` members, and `next` the
    account to go on after. Raises BadAnswer where that leads back, or nowhere."""
    after, place = "", b""
    for _page in range(most_pages):
        page = await ask(after)
        listed, told = page.get(rows), page.get("next")
        if not isinstance(listed, list) or len(listed) > limit:
            raise BadAnswer(f"the node misbehaves: a page of at most {limit} {rows} was asked for")
        yield page
        if told is None:
            return
        try:
            account = parse_account(str(told))
        except AccountError as error:
            raise BadAnswer(f"the node misbehaves: its page of {rows} goes on after something else") from error
        if account <= place or not listed:
            raise BadAnswer(f"the node misbehaves: its pages of {rows} do not go forward")
        after, place = str(told), account
    raise BadAnswer(f"the node misbehaves: there is no end to its pages of {rows}")
