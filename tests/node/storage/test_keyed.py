import sqlite3

from pushmesh_node.engine.records import DecisionRecord, VoidMark, VoucherRecord
from pushmesh_node.storage import items, keyed
from pushmesh_node.storage.topics import TopicNumbers
from pushmesh_node.storage.transaction import write_group
from pushmesh_protocol.types import Epoch, UnixMs
from support.plans import plans, tables_walked
from support.records import ALICE, BOB, HASHES, NOW, record


def test_lookups_walk_no_table(connection: sqlite3.Connection) -> None:
    steps = plans(connection, lambda: keyed.vouchers(connection, 7))
    steps += plans(connection, lambda: keyed.epoch_totals(connection, 7))
    steps += plans(connection, lambda: keyed.decisions(connection, ALICE, [1, 2, 3]))
    steps += plans(connection, lambda: keyed.cursor(connection, ALICE, "phone"))
    steps += plans(connection, lambda: items.voids_among(connection, [1, 2, 3]))
    assert tables_walked(steps) == []
    assert not any("TEMP B-TREE" in step for step in steps)


def test_more_numbers_than_one_statement_takes_are_looked_up(connection: sqlite3.Connection) -> None:
    records = [record(n) for n in range(1, 201)]
    decisions = [DecisionRecord(ALICE, n, "drop", "muted", "r", UnixMs(NOW), *HASHES) for n in range(1, 201)]
    write_group(connection, [*records, *decisions, *map(VoidMark, range(1, 201, 2))], TopicNumbers(), 0)
    wanted = list(range(250, 0, -1))
    assert [d.commit_no for d in keyed.decisions(connection, ALICE, wanted)] == list(range(1, 201))
    assert keyed.decisions(connection, BOB, wanted) == []
    assert items.voids_among(connection, wanted) == set(range(1, 201, 2))


def test_totals_add_up_streams_of_all_keys(connection: sqlite3.Connection) -> None:
    vouchers = [
        VoucherRecord(Epoch(7), account, key, stream, 1, 3, 4, b"", None)
        for account in (BOB, ALICE)
        for key in (b"k", b"l")
        for stream in (b"s", b"t")
    ]
    write_group(connection, vouchers, TopicNumbers(), 0)
    assert keyed.epoch_totals(connection, 7) == [(ALICE, 12, 16), (BOB, 12, 16)]
    assert keyed.epoch_totals(connection, 8) == []
