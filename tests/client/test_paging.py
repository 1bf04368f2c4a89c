from collections.abc import Sequence
from typing import Any

import pytest

from pushmesh_client.errors import BadAnswer
from pushmesh_client.paging import follow
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.types import Account

ACCOUNTS = [display_account(Account(b"\x00" + bytes([number]) * 20)) for number in range(9)]


def page(number: int, go_on: str | None, rows: int = 1) -> dict[str, Any]:
    return {"rows": ACCOUNTS[number : number + rows], "next": go_on}


async def followed(pages: Sequence[dict[str, Any]], most_pages: int = 20) -> tuple[list[dict[str, Any]], list[str]]:
    """What was given and what was asked; the last page is given for ever."""
    asked: list[str] = []

    async def ask(after: str) -> dict[str, Any]:
        asked.append(after)
        assert len(asked) <= 100, "asked for ever"
        return pages[min(len(asked), len(pages)) - 1]

    return [each async for each in follow(ask, "rows", 2, most_pages)], asked


async def test_pages_are_followed_to_the_last() -> None:
    pages = [page(1, ACCOUNTS[1]), page(3, ACCOUNTS[4], rows=2), page(5, None, rows=0)]
    assert await followed(pages) == (pages, ["", ACCOUNTS[1], ACCOUNTS[4]])
    assert await followed(pages, most_pages=3) == (pages, ["", ACCOUNTS[1], ACCOUNTS[4]])


@pytest.mark.parametrize(
    "pages",
    [
        [page(1, ACCOUNTS[1])],
        [page(5, ACCOUNTS[5]), page(4, ACCOUNTS[4])],
        [page(1, ACCOUNTS[1], rows=0)],
        [page(1, "everybody")],
        [page(1, "")],
        [page(1, None, rows=3)],
        [{"rows": "many", "next": None}],
        [{}],
    ],
    ids=["the same", "back", "nothing, and on", "nowhere", "the beginning", "too many", "no list", "nothing"],
)
async def test_a_node_whose_pages_do_not_go_forward_is_told_apart(pages: Sequence[dict[str, Any]]) -> None:
    with pytest.raises(BadAnswer, match="misbehaves"):
        await followed(pages)


async def test_pages_that_go_forward_for_ever_come_to_an_end() -> None:
    with pytest.raises(BadAnswer, match="no end to its pages of rows"):
        await followed([page(number, ACCOUNTS[number]) for number in range(1, 9)], most_pages=4)
