from pathlib import Path

import pytest

from support.commands import check_one_sentence, pushmesh

pytestmark = pytest.mark.integration
TOPIC = f"eip155:1:0x{'11' * 20}/prices"


async def test_on_with_settings_then_off(url: str, tmp_path: Path) -> None:
    made = await pushmesh("key", "new", "--json", cwd=tmp_path)
    on = await pushmesh("subscribe", TOPIC, "--setting", "percent=5", "--json", cwd=tmp_path, PUSHMESH_URL=url)
    assert (on.code, on.json["level"], on.json["what"]) == (0, "durable", f"on: {TOPIC}")
    off = await pushmesh("subscribe", TOPIC, "--off", "--json", cwd=tmp_path, PUSHMESH_URL=url)
    assert (off.code, off.json["what"]) == (0, f"off: {TOPIC}")
    assert made.code == 0


async def test_mistakes_are_one_sentence(url: str, tmp_path: Path) -> None:
    check_one_sentence(await pushmesh("subscribe", TOPIC, cwd=tmp_path, PUSHMESH_URL=url), 2, "pushmesh key new")
    assert (await pushmesh("key", "new", cwd=tmp_path)).code == 0
    for arguments, word in ((["--setting", "percent=five"], "whole number"), (["--setting", "percent"], "slug=value")):
        ran = await pushmesh("subscribe", TOPIC, *arguments, cwd=tmp_path, PUSHMESH_URL=url)
        check_one_sentence(ran, 2, word)
