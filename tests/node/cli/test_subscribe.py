from pathlib import Path

import aiohttp
import pytest

from pushmesh_client import Node
from pushmesh_protocol.accounts import parse_account
from support.commands import check_one_sentence, pushmesh

pytestmark = pytest.mark.integration
TOPIC = f"eip155:1:0x{'11' * 20}/prices"


async def test_on_with_settings_then_off(url: str, tmp_path: Path) -> None:
    made = await pushmesh("key", "new", "--json", cwd=tmp_path)
    wishes = ("--setting", "percent=5", "--min-priority", "4", "--category", "sales=off", "--category", "news=on")
    on = await pushmesh("subscribe", TOPIC, *wishes, "--json", cwd=tmp_path, PUSHMESH_URL=url)
    assert (on.code, on.json["level"], on.json["what"]) == (0, "durable", f"on: {TOPIC}")
    account = made.json["account"]
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/accounts/{account}/subscriptions") as answer:
        (word,) = (await answer.json())["subscriptions"]
    assert word["fields"]["settings"] == {"cat-news": 1, "cat-sales": 0, "min-priority": 4, "percent": 5}
    off = await pushmesh("subscribe", TOPIC, "--off", "--json", cwd=tmp_path, PUSHMESH_URL=url)
    assert (off.code, off.json["what"]) == (0, f"off: {TOPIC}")
    assert made.code == 0


async def test_a_private_word_is_told_to_one_node_and_listed_by_none(url: str, tmp_path: Path) -> None:
    made = await pushmesh("key", "new", "--json", cwd=tmp_path)
    for off in ([], ["--off"]):
        ran = await pushmesh("subscribe", TOPIC, "--private", *off, "--json", cwd=tmp_path, PUSHMESH_URL=url)
        assert (ran.code, ran.json["level"], ran.json["what"]) == (0, "durable", f"{'off' if off else 'on'}: {TOPIC}")
    async with Node(url) as node:
        assert (await node.subscriptions(parse_account(made.json["account"])))["subscriptions"] == []


async def test_mistakes_are_one_sentence(url: str, tmp_path: Path) -> None:
    check_one_sentence(await pushmesh("subscribe", TOPIC, cwd=tmp_path, PUSHMESH_URL=url), 2, "pushmesh key new")
    assert (await pushmesh("key", "new", cwd=tmp_path)).code == 0
    for arguments, word in (
        (["--setting", "percent=five"], "whole number"),
        (["--setting", "percent"], "slug=value"),
        (["--category", "news=maybe"], "on or off"),
    ):
        ran = await pushmesh("subscribe", TOPIC, *arguments, cwd=tmp_path, PUSHMESH_URL=url)
        check_one_sentence(ran, 2, word)
