import os
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import msgspec
import pytest

from pushmesh_node.storage import Store, StoreError
from pushmesh_node.storage.exports import (
    MAGIC,
    ExportError,
    ExportHead,
    ExportWriter,
    read_frames,
    read_head,
    write_export,
)
from support.damaged_files import lead_back, renumber_record
from support.records import EVERYBODY, NOW, record

NETWORK_ID = b"w" * 32
RECORDS = [record(n, data=os.urandom(300)) for n in range(1, 60)] + [record(60, EVERYBODY, EVERYBODY, data=b"run" * 9)]


def nobody(_done: int, _total: int) -> None:
    """Nobody looks at the progress."""


@pytest.fixture
async def full(path: Path) -> Path:
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.commit(RECORDS)
    await store.close()
    return path


@pytest.fixture
def made(full: Path, tmp_path: Path) -> Path:
    assert write_export(full, tmp_path / "all.export", NETWORK_ID, NOW, nobody)[0] == 60
    return tmp_path / "all.export"


def frames_of(path: Path) -> list[bytes]:
    return [frame for frame, _place in read_frames(path)]


def test_an_export_has_every_frame_in_commit_order_and_says_whose_it_is(made: Path) -> None:
    head = read_head(made)
    assert (head.network_id, head.created_ms, head.incarnation) == (NETWORK_ID, NOW, bytes(16))
    assert frames_of(made) == [one.data for one in RECORDS]
    assert [place for _frame, place in read_frames(made)][-1] < made.stat().st_size


async def test_an_export_is_made_beside_a_running_node(path: Path, tmp_path: Path) -> None:
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.commit(RECORDS)
    told: list[tuple[int, int]] = []
    write_export(path, tmp_path / "all.export", NETWORK_ID, NOW, lambda done, total: told.append((done, total)))
    assert told[-1] == (60, 60)
    assert frames_of(tmp_path / "all.export") == [one.data for one in await store.log(0, 1 << 30)]
    await store.close()


