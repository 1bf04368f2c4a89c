import sqlite3

import pytest

from pushmesh_node.storage import topics as module
from pushmesh_node.storage.sums import Damaged
from pushmesh_node.storage.topics import ENDS_STEP_MS, TopicNumbers
from pushmesh_protocol.accounts import Topic
from support.records import NEWS, NOW, OFFERS, SHOP


def test_a_topic_keeps_its_number_across_instances(connection: sqlite3.Connection) -> None:
    first = TopicNumbers().numbers(connection, [NEWS], NOW)
    both = TopicNumbers().numbers(connection, [OFFERS, NEWS], NOW)
    assert both[NEWS] == first[NEWS] != both[OFFERS]


def test_numbers_of_a_rolled_back_transaction_are_forgotten(connection: sqlite3.Connection) -> None:
    numbers = TopicNumbers()
    connection.execute("BEGIN")
    numbers.numbers(connection, [NEWS], NOW)
    connection.execute("ROLLBACK")
    numbers.forget_new()
    found = numbers.numbers(connection, [OFFERS, NEWS], NOW)
    numbers.keep_new()
    rows = connection.execute("SELECT topic_no, name FROM topics").fetchall()
    assert sorted(rows) == sorted((number, topic.name) for topic, (number, _shard) in found.items())


def test_a_known_topic_costs_no_statement(connection: sqlite3.Connection) -> None:
    numbers = TopicNumbers()
    found = numbers.numbers(connection, [NEWS], NOW)
    numbers.keep_new()
    connection.execute("DROP TABLE topics")
    assert numbers.numbers(connection, [NEWS], NOW) == found


def test_a_full_cache_starts_anew(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CACHED", 3)
    numbers = TopicNumbers()
    seen: dict[Topic, tuple[int, int]] = {}
    for n in range(10):
        found = numbers.numbers(connection, [Topic(SHOP, f"t{n}"), Topic(SHOP, "t0")], NOW)
        numbers.keep_new()
        assert all(seen.setdefault(topic, number) == number for topic, number in found.items())
    assert len(set(seen.values())) == 10


def ends(connection: sqlite3.Connection) -> list[int]:
    return [end for (end,) in connection.execute("SELECT ends_at FROM topics ORDER BY topic_no")]


def test_a_topic_ends_after_all_of_its_items_and_is_seldom_written(connection: sqlite3.Connection) -> None:
    numbers = TopicNumbers()
    for ends_at in (NOW, NOW - 5, NOW + 1, NOW + 3 * ENDS_STEP_MS, NOW):
        numbers.numbers(connection, [NEWS], ends_at)
        numbers.keep_new()
        (end,) = ends(connection)
        assert end > ends_at
    assert NOW + 3 * ENDS_STEP_MS < end <= NOW + 4 * ENDS_STEP_MS
    TopicNumbers().numbers(connection, [NEWS, OFFERS], NOW)
    assert ends(connection)[0] == end > ends(connection)[1] > NOW


def test_a_forgotten_number_is_asked_for_again(connection: sqlite3.Connection) -> None:
    numbers = TopicNumbers()
    found = numbers.numbers(connection, [NEWS, OFFERS], NOW)
    numbers.keep_new()
    connection.execute("DELETE FROM topics WHERE name = 'news'")
    numbers.forget([found[NEWS][0]])
    again = numbers.numbers(connection, [NEWS, OFFERS], NOW)
    rows = dict(connection.execute("SELECT name, topic_no FROM topics"))
    assert rows == {"news": again[NEWS][0], "offers": again[OFFERS][0]}
    assert again[OFFERS] == found[OFFERS]


def test_each_topic_comes_with_its_shard(connection: sqlite3.Connection) -> None:
    numbers = TopicNumbers(lambda topic: len(topic.name))
    found = numbers.numbers(connection, [NEWS, OFFERS], NOW)
    numbers.keep_new()
    assert [found[NEWS][1], found[OFFERS][1]] == [4, 6]
    assert numbers.at_hand([NEWS, OFFERS], NOW) == found


def test_a_topic_whose_row_is_damaged_is_told(connection: sqlite3.Connection) -> None:
    TopicNumbers().numbers(connection, [NEWS], NOW)
    connection.execute("UPDATE topics SET topic_no = topic_no + 8")
    with pytest.raises(Damaged, match="topics"):
        TopicNumbers().numbers(connection, [NEWS], NOW)
