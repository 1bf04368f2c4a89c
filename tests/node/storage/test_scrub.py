import sqlite3
from pathlib import Path

import pytest

from pushmesh_node.engine.records import Record, StoredItem, VoidMark
from pushmesh_node.storage import Store
from pushmesh_node.storage.copies import open_reading
from pushmesh_node.storage.errors import StoreDamaged
from pushmesh_node.storage.scrub import Position, Seen, check_order, check_pages, check_pages_quickly, look
from pushmesh_node.storage.sums import ITEMS, SUMMED
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.damaged_files import lead_back
from support.records import ALICE, BOB, EVERYBODY, record

RECORDS = [record(1), record(2, EVERYBODY, (ALICE,)), record(4, (ALICE,))]


def remake(item: StoredItem) -> Record | None:
    return next((one for one in RECORDS if one.data == item.data), None)


def look_at_all(connection: sqlite3.Connection, limit: int) -> list[Seen]:
    seen: list[Seen] = []
    position: Position | None = Position()
    while position is not None:
        seen.append(look(connection, position, limit, remake))
        position = seen[-1].position
    return seen


def test_a_round_looks_at_every_row_of_every_table_once_in_bounded_steps(connection: sqlite3.Connection) -> None:
    write_group(connection, [*RECORDS, VoidMark(1)], TopicNumbers(), 0)
    rows = sum(connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0] for table in SUMMED)
    for limit in (1, 2, 1_000):
        steps = look_at_all(connection, limit)
        assert max(step.rows for step in steps) <= limit
        assert (sum(step.rows for step in steps), sum(step.envelopes for step in steps)) == (rows, 4)
        assert not any(step.damaged or step.missing for step in steps)


def test_a_run_counts_as_many_rows_as_it_has_envelopes(connection: sqlite3.Connection) -> None:
    runs = [record(first, *[EVERYBODY] * 10) for first in (1, 11, 21)]
    write_group(connection, [*runs, *(record(n) for n in range(31, 46))], TopicNumbers(), 0)
    place = SUMMED.index(ITEMS)
    seen, position = [], Position(place)
    while position is not None and position.table == place:
        step = look(connection, position, 15, None)
        seen.append((step.rows, step.envelopes))
        position = step.position  # type: ignore[assignment]  # None ends the loop
    assert seen == [(1, 10), (1, 10), (6, 15), (10, 10)]
    assert look(connection, Position(place), 1, None).rows == 1  # never nothing


def test_a_row_that_is_missing_among_many_is_found(connection: sqlite3.Connection) -> None:
    run = record(1, *[(ALICE, BOB)] * 200, data=b"a long run")
    RECORDS.append(run)
    write_group(connection, [run], TopicNumbers(), 0)
    connection.execute("DELETE FROM ids WHERE commit_no IN (3, 64, 65, 200)")
    connection.execute("DELETE FROM targets WHERE commit_no = 77 AND account = ?", (BOB,))
    (missing,) = [step.missing[1] for step in look_at_all(connection, 1_000) if step.missing]
    RECORDS.remove(run)
    assert [row[2] for row in missing["ids"]] == [3, 64, 65, 200]
    assert [row[1:] for row in missing["targets"]] == [(BOB, 77)]
    assert missing.keys() == {"ids", "targets"}


def test_all_that_is_damaged_in_a_step_is_told_and_the_rest_still_looked_at(connection: sqlite3.Connection) -> None:
    write_group(connection, RECORDS, TopicNumbers(), 0)
    connection.execute("UPDATE items SET kind = 9 WHERE first_commit < 3")
    connection.execute("DELETE FROM ids WHERE commit_no = 4")
    steps = look_at_all(connection, 100)
    assert [damage.row[0] for step in steps for damage in step.damaged] == [1, 2]
    assert [list(step.missing) for step in steps if step.missing] == [[4]]


def test_a_frame_that_cannot_be_read_is_damaged_though_its_sum_fits(connection: sqlite3.Connection) -> None:
    write_group(connection, [*RECORDS, record(9, data=b"no frame")], TopicNumbers(), 0)
    assert [damage.row[0] for step in look_at_all(connection, 100) for damage in step.damaged] == [9]


def test_pages_are_looked_at_with_and_without_the_indexes(connection: sqlite3.Connection) -> None:
    write_group(connection, RECORDS, TopicNumbers(), 0)
    assert check_pages(connection) == check_pages_quickly(connection) == []
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, '<> 5', '= 5') WHERE name = 'items_of_state'")
    connection.execute("PRAGMA writable_schema = RESET")
    assert check_pages_quickly(connection) == []
    assert any("items_of_state" in problem for problem in check_pages(connection))


def test_a_table_that_is_out_of_order_is_told(connection: sqlite3.Connection) -> None:
    write_group(connection, RECORDS, TopicNumbers(), 0)
    assert check_order(connection, ["targets", "ids", "slots"]) == []
    connection.execute("PRAGMA writable_schema = ON")
    sql = "UPDATE sqlite_schema SET sql = replace(sql, '(stretch, account, commit_no)) WITHOUT', ?) WHERE name = ?"
    connection.execute(sql, ("(stretch, account, commit_no DESC)) WITHOUT", "targets"))
    connection.execute("PRAGMA writable_schema = RESET")
    assert any("targets" in problem for problem in check_order(connection, ["ids", "targets"]))
    assert check_order(connection, ["ids"]) == []


async def test_pages_that_lead_back_are_told_and_not_walked_for_ever(path: Path) -> None:
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.commit([record(n, data=b"a long record" * 30) for n in range(1, 700)])
    await store.close()
    lead_back(path, "items")
    place = SUMMED.index(ITEMS)
    with open_reading(path) as connection:
        position: Position | None = Position(place)
        with pytest.raises(StoreDamaged, match="the pages of items lead back"):
            for _step in range(1_000):
                assert position is not None and position.table == place, "it ended"
                position = look(connection, position, 4, None).position
