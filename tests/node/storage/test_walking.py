import os
import sqlite3
from itertools import chain, cycle, islice, pairwise
from pathlib import Path

import pytest

from pushmesh_node.engine.records import VoucherRecord
from pushmesh_node.storage import Store, walking
from pushmesh_node.storage.sums import ITEMS, RECEIPTS, SUMMED, VOUCHERS, Table, is_intact, prepare_sums
from pushmesh_node.storage.walking import POINTING, Walk
from pushmesh_protocol.types import Epoch
from support.damaged_files import leaf_of, overwrite, root_of
from support.records import ALICE, record

RECORDS = [record(n, data=os.urandom(700)) for n in range(1, 200)]


@pytest.fixture
async def full(path: Path) -> Path:
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.commit(RECORDS)
    await store.commit(
        [VoucherRecord(Epoch(7), ALICE, b"k", bytes([n]), 1, 2, 3, os.urandom(300), None) for n in range(200)]
    )
    await store.close()
    return path


def source_of(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    prepare_sums(connection)
    return connection


def test_rows_are_read_from_both_sides_of_what_cannot_be_read(full: Path) -> None:
    overwrite(full, leaf_of(full, RECORDS[50].data))
    overwrite(full, leaf_of(full, RECORDS[150].data))
    source = source_of(full)
    walk = Walk(source, ITEMS)
    found = {row[0] for row in walk.rows()}
    assert {51, 151}.isdisjoint(found)
    assert {1, 40, 100, 170, 199} <= found
    assert len(found) >= len(RECORDS) - 12
    assert not walk.is_whole
    whole = Walk(source, VOUCHERS)
    assert len(list(whole.rows())) == 200
    assert whole.is_whole
    source.close()


def test_tables_are_read_with_their_sums_where_they_have_them(full: Path) -> None:
    source = source_of(full)
    assert all(is_intact(row) for row in Walk(source, ITEMS).rows())
    assert {len(row) for table in POINTING for row in Walk(source, table).rows()} == {3}
    source.execute("ALTER TABLE receipts DROP COLUMN sum")
    source.execute("INSERT INTO receipts VALUES (1, 2, 3, 4, 5, x'aa')")
    (row,) = Walk(source, RECEIPTS).rows()
    assert row[:-1] == (1, 2, 3, 4, 5, b"\xaa")
    assert is_intact(row)
    source.close()


@pytest.mark.parametrize("table", SUMMED, ids=lambda table: table.name)
def test_a_table_without_a_beginning_gives_nothing_and_breaks_nothing(
    full: Path, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "PROBES", 500)
    overwrite(full, root_of(full, table.name))
    source = source_of(full)
    walk = Walk(source, table)
    assert list(walk.rows()) == []
    assert not walk.is_whole
    source.close()


INTERIOR_PAGE = 5  # of a table, in the file format of SQLite
NUMBERED = Table("numbered", ("no", "text"), ("no",))


def a_file_that_goes_in_circles(path: Path) -> int:
    """A table whose pages lead to each other so often that its rows would come millions of times; gives how many rows
    there are."""
    count = 12_000
    with sqlite3.connect(path) as source:
        source.execute("PRAGMA page_size = 512")
        source.execute("CREATE TABLE numbered (no INTEGER PRIMARY KEY, text)")
        source.executemany("INSERT INTO numbered VALUES (?, ?)", [(no, "x" * 90) for no in range(count)])
    source.close()
    data = bytearray(path.read_bytes())
    inner = [at for at in range(512, len(data), 512) if data[at] == INTERIOR_PAGE]
    for page, next_page in pairwise(inner[40:44]):  # the first of all is the root
        for cell in range(int.from_bytes(data[page + 3 : page + 5], "big")):
            at = page + int.from_bytes(data[page + 12 + 2 * cell : page + 14 + 2 * cell], "big")
            data[at : at + 4] = (next_page // 512 + 1).to_bytes(4, "big")
    path.write_bytes(data)
    return count


def test_pages_that_lead_to_each_other_again_and_again_are_left_behind(path: Path) -> None:
    count = a_file_that_goes_in_circles(path)
    source = source_of(path)
    walk = Walk(source, NUMBERED)
    rows = [row[0] for row in islice(walk.rows(), 100 * count)]
    assert len(rows) < 100 * count
    assert not walk.is_whole
    assert len(set(rows)) > count * 3 // 4
    source.close()


@pytest.mark.parametrize(("before", "length"), [(0, 1), (0, 7), (5, 1), (100, 33), (3, 5_000)])
def test_a_circle_is_found_wherever_it_begins_and_however_long_it_is(before: int, length: int) -> None:
    circle = walking._Circle()
    way = chain(range(before), cycle(range(before, before + length)))
    steps = next(number for number, place in enumerate(way, 1) if circle.closes((place,)))
    assert before + length < steps <= 8 * (before + length) + 8


def test_a_way_that_is_walked_twice_is_no_circle() -> None:
    circle = walking._Circle()
    assert not any([circle.closes((place,)) for place in [*range(1_000), *range(1_000), *range(1_000, 5_000)]])
