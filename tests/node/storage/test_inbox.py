import sqlite3

import pytest

from pushmesh_node.engine.records import VoidMark
from pushmesh_node.storage import inbox
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
    assert any("items_by_topic (topic_no=? AND first_commit>? AND first_commit<?)" in step for step in steps)
    assert any("t USING PRIMARY KEY (account=? AND commit_no>? AND commit_no<?)" in step for step in steps)


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
