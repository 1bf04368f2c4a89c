"""The commands as programs call them, on a node's real folder."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
import pytest_asyncio

from pushmesh_node.storage.exports import ExportedFrame, ExportEnd, ExportHead, ExportWriter, read_frames, read_head
from support.commands import check_one_sentence, pushmesh
from support.running_node import running_node, url_of

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node's folder with a topic, a subscription and three messages; the node has ended. Made once: take a copy."""
    folder = tmp_path_factory.mktemp("lived")
    assert (await pushmesh("init", cwd=folder)).code == 0
    async with running_node(folder / "data") as node:
        url = url_of(node)
        for words in (
            ("key", "new"),
            ("topic", "create", "prices", "--title", "Prices"),
            ("subscribe", "prices"),
            *(("publish", "prices", "--title", f"number {number}") for number in range(3)),
        ):
            assert (await pushmesh(*words, cwd=folder, PUSHMESH_URL=url)).code == 0
    return folder


@pytest.fixture
def home(lived: Path, tmp_path: Path) -> Path:
    """Its own folder of such a node."""
    return copytree(lived, tmp_path, dirs_exist_ok=True)


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gave(lived: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with an export, and beside it the folder of another node that has not begun. Made once."""
    folder = copytree(lived, tmp_path_factory.mktemp("gave"), dirs_exist_ok=True)
    assert (await pushmesh("store", "export", "all.export", cwd=folder)).code == 0
    (folder / "other").mkdir()
    assert (await pushmesh("init", cwd=folder / "other")).code == 0
    return folder


@pytest.fixture
def exported(gave: Path, tmp_path: Path) -> Path:
    return copytree(gave, tmp_path, dirs_exist_ok=True) / "all.export"


def change_file(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def flip(data: bytes) -> bytes:
    return data[:200] + bytes([data[200] ^ 4]) + data[201:]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (flip, "damaged or cut off at its entry"),
        (lambda data: data[:-1], "damaged or cut off at its entry"),
        (lambda data: data[: len(data) // 2], "damaged or cut off at its entry"),
        (lambda _data: b"", "is not an export of pushmesh"),
        (lambda _data: b"PMEXPORT", "is cut off at its beginning"),
        (lambda data: data[:16] + data[16:].replace(data[20:52], b"w" * 32, 1), "damaged or cut off at its entry 1"),
    ],
    ids=["a flipped bit", "the last byte", "half of it", "empty", "nothing but its name", "another head"],
)
async def test_an_export_that_is_not_whole_is_told_in_one_sentence(
    exported: Path, change: Callable[[bytes], bytes], sentence: str
) -> None:
    change_file(exported, change)
    other = exported.parent / "other"
    check_one_sentence(await pushmesh("store", "import", str(exported), cwd=other), 1, "all.export", sentence)


async def test_another_networks_export_is_told_in_one_sentence_and_leaves_no_store(exported: Path) -> None:
    other = exported.parent / "other"
    taken = await pushmesh("store", "import", str(exported), "--set", "node.network=bench", cwd=other)
    check_one_sentence(taken, 2, "is an export of another network than bench")
    assert not list(other.glob("data/pushmesh.db*"))


async def test_what_is_refused_of_an_export_is_told_in_one_sentence_for_each_reason(exported: Path) -> None:
    forged = exported.parent / "forged.export"
    frames = [frame for frame, _place in read_frames(exported)]
    with forged.open("wb") as file:
        out = ExportWriter(file)
        out.put(ExportHead(1, read_head(exported).network_id, 1, bytes(16)))
        for frame in (
            b"no frame",
            frames[0],
            b"none either",
            frames[-1][:-9] + bytes([frames[-1][-9] ^ 1]) + frames[-1][-8:],
        ):
            out.put(ExportedFrame(frame))
        out.put(ExportEnd(4, out.digest.digest()))
    taken = await pushmesh("store", "import", str(forged), cwd=exported.parent / "other")
    assert (taken.code, taken.err) == (0, "")
    assert taken.out.splitlines() == [
        "1 new envelopes of 4",
        "2 were refused: malformed",
        "1 were refused: bad-signature",
    ]


async def test_an_import_into_a_store_without_room_says_so(exported: Path) -> None:
    other = exported.parent / "other"
    small = await pushmesh("store", "import", str(exported), "--set", f"store.min_free_bytes={1 << 40}", cwd=other)
    check_one_sentence(small, 2, "has no room", "store.min_free_bytes", "import the file again")


async def test_a_running_node_can_be_read_but_not_replaced(home: Path) -> None:
    async with running_node(home / "data"):
        for words in (("verify",), ("backup", "b.db"), ("export", "e")):
            assert (await pushmesh("store", *words, cwd=home)).code == 0
        for words in (("restore", "b.db"), ("compact",)):
            check_one_sentence(await pushmesh("store", *words, cwd=home), 1, "in use by another process")
        check_one_sentence(await pushmesh("store", "import", "e", cwd=home), 2, "in use by another process")
    assert sorted(name for name in os.listdir(home) if name in ("b.db", "e")) == ["b.db", "e"]
