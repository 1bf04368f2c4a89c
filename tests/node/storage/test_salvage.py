"""What salvaging keeps, case by case; `test_damage` has all the places where a bit may flip."""

import errno
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from msgspec import structs

from pushmesh_node.engine.records import (
    CursorRecord,
    ReceiptWish,
    Record,
    StoredItem,
    TokenRecord,
    VoidMark,
    VoucherRecord,
)
from pushmesh_node.storage import Store, StoreError, salvage
from pushmesh_node.storage.files import mark_of, size_of
from pushmesh_node.storage.promises import Promises
from pushmesh_node.storage.retention import Excess, Pruned, prune
from pushmesh_node.storage.sums import RECEIPTS, with_sum
from pushmesh_protocol.types import EnvelopeId, Epoch, UnixMs
from support.damaged_files import leaf_of, overwrite, replace_bytes, root_of
from support.records import ALICE, EVERYBODY, HOUR_MS, NEWS, NOW, record
from support.sealing import ISSUER

RECORDS = [
    *(record(n, (ALICE,) if n % 2 else EVERYBODY, data=os.urandom(700)) for n in range(1, 200)),
    record(200, EVERYBODY, (ALICE,), data=b"run" * 300),
    record(202, first_seq=300, data=b"one of two"),
    record(203, first_seq=300, data=b"the other"),
]


def remake(item: StoredItem) -> Record | None:
    return next((one for one in RECORDS if one.data == item.data), None)


@pytest.fixture
async def full(path: Path) -> Path:
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.commit([*RECORDS, VoidMark(202), VoidMark(203)])
    await store.commit([CursorRecord(ALICE, "phone", 9, UnixMs(NOW))])
    await store.commit([TokenRecord(b"d" * 32, ALICE, b"g", (1,), None, UnixMs(NOW), UnixMs(1), True)])
    vouchers = [VoucherRecord(Epoch(7), ALICE, b"k", bytes([n]), 1, 2, 3, os.urandom(300), None) for n in range(200)]
    await store.commit(vouchers)
    await store.close()
    return path


async def opened(path: Path) -> Store:
    mark_of(path).touch()
    return await Store.open(path, new_incarnation=b"x" * 16, remake=remake)


async def test_a_broken_page_of_items_costs_its_own_rows_alone_and_the_old_file_is_kept(full: Path) -> None:
    size = size_of(full)
    overwrite(full, leaf_of(full, RECORDS[100].data))
    store = await opened(full)
    held = [item.first_commit for item in await store.log(0, 1 << 30)]
    assert 101 not in held
    assert len(held) >= len(RECORDS) - 6
    assert store.salvaged is not None
    assert store.salvaged.damaged.name == "store.db.damaged-1"
    assert size_of(store.salvaged.damaged) == size
    assert f"{len(held)} records were salvaged" in store.salvaged.sentence
    assert (store.incarnation, await store.is_void([201, 202, 203])) == (bytes(16), {202, 203})
    assert len(await store.vouchers(7)) == 200
    assert not mark_of(full).exists()
    assert store.last_commit > 203
    await store.close()


@pytest.mark.parametrize("name", ["items", "items_by_end", "slots", "ids", "targets", "runs", "topics"])
async def test_the_root_of_a_table_that_can_be_made_again_costs_no_record_but_the_items_own(
    full: Path, name: str
) -> None:
    overwrite(full, root_of(full, name))
    store = await opened(full)
    held = [item.first_commit for item in await store.log(0, 1 << 30)]
    if name == "items":
        assert held == []  # below it there is no way to them but page by page, which the next test goes
    else:
        assert held == [one.first_commit for one in RECORDS]
        inbox = await store.inbox(ALICE, [NEWS], 0, 1_000)
        assert [one.commit_no for one in inbox] == list(range(1, 202))
    await store.close()


async def test_without_its_table_of_contents_the_items_are_found_page_by_page(full: Path) -> None:
    overwrite(full, 1)
    store = await opened(full)
    assert [item.first_commit for item in await store.log(0, 1 << 30)] == [one.first_commit for one in RECORDS]
    assert [one.commit_no for one in await store.inbox(ALICE, [NEWS], 0, 1_000)] == list(range(1, 202))
    assert await store.is_void([201, 202, 203]) == {202, 203}
    assert store.incarnation == bytes(16)  # as the lock remembers
    await store.expire(NOW + 25 * HOUR_MS, 1_000)
    await store.close()


