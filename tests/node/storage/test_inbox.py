import sqlite3

import pytest

from pushmesh_node.engine.records import VoidMark
from pushmesh_node.storage import inbox
from pushmesh_node.storage.rows import STRETCH_BITS
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from support.plans import plans, tables_walked
from support.records import ALICE, BOB, EVERYBODY, NEWS, OFFERS, record


@pytest.fixture
def full(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Alternating topics; every third message for Alice; a run of both kinds at the end, from 301 to 308."""
    records = [record(n, (ALICE,) if n % 3 == 0 else EVERYBODY, topic=(NEWS, OFFERS)[n % 2]) for n in range(1, 301)]
    run = record(301, *[EVERYBODY, (BOB,)] * 4)
    write_group(connection, [*records, run], TopicNumbers(), 0)
    return connection


def test_an_inbox_walks_no_table_and_sorts_no_history(full: sqlite3.Connection) -> None:
    steps = plans(full, lambda: inbox.inbox(full, ALICE, [NEWS, OFFERS], 250, 10))
    assert tables_walked(steps) == []
    items = "items_by_topic (<expr>=? AND topic_no=? AND first_commit>? AND first_commit<?)"
    targets = "t USING PRIMARY KEY (stretch=? AND account=? AND commit_no>? AND commit_no<?)"
    assert any(items in step for step in steps)
    assert any(targets in step for step in steps)


def test_a_run_whose_rest_is_for_others_does_not_end_the_page(full: sqlite3.Connection) -> None:
    write_group(full, [record(309)], TopicNumbers(), 308)
    found = inbox.topic_messages(full, [NEWS], 307, None, 1)
    assert [envelope.commit_no for envelope in found] == [309]


def test_pages_of_one_read_the_same_as_one_page(full: sqlite3.Connection) -> None:
    write_group(full, [VoidMark(n) for n in range(5, 290, 2)], TopicNumbers(), 308)
    whole = inbox.inbox(full, ALICE, [NEWS, OFFERS], 0, 1_000)
    after, pages = 0, []
    while page := inbox.inbox(full, ALICE, [NEWS, OFFERS], after, 1):
        pages += page
        after = page[-1].commit_no
    assert pages == whole
    assert len(whole) == 300 - 143 + 4


def test_the_frame_of_a_run_is_read_once_for_all_its_leaves(full: sqlite3.Connection) -> None:
    found = inbox.topic_messages(full, [NEWS], 300, None, 10)
    assert [(envelope.commit_no, envelope.index) for envelope in found] == [(301, 0), (303, 2), (305, 4), (307, 6)]
    assert all(envelope.data is found[0].data for envelope in found)


def test_pages_go_from_stretch_to_stretch_and_over_those_that_hold_nothing(connection: sqlite3.Connection) -> None:
    """A run may begin in one stretch and end in the next; restarts leave millions of numbers out."""
    edge, far = 1 << STRETCH_BITS, 500 << STRETCH_BITS
    records = [
        record(edge - 3, *[EVERYBODY, (ALICE,)] * 3),
        record(far, (ALICE,)),
        record(far + 1),
        record(far + 2, (BOB,)),
    ]
    write_group(connection, [record(7), *records], TopicNumbers(), 0)
    shown = [7, *range(edge - 3, edge + 3), far, far + 1]
    assert [one.commit_no for one in inbox.inbox(connection, ALICE, [NEWS], 0, 100)] == shown
    for place, after in enumerate(shown):
        for limit in (1, 2, 100):
            found = inbox.inbox(connection, ALICE, [NEWS], after, limit)
            assert [one.commit_no for one in found] == shown[place + 1 :][:limit]
    before = inbox.targeted_messages(connection, ALICE, 0, far, 100)
    assert [one.commit_no for one in before] == [edge - 2, edge, edge + 2]
    assert [one.commit_no for one in inbox.topic_messages(connection, [NEWS], edge, far + 1, 100)] == [edge + 1]


def test_retractions_are_shown_to_whom_the_record_names_and_nobody_is_nobody(connection: sqlite3.Connection) -> None:
    taken_back = [record(n, who, kind=6) for n, who in ((1, EVERYBODY), (2, (ALICE,)), (3, ()), (4, (BOB,)))]
    run = record(5, EVERYBODY, (), (ALICE,), kind=6)
    others = [record(8, kind=2), record(9, kind=4)]
    write_group(connection, [*taken_back, run, *others], TopicNumbers(), 0)
    found = inbox.inbox(connection, ALICE, [NEWS], 0, 10)
    assert [(each.commit_no, each.listed) for each in found] == [(1, False), (2, True), (5, False), (7, True)]
    for n, who in ((10, EVERYBODY), (11, ()), (12, (ALICE,))):  # one by one, as the fast way takes them
        write_group(connection, [record(n, who, kind=6)], TopicNumbers(), n - 1)
    assert [each.commit_no for each in inbox.inbox(connection, ALICE, [NEWS], 9, 10)] == [10, 12]
