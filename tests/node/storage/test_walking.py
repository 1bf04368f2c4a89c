import os
import sqlite3
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