def test_a_damaged_record_is_left_out_and_no_other(full: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(full)
    connection.execute("UPDATE items SET data = x'00' WHERE first_commit IN (1, 30, 31, 60)")
    connection.commit()
    connection.close()
    write_export(full, tmp_path / "all.export", NETWORK_ID, NOW, nobody)
    assert frames_of(tmp_path / "all.export") == [
        one.data for one in RECORDS if one.first_commit not in (1, 30, 31, 60)
    ]


async def test_pages_that_lead_back_end_the_export_and_are_told(path: Path, tmp_path: Path) -> None:
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.commit([record(n, data=os.urandom(300)) for n in range(1, 700)])
    await store.close()
    lead_back(path, "items")
    told: list[int] = []

    def count(done: int, _total: int) -> None:
        told.append(done)
        assert len(told) < 2_000, "it goes round and round"

    with pytest.raises(StoreError, match=r"no export was made: its pages lead from record 6\d\d back to"):
        write_export(path, tmp_path / "all.export", NETWORK_ID, NOW, count)
    assert not {"all.export", "all.export.part"} & {*os.listdir(tmp_path)}
    store = await Store.open(path, new_incarnation=bytes(16))  # the next start salvages it
    assert store.salvaged is not None
    await store.close()
    assert write_export(path, tmp_path / "all.export", NETWORK_ID, NOW, nobody)[0] > 600


async def test_a_damaged_record_under_a_number_that_is_not_its_own_hides_no_other(path: Path, tmp_path: Path) -> None:
    records = [record(n, data=b"record %d" % n * 20) for n in range(1, 400)]
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.commit(records)
    await store.close()
    renumber_record(path, records[255].data)
    write_export(path, tmp_path / "all.export", NETWORK_ID, NOW, nobody)
    assert frames_of(tmp_path / "all.export") == [one.data for one in records if one.first_commit != 256]


def test_nothing_is_overwritten_and_nothing_half_stays(full: Path, made: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="overwrites nothing"):
        write_export(full, made, NETWORK_ID, NOW, nobody)
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        write_export(full, tmp_path / "no" / "where", NETWORK_ID, NOW, nobody)
    with pytest.raises(StoreError, match="there is no store"):
        write_export(tmp_path / "none.db", tmp_path / "other", NETWORK_ID, NOW, nobody)
    assert not list(tmp_path.glob("*.part"))


def test_a_cut_anywhere_is_noticed_and_what_stands_before_it_is_right(made: Path) -> None:
    whole = made.read_bytes()
    truth = [one.data for one in RECORDS]
    for length in [*range(0, 200, 7), *range(200, len(whole), 331), len(whole) - 1]:
        made.write_bytes(whole[:length])
        given: list[bytes] = []
        with pytest.raises(ExportError, match=r"cut off|is not an export"):
            given.extend(frame for frame, _place in read_frames(made))
        assert given == truth[: len(given)]


def test_a_flipped_bit_anywhere_is_noticed(made: Path) -> None:
    whole = bytearray(made.read_bytes())
    for place in range(0, len(whole), 97):
        whole[place] ^= 1 << place % 8
        made.write_bytes(whole)
        with pytest.raises(ExportError, match=r"damaged|is not an export|cut off"):
            frames_of(made)
        whole[place] ^= 1 << place % 8


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries[:3] + entries[4:],
        lambda entries: [*entries[:3], entries[4], entries[3], *entries[5:]],
        lambda entries: [*entries[:3], entries[3], *entries[3:]],
        lambda entries: entries[:-1],
        lambda entries: entries[1:],
    ],
    ids=["left out", "in another order", "twice", "no end", "no head"],
)
def test_entries_that_are_whole_but_not_all_or_not_in_order_are_noticed(
    made: Path, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    whole, entries, place = made.read_bytes(), list[bytes](), len(MAGIC)
    while place < len(whole):
        (length,) = struct.unpack(">I", whole[place : place + 4])
        entries.append(whole[place : place + 8 + length])
        place += 8 + length
    made.write_bytes(MAGIC + b"".join(change(entries)))
    with pytest.raises(ExportError):
        frames_of(made)


def test_what_is_behind_the_end_is_nobodys(made: Path) -> None:
    made.write_bytes(made.read_bytes() + b"more")
    assert frames_of(made) == [one.data for one in RECORDS]


def test_a_file_that_is_none_or_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a letter to a friend")
    with pytest.raises(ExportError, match="is not an export of pushmesh"):
        read_head(tmp_path / "text")
    with pytest.raises(ExportError, match="cannot be read: No such file"):
        read_head(tmp_path / "gone")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (b"\x91" * 200_000 + b"\x00", "a format that this version does not know"),
        (b"\xc1", "a format that this version does not know"),
        (msgspec.msgpack.encode([0, 2, b"w" * 32, NOW, bytes(16)]), "a format that this version does not know"),
        (msgspec.msgpack.encode([0, 1, b"w" * 32, NOW, bytes(16), "more"]), "a format that this version does not know"),
        (msgspec.msgpack.encode([1, b"frame"]), "a format that this version does not know"),
    ],
    ids=["nested deep", "no value", "a later format", "a longer head", "no head"],
)
def test_a_head_that_is_none_is_told_whatever_it_is(tmp_path: Path, entry: bytes, why: str) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(MAGIC + struct.pack(">II", len(entry), crc32(entry)) + entry)
    with pytest.raises(ExportError, match=why):
        read_head(path)
    with pytest.raises(ExportError, match=why):
        frames_of(path)


@pytest.mark.parametrize("entry", [[3, b"x"], [1, "text"], [1], [2, -1, b""], [[[[]]]]])
def test_an_entry_that_is_none_ends_the_file(tmp_path: Path, entry: object) -> None:
    path = tmp_path / "hostile"
    with path.open("wb") as file:
        out = ExportWriter(file)
        out.put(ExportHead(1, NETWORK_ID, NOW, bytes(16)))
        out.put(entry)  # type: ignore[arg-type]  # a stranger's
    with pytest.raises(ExportError, match="is damaged"):
        frames_of(path)


@pytest.mark.parametrize(
    "statement", ["DROP TABLE meta", "DELETE FROM meta", "UPDATE meta SET value = 1", "DROP TABLE ids"]
)
def test_of_a_store_that_is_damaged_where_it_rests_no_export_is_made(
    full: Path, tmp_path: Path, statement: str
) -> None:
    connection = sqlite3.connect(full)
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="start a node on it once, which salvages it"):
        write_export(full, tmp_path / "all.export", NETWORK_ID, NOW, nobody)
    assert not list(tmp_path.glob("all.export*"))
