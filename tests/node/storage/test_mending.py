import asyncio
import sqlite3
from pathlib import Path

import pytest

from pushmesh_node.engine.records import CursorRecord, HandedRecord, Record, SlotRange, StoredItem, VoucherRecord
from pushmesh_node.storage import Store
from pushmesh_node.storage.mending import bind, or_damaged
from pushmesh_node.storage.quarantine import Aside
from pushmesh_node.storage.sums import CURSORS, Damaged, checked
from pushmesh_protocol.types import Epoch, UnixMs
from support.damaged_files import change_index, spoil
from support.records import ALICE, EVERYBODY, NEWS, NOW, SHOP, id_of, record

RECORDS = [record(1), record(2, EVERYBODY, (ALICE,), EVERYBODY), record(5, (ALICE,)), record(6, kind=4)]


def remake(item: StoredItem) -> Record | None:
    return next((one for one in RECORDS if one.data == item.data), None)


@pytest.fixture
async def store(path: Path) -> Store:
    made = await Store.open(path, new_incarnation=bytes(16))
    await made.commit(RECORDS)
    await made.close()
    return made


async def opened(path: Path, *, with_remake: bool = True) -> Store:
    return await Store.open(path, new_incarnation=bytes(16), remake=remake if with_remake else None)


async def test_a_damaged_item_is_not_given_but_moved_aside_with_its_ids(store: Store, path: Path) -> None:
    spoil(path, "UPDATE items SET data = x'00' WHERE first_commit = 2")
    again = await opened(path)
    told: list[Aside] = []
    again.mending.on_quarantined = told.extend
    assert [item.first_commit for item in await again.log(0, 10_000)] == [1, 5, 6]
    assert [one.commit_no for one in await again.inbox(ALICE, [NEWS], 0, 10)] == [1, 5]
    assert await again.find(id_of(3), NOW) is None
    (aside,) = told
    assert (aside.table, aside.reason, set(aside.ids)) == ("items", "checksum", {id_of(2), id_of(3), id_of(4)})
    assert (again.mending.quarantined, await again.quarantine(9)) == (1, told)
    assert set(await again.missing_ids(9)) == set(aside.ids)
    assert sum(amount.envelopes for amount in again.sets.values()) == 3
    await again.close()


async def test_what_was_lost_may_come_again_and_is_found_then(store: Store, path: Path) -> None:
    spoil(path, "UPDATE items SET expires_at = expires_at + 1 WHERE first_commit = 1")
    again = await opened(path)
    await again.scrub(100)
    slot = SlotRange(SHOP, Epoch(7), 1, 2)
    while (await again.scrub(100)).position is not None:
        pass
    assert await again.holders([slot]) == [[]]
    number = again.last_commit + 1
    fresh = record(number, first_seq=1)
    fresh = Record(**{field: getattr(fresh, field) for field in fresh.__struct_fields__} | {"ids": (id_of(1),)})
    await again.commit([fresh])
    found = await again.find(id_of(1), NOW)
    assert found is not None and found.commit_no == number
    assert await again.missing_ids(9) == []
    assert [[holder.commit_no for holder in one] for one in await again.holders([slot])] == [[number]]
    await again.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE slots SET id = zeroblob(32) WHERE first_commit = 1",
        "UPDATE slots SET end_seq = 99 WHERE first_commit = 2",
        "UPDATE runs SET ids = zeroblob(96)",
        "DELETE FROM runs",
        "DELETE FROM slots WHERE first_commit = 2",
        "DELETE FROM ids WHERE commit_no = 3",
        "DELETE FROM targets WHERE commit_no = 5",
        "UPDATE ids SET commit_no = 6 WHERE commit_no = 1",
        "UPDATE ids SET commit_no = 2 WHERE commit_no = 5",
        "UPDATE ids SET commit_no = 2 WHERE commit_no = 4",
        "DELETE FROM topics",
    ],
)
async def test_what_stands_beside_an_item_is_made_again(store: Store, path: Path, statement: str) -> None:
    spoil(path, statement)
    again = await opened(path)
    for _round in range(2):
        while (await again.scrub(3)).position is not None:
            pass
    assert again.mending.repaired > 0
    assert [one.commit_no for one in await again.topic_messages([NEWS], 0, None, 10)] == [1, 2, 4]
    for one in RECORDS:
        (found,) = await again.holders([SlotRange(SHOP, Epoch(7), one.first_seq, one.end_seq)])
        assert [holder.id for holder in found] == list(one.ids)
        for commit_no, id_ in enumerate(one.ids, one.first_commit):
            envelope = await again.find(id_, NOW)
            assert envelope is not None and envelope.commit_no == commit_no
    assert [one.commit_no for one in await again.targeted_messages(ALICE, 0, None, 10)] == [3, 5]
    assert await again.missing_ids(9) == []
    await again.close()


