import sqlite3

import pytest

from pushmesh_node.storage import topics as module
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_protocol.accounts import Topic
from support.records import NEWS, OFFERS, SHOP


def test_a_topic_keeps_its_number_across_instances(connection: sqlite3.Connection) -> None:
    first = TopicNumbers().numbers(connection, [NEWS])
    both = TopicNumbers().numbers(connection, [OFFERS, NEWS])
    assert both[NEWS] == first[NEWS] != both[OFFERS]


def test_numbers_of_a_rolled_back_transaction_are_forgotten(connection: sqlite3.Connection) -> None:
    numbers = TopicNumbers()
    connection.execute("BEGIN")
    numbers.numbers(connection, [NEWS])
    connection.execute("ROLLBACK")
    numbers.forget_new()
    found = numbers.numbers(connection, [OFFERS, NEWS])
    numbers.keep_new()
    rows = connection.execute("SELECT topic_no, name FROM topics").fetchall()
    assert sorted(rows) == sorted((number, topic.name) for topic, number in found.items())


def test_a_known_topic_costs_no_statement(connection: sqlite3.Connection) -> None:
    numbers = TopicNumbers()
    found = numbers.numbers(connection, [NEWS])
    numbers.keep_new()
    connection.execute("DROP TABLE topics")
    assert numbers.numbers(connection, [NEWS]) == found


def test_a_full_cache_starts_anew(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CACHED", 3)
    numbers = TopicNumbers()
    seen: dict[Topic, int] = {}
    for n in range(10):
        found = numbers.numbers(connection, [Topic(SHOP, f"t{n}"), Topic(SHOP, "t0")])
        numbers.keep_new()
        assert all(seen.setdefault(topic, number) == number for topic, number in found.items())
    assert len(set(seen.values())) == 10
