import re
import sqlite3
from pathlib import Path

import pytest

from pushmesh_node.engine.records import VoidMark
from pushmesh_node.storage import Store, items
from pushmesh_node.storage.copies import open_reading
from pushmesh_node.storage.errors import StoreDamaged
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.damaged_files import lead_back
from support.plans import plans, tables_walked
from support.records import EVERYBODY, GRANT, HOUR_MS, NOW, id_of, record


@pytest.fixture
def full(connection: sqlite3.Connection) -> sqlite3.Connection:
    """A message an hour for 100 hours, each twentieth a grant; then a run from 101 to 110, and a gap up to 200."""
    records = [record(n, kind=5 if n % 20 else GRANT, issued_at=NOW + n * HOUR_MS) for n in range(1, 101)]
    rest = [record(101, *[EVERYBODY] * 10), record(200)]
    write_group(connection, [*records, *rest], TopicNumbers(), 0)
    return connection


def test_no_question_walks_a_table(full: sqlite3.Connection) -> None:
    steps = plans(full, lambda: items.find(full, id_of(50), None))
    steps += plans(full, lambda: items.find(full, id_of(50), NOW))
    steps += plans(full, lambda: items.state(full, 30, 10))
    steps += plans(full, lambda: items.log(full, 30, 10))
    steps += plans(full, lambda: items.envelopes(full, [1, 105, 110, 200]))
    assert tables_walked(steps) == []
    assert any("items_of_state" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps)


def test_the_floor_is_before_the_run_that_a_number_points_into(full: sqlite3.Connection) -> None:
    assert [items.floor(full, after) for after in (0, 100, 101, 105, 109, 110, 150, 200, 999)] == [
        0, 100, 100, 100, 100, 110, 150, 200, 999,
    ]  # fmt: skip


def test_every_hour_is_looked_into(full: sqlite3.Connection) -> None:
    for n in (1, 50, 100, 200):
        found = items.find(full, id_of(n), None)
        assert found is not None and found.commit_no == n
    assert items.find(full, bytes(32), None) is None


def test_envelopes_come_in_the_order_asked_without_those_that_are_not_there(full: sqlite3.Connection) -> None:
    found = items.envelopes(full, [200, 150, 105, 0, 1, 105])
    assert [(envelope.commit_no, envelope.index) for envelope in found] == [(200, 0), (105, 4), (1, 0), (105, 4)]
    assert len(items.envelopes(full, list(range(1, 201)))) == 111


def test_many_are_found_at_once_whatever_their_hour_and_those_that_are_not_held_are_left_out(
    full: sqlite3.Connection,
) -> None:
    wanted = [id_of(n) for n in (100, 3, 105, 3, 150)]
    assert [each.commit_no for each in items.find_all(full, wanted, 0)] == [3, 100, 105]
    assert items.find_all(full, [], 0) == []
    steps = plans(full, lambda: items.find_all(full, wanted, 0))
    assert tables_walked(steps) == []


def test_no_hour_is_looked_into_before_the_time_that_is_asked_for(full: sqlite3.Connection) -> None:
    wanted = [id_of(n) for n in (97, 98, 99)]
    statements: list[str] = []
    full.set_trace_callback(statements.append)
    found = items.find_all(full, [*wanted, bytes(32)], NOW + 98 * HOUR_MS)
    full.set_trace_callback(None)
    assert [each.commit_no for each in found] == [98, 99]
    probed = {int(hour[1]) for s in statements if (hour := re.search(r"FROM ids WHERE bucket = (\d+) ", s))}
    assert min(probed) == (NOW + 98 * HOUR_MS) // HOUR_MS and len(probed) == 3


def test_what_has_a_collapse_key_is_given_in_pages_without_what_is_void(full: sqlite3.Connection) -> None:
    keyed = [record(301, collapsing=(True,)), record(302, EVERYBODY, EVERYBODY, collapsing=(False, True))]
    write_group(full, [*keyed, record(304), record(305, collapsing=(True,)), VoidMark(305)], TopicNumbers(), 300)
    first, after = items.collapsing(full, 0, 2)
    assert ([each.commit_no for each in first], after) == ([301, 303], 303)
    assert items.collapsing(full, 303, 2) == ([], None)


async def test_who_reads_on_in_pages_that_lead_back_is_told(path: Path) -> None:
    store = await Store.open(path, new_incarnation=bytes(16))
    await store.commit([record(n, data=b"a long record" * 30) for n in range(1, 700)])
    await store.close()
    lead_back(path, "items")
    after = 0
    with open_reading(path) as connection, pytest.raises(StoreDamaged, match="back to record"):
        for _page in range(100):
            after = items.log(connection, after, 40_000)[-1].first_commit
