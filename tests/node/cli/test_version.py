from pathlib import Path

import pytest

from pushmesh_node.app.version import VERSION
from support.commands import pushmesh

pytestmark = pytest.mark.integration


async def test_it_says_which_pushmesh_this_is(tmp_path: Path) -> None:
    assert VERSION in (await pushmesh("version", cwd=tmp_path)).out
    assert (await pushmesh("version", "--json", cwd=tmp_path)).json["pushmesh"] == VERSION


async def test_help_names_every_command_and_exit_code_and_wrong_usage_is_code_2(tmp_path: Path) -> None:
    ran = await pushmesh("--help", cwd=tmp_path)
    assert ran.code == 0
    for word in (
        "init",
        "run",
        "publish",
        "subscribe",
        "listen",
        "inbox",
        "explain",
        "devnet",
        "demo",
        "bench",
        "Exit codes",
    ):
        assert word in ran.out
    assert (await pushmesh("fly", cwd=tmp_path)).code == 2
    assert (await pushmesh("publish", cwd=tmp_path)).code == 2
