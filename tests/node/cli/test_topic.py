from pathlib import Path

import pytest

from pushmesh_node.cli.guard import CommandError
from pushmesh_node.cli.topic import pair_of
from support.commands import check_one_sentence, pushmesh

pytestmark = pytest.mark.integration


async def test_a_topic_is_created_once_and_shown(url: str, tmp_path: Path) -> None:
    assert (await pushmesh("key", "new", cwd=tmp_path)).code == 0
    made = await pushmesh("topic", "create", "news", "--description", "What happened", cwd=tmp_path, PUSHMESH_URL=url)
    assert "durable" in made.out
    shown = await pushmesh("topic", "show", "news", "--node", url, cwd=tmp_path)
    assert "What happened" in shown.out
    full = made.out.split()[1]
    assert (await pushmesh("topic", "show", full, "--json", cwd=tmp_path, PUSHMESH_URL=url)).json["subscribers"] == 0


async def test_mistakes_are_one_sentence(url: str, tmp_path: Path) -> None:
    assert (await pushmesh("key", "new", cwd=tmp_path)).code == 0
    for arguments, code, word in (
        (["show", "absent"], 1, "not-found"),
        (["show", "a/b"], 2, "CAIP-10"),
        (["create", "news", "--category", "eth"], 2, "slug=value"),
        (["create", "news", "--title", "a\u202eb"], 2, "title"),
        (["create", "Bad Name"], 2, "topic"),
    ):
        check_one_sentence(await pushmesh("topic", *arguments, cwd=tmp_path, PUSHMESH_URL=url), code, word)


def test_a_pair_has_both_halves() -> None:
    assert pair_of("a=b=c", "--x") == ("a", "b=c")
    for text in ("a", "=b", "a=", ""):
        with pytest.raises(CommandError, match="--x"):
            pair_of(text, "--x")
