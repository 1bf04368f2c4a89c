import sqlite3

from pushmesh_node.storage.sets import CONTROL_SET
from pushmesh_node.storage.tally import Amount, Tally, amount_of, count_sets, sets_of
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.plans import plans
from support.records import EVERYBODY, GRANT, NEWS, OFFERS, record


def test_what_comes_and_goes_is_counted_by_set() -> None:
    tally = Tally({1: Amount(2, 3, 40)})
    tally.add({1: Amount(1, 1, 10), 2: Amount(1, 5, 7)})
    tally.remove({1: Amount(2, 3, 40)})
    assert tally.sets == {1: Amount(1, 1, 10), 2: Amount(1, 5, 7)}
    assert tally.total == Amount(2, 6, 17)
    assert amount_of([]) == Tally({}).total == Amount()


def test_counting_the_file_gives_what_the_transactions_told(connection: sqlite3.Connection) -> None:
    topics = TopicNumbers(lambda topic: len(topic.name))
    tally = Tally({})
    tally.add(write_group(connection, [record(1), record(2, kind=GRANT, topic=None)], topics, 0).added)
    tally.add(write_group(connection, [record(3, EVERYBODY, EVERYBODY, topic=OFFERS), record(5)], topics, 2).added)
    assert count_sets(connection) == tally.sets
    assert sets_of(connection) == [len(NEWS.name), len(OFFERS.name), CONTROL_SET]


def test_counting_reads_one_index_alone(connection: sqlite3.Connection) -> None:
    assert plans(connection, lambda: count_sets(connection)) == ["SCAN items USING COVERING INDEX items_by_end"]
    assert all("SEARCH" in step for step in plans(connection, lambda: sets_of(connection)))
