"""The commands as programs call them, on a node's real folder."""

import os
import sqlite3
from pathlib import Path

import pytest

from support.commands import check_one_sentence, pushmesh
from support.running_node import running_node, url_of

pytestmark = pytest.mark.integration


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A node's folder with a topic, a subscription and three messages; the node has ended."""
    assert (await pushmesh("init", cwd=tmp_path)).code == 0
    async with running_node(tmp_path / "data") as node:
        url = url_of(node)
        for words in (
            ("key", "new"),
            ("topic", "create", "prices", "--title", "Prices"),
            ("subscribe", "prices"),
            *(("publish", "prices", "--title", f"number {number}") for number in range(3)),
        ):
            assert (await pushmesh(*words, cwd=tmp_path, PUSHMESH_URL=url)).code == 0
    return tmp_path


async def test_a_node_is_backed_up_verified_and_restored(home: Path) -> None:
    sound = await pushmesh("store", "verify", "--json", cwd=home)
    assert (sound.code, sound.json["sound"], sound.json["envelopes"]) == (0, True, 5)
    assert "is sound: 5 records with 5 envelopes" in (await pushmesh("store", "verify", cwd=home)).out
    assert (await pushmesh("store", "backup", "b.db", "--json", cwd=home)).json["file"] == "b.db"
    assert (await pushmesh("store", "verify", "b.db", cwd=home)).code == 0
    check_one_sentence(await pushmesh("store", "backup", "b.db", cwd=home), 1, "overwrites nothing")
    restored = await pushmesh("store", "restore", "b.db", "--json", cwd=home)
    assert (restored.code, restored.json["old"]) == (0, "data/pushmesh.db.before-restore-1")
    again = await pushmesh("store", "verify", "--json", cwd=home)
    assert again.json["sound"] and again.json["incarnation"] != sound.json["incarnation"]
    compacted = await pushmesh("store", "compact", "--json", cwd=home)
    assert (compacted.code, compacted.json["after_bytes"] > 0) == (0, True)


async def test_damage_is_told_by_the_exit_code(home: Path) -> None:
    connection = sqlite3.connect(home / "data" / "pushmesh.db")
    connection.execute("UPDATE items SET data = x'00' WHERE first_commit = 2")
    connection.commit()
    connection.close()
    found = await pushmesh("store", "verify", "--json", cwd=home)
    assert (found.code, found.json["sound"], found.json["damaged"]) == (1, False, {"items": 1})
    assert "1 rows of items" in (await pushmesh("store", "verify", cwd=home)).out


async def test_an_export_goes_into_another_node(home: Path) -> None:
    made = await pushmesh("store", "export", "all.export", "--json", cwd=home)
    assert (made.code, made.json["frames"]) == (0, 5)
    other = home / "other"
    other.mkdir()
    assert (await pushmesh("init", cwd=other)).code == 0
    taken = await pushmesh("store", "import", str(home / "all.export"), "--json", cwd=other)
    assert (taken.code, taken.json) == (0, {"frames": 5, "envelopes": {"ok": 5}})
    assert "0 new envelopes of 5" in (await pushmesh("store", "import", "../all.export", cwd=other)).out
    check_one_sentence(await pushmesh("store", "import", "nothing", cwd=other), 1, "cannot be read")


async def test_a_running_node_can_be_read_but_not_replaced(home: Path) -> None:
    async with running_node(home / "data"):
        for words in (("verify",), ("backup", "b.db"), ("export", "e")):
            assert (await pushmesh("store", *words, cwd=home)).code == 0
        for words in (("restore", "b.db"), ("compact",)):
            check_one_sentence(await pushmesh("store", *words, cwd=home), 1, "in use by another process")
        check_one_sentence(await pushmesh("store", "import", "e", cwd=home), 2, "in use by another process")
    assert sorted(name for name in os.listdir(home) if name in ("b.db", "e")) == ["b.db", "e"]
