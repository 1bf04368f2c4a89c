import sqlite3

import pytest

from pushmesh_node.engine.records import CursorRecord, DecisionRecord, VoidMark, VoucherRecord
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
    steps += plans(connection, lambda: items.voids_among(connection, [1, 2, 3]))
    assert tables_walked(steps) == []
    assert not any("TEMP B-TREE" in step for step in steps)
    devices = plans(connection, lambda: keyed.cursors(connection, [(ALICE, ""), (ALICE, "\x1fnews\x1f")]))
    assert devices and tables_walked(devices) == []


@pytest.mark.parametrize(
    ("device", "prefix"),
    [("", ""), ("phone", ""), ("\x1fab\x1f", "\x1fab\x1f"), ("\x1fab\x1fphone", "\x1fab\x1f"), ("a\x1fb\x1f", "")],
)
def test_a_devices_name_tells_whom_it_stands_with(device: str, prefix: str) -> None:
    assert keyed.prefix_of(device) == prefix


def test_devices_that_stand_apart_are_of_no_other_group(connection: sqlite3.Connection) -> None:
    names = ["", " ", "phone", "\U0001f514", "\x1fab\x1f", "\x1fab\x1fphone", "\x1fabc\x1fphone", "\x1fb\x1fphone"]
    cursors = [CursorRecord(who, name, 1, UnixMs(place)) for who in (ALICE, BOB) for place, name in enumerate(names)]
    write_group(connection, cursors, TopicNumbers(), 0)
    found = keyed.cursors(connection, [(ALICE, prefix) for prefix in ("", "\x1fab\x1f", "\x1fabc\x1f", "\x1fzz\x1f")])
    assert [[each.device for each in group] for group in found] == [names[:4], names[4:6], names[6:7], []]
    assert {each.account for group in found for each in group} == {ALICE}


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
