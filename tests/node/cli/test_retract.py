from pathlib import Path

import pytest

from support.commands import Ran, check_one_sentence, pushmesh

pytestmark = pytest.mark.integration
SOME_ID = "ab" * 32


async def run(url: str, home: Path, *arguments: str) -> Ran:
    return await pushmesh(*arguments, cwd=home, PUSHMESH_URL=url)


async def test_what_was_published_is_taken_back_cancelled_or_replaced(url: str, tmp_path: Path) -> None:
    assert (await run(url, tmp_path, "key", "new")).code == 0
    assert (await run(url, tmp_path, "topic", "create", "prices", "--title", "Prices")).code == 0
    assert (await run(url, tmp_path, "subscribe", "prices")).code == 0
    sent = {
        title: (await run(url, tmp_path, "publish", "prices", "--title", title, *options, "--json")).json["id"]
        for title, options in {"old": (), "gone": (), "never": ("--delay", "3600"), "new": ()}.items()
    }
    for title, options, reason in (
        ("gone", (), "retracted"),
        ("never", ("--cancel",), "cancelled"),
        ("old", ("--replaced-by", sent["new"]), "replaced"),
    ):
        ran = await run(url, tmp_path, "retract", "prices", sent[title], *options, "--json")
        assert (ran.code, ran.json["level"]) == (0, "durable")
        assert (await run(url, tmp_path, "explain", sent[title], "--json")).json["reason"] == reason
    page = (await run(url, tmp_path, "inbox", "--json")).json["messages"]
    kinds = [each["envelope"]["fields"].get("title") or each["envelope"]["kind"] for each in page]
    assert sorted(kinds) == ["new", "retraction", "retraction", "retraction"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["short"], "64 hex digits"), ([SOME_ID, "--cancel", "--replaced-by", SOME_ID], "one of them")],
)
async def test_mistakes_are_one_sentence(url: str, tmp_path: Path, arguments: list[str], word: str) -> None:
    assert (await run(url, tmp_path, "key", "new")).code == 0
    check_one_sentence(await run(url, tmp_path, "retract", "prices", *arguments), 2, word)