async def test_receipts_survive_with_what_they_promise(full: Path) -> None:
    connection = sqlite3.connect(full)
    row = with_sum((1, 200, 201, NOW + HOUR_MS, NOW + 1, b"\xaa"))
    connection.execute(f"{RECEIPTS.insert} VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    overwrite(full, root_of(full, "slots"))
    store = await opened(full)
    await store.close()
    connection = sqlite3.connect(full)
    assert connection.execute("SELECT number, kept_until, data FROM receipts").fetchall() == [(1, NOW + 1, b"\xaa")]
    connection.close()


async def test_rows_whose_sum_does_not_fit_go_into_the_new_quarantine(full: Path) -> None:
    connection = sqlite3.connect(full)
    connection.execute("UPDATE items SET kind = 6 WHERE first_commit = 9")
    connection.commit()
    connection.close()
    overwrite(full, root_of(full, "slots"))
    store = await opened(full)
    (aside,) = await store.quarantine(9)
    assert (aside.table, aside.reason) == ("items", "salvage")
    assert store.salvaged is not None and store.salvaged.quarantined == 1
    await store.close()


async def test_a_file_of_which_nothing_is_left_is_told_in_a_sentence_and_stays(full: Path) -> None:
    overwrite(full, 1, b"\xa5" * size_of(full))
    with pytest.raises(StoreError, match=r"nothing of it can be read .* restore a backup"):
        await opened(full)
    assert sorted(os.listdir(full.parent)) == ["store.db", "store.db.lock", "store.db.suspect"]


def stores_in(folder: Path) -> dict[Path, bytes]:
    """The store, wherever it was moved."""
    places = [folder / name for name in ("store.db", "store.db.damaged-1")]
    return {place: place.read_bytes() for place in places if place.exists()}


async def test_a_disk_that_fails_meanwhile_is_told_in_a_sentence_and_all_stays(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_args: object) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    overwrite(full, 1, os.urandom(4_096))
    before = stores_in(full.parent)
    for name in ("carve_items", "sync"):
        monkeypatch.setattr(salvage, name, fails)
        with pytest.raises(StoreError, match="Input/output error"):
            await opened(full)
        monkeypatch.undo()
        ((place, data),) = stores_in(full.parent).items()
        assert data == before[full]
        place.replace(full)


async def test_a_table_that_is_gone_from_the_list_is_made_again(full: Path) -> None:
    connection = sqlite3.connect(full)
    connection.execute("DROP TABLE ids")
    connection.close()
    store = await Store.open(full, new_incarnation=b"x" * 16, remake=remake)
    assert store.salvaged is not None and store.salvaged.records == len(RECORDS)
    assert await store.find(RECORDS[0].ids[0], RECORDS[0].issued_ats[0]) is not None
    await store.close()


async def test_a_mark_on_a_sound_file_is_lifted_and_nothing_changes(full: Path) -> None:
    store = await opened(full)
    assert store.salvaged is None
    assert not mark_of(full).exists()
    await store.close()


@pytest.mark.parametrize("broken", ["receipts", "late_receipts", "meta", "sqlite_schema"])
async def test_where_receipts_were_lost_no_number_comes_again_and_nothing_is_let_go_early(
    path: Path, broken: str
) -> None:
    long = replace(ISSUER, keep_ms=2**40)

    def known(item: StoredItem) -> Record | None:
        return next((one for one in RECORDS if one.data == item.data), None)

    store = await Store.open(path, new_incarnation=bytes(16), issuer=long, remake=known)
    for one in RECORDS[:30]:
        await store.commit([structs.replace(one, published=True)])
    await store.commit([RECORDS[30]])
    await store.commit([ReceiptWish(31, EnvelopeId(RECORDS[30].ids[0]), UnixMs(RECORDS[30].expires_at))])
    given = {words.number for words in await store.seals_after(0, 100)}
    await store.close()
    overwrite(path, 1 if broken == "sqlite_schema" else root_of(path, broken))
    mark_of(path).touch()
    store = await Store.open(path, new_incarnation=bytes(16), issuer=long, remake=known)
    assert store.salvaged is not None
    await store.commit([record(store.last_commit + 1)])
    number = store.last_commit + 1
    await store.commit([structs.replace(record(number), published=True)])
    (seal,) = await store.seals([number])
    assert seal.words.number > max(given)
    excess = {0: Excess(1_000, 0, 0)}
    assert await store._writer.run(prune, excess, NOW + 3_600_000, 2**60, 100) == Pruned({}, {})
    until = await store._writer.run(lambda connection: Promises(connection).all_kept_until)
    assert await store._writer.run(prune, excess, until, 2**60, 100) != Pruned({}, {})
    await store.close()


@pytest.mark.parametrize("name", ["banned_until", "first_seen", "kept_until", "late_receipts"])
async def test_a_name_that_was_damaged_in_the_list_of_tables_costs_its_table_at_most(full: Path, name: str) -> None:
    replace_bytes(full, name.encode(), name[:-1].encode() + b"X")
    store = await opened(full)
    assert store.salvaged is not None and store.salvaged.records == len(RECORDS)
    assert len(await store.vouchers(7)) == 200
    await store.close()
