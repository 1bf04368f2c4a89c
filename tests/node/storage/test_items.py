import sqlite3

import pytest

from pushmesh_node.storage import items
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
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