async def test_a_damaged_small_row_costs_itself_alone(path: Path) -> None:
    made = await Store.open(path, new_incarnation=bytes(16))
    await made.commit([CursorRecord(ALICE, name, 5, UnixMs(NOW)) for name in ("laptop", "phone")])
    vouchers = [VoucherRecord(Epoch(7), ALICE, b"k", stream, 1, 2, 3, b"v", None) for stream in (b"a", b"b")]
    await made.commit(vouchers)
    await made.close()
    spoil(path, "UPDATE cursors SET commit_no = 6 WHERE device = 'phone'")
    spoil(path, "UPDATE vouchers SET units = 999 WHERE stream = x'62'")
    again = await opened(path)
    assert [cursor.device for (group,) in [await again.cursors([(ALICE, "")])] for cursor in group] == ["laptop"]
    held, totals = await asyncio.gather(again.vouchers(7), again.epoch_totals(7))
    assert (held, totals) == (vouchers[:1], [(ALICE, 2, 3)])
    assert [aside.table for aside in await again.quarantine(9)] == ["vouchers", "cursors"]
    await again.close()


async def test_a_damaged_topic_keeps_its_number_and_so_its_messages(store: Store, path: Path) -> None:
    spoil(path, "UPDATE topics SET name = 'mews'")
    again = await opened(path)
    while (await again.scrub(100)).position is not None:
        pass
    await again.commit([record(again.last_commit + 1)])
    found = [one.commit_no for one in await again.topic_messages([NEWS], 0, None, 10)]
    assert found == [1, 2, 4, again.last_commit]
    assert [aside.table for aside in await again.quarantine(9)] == ["topics"]
    await again.close()


async def test_a_damaged_row_that_stands_before_others_is_met_once(path: Path) -> None:
    """The question that met it was not at its end: what it had open must not keep the file as it was."""
    made = await Store.open(path, new_incarnation=bytes(16))
    vouchers = [VoucherRecord(Epoch(7), ALICE, b"k", bytes([n]), 1, 2, 3, b"v", None) for n in range(9)]
    await made.commit(vouchers)
    await made.close()
    spoil(path, "UPDATE vouchers SET units = 999 WHERE stream IN (x'01', x'03')")
    again = await opened(path)
    assert [voucher.stream[0] for voucher in await again.vouchers(7)] == [0, 2, 4, 5, 6, 7, 8]
    assert again.mending.quarantined == 2
    await again.close()


def test_what_was_damaged_is_given_without_what_had_met_it(connection: sqlite3.Connection) -> None:
    connection.execute(f"{CURSORS.insert} VALUES (x'0a', 'laptop', 1, 2, 0), (x'0a', 'phone', 1, 2, 0)")
    found = or_damaged(connection, bind(lambda each, sql: checked(CURSORS, each.execute(sql)), CURSORS.select))
    assert isinstance(found, Damaged)
    assert (found.row, found.__traceback__, found.__context__) == ((b"\x0a", "laptop", 1, 2, 0), None, None)
    assert or_damaged(connection, bind(lambda _each, answer: answer, 42)) == 42


async def test_an_index_that_says_what_its_table_does_not_is_made_anew(path: Path) -> None:
    made = await Store.open(path, new_incarnation=bytes(16))
    at = UnixMs(NOW)
    handed = [HandedRecord(id_of(n), ALICE, at, b"o" * 32, 4, True, at, at, None) for n in range(9)]
    await made.commit(handed)
    await made.close()
    change_index(path, "handed_untold", "origin", "CAST(replace(origin, 'o', 'p') AS BLOB)")
    again = await opened(path)
    assert await again.owed(b"p" * 32, 10) == []
    assert [each.handed for each in await again.owed(b"o" * 32, 10)] == sorted(handed, key=lambda each: each.id)
    assert (again.mending.quarantined, again.mending.repaired) == (0, 1)
    await again.close()
