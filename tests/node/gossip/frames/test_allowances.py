from pushmesh_node.gossip.frames.allowances import TABLES_KEPT, AllowanceTables
from pushmesh_node.ipc import Allowances

ALICE, BOB, CAROL = b"\xa1", b"\xb2", b"\xc3"


def test_without_a_table_the_network_file_decides() -> None:
    assert AllowanceTables().of(ALICE, 5) is None


def test_who_is_not_listed_has_the_default() -> None:
    tables = AllowanceTables()
    tables.push(Allowances(7, [(ALICE, 64)]))
    assert (tables.of(ALICE, 0), tables.of(BOB, 0)) == (64, 7)


def test_a_table_in_parts_is_one_table() -> None:
    tables = AllowanceTables()
    tables.push(Allowances(0, [(ALICE, 1)]))
    tables.push(Allowances(0, [(BOB, 2)], replace=False))
    assert (tables.of(ALICE, 0), tables.of(BOB, 0)) == (1, 2)
    tables.push(Allowances(0, [(CAROL, 3)]))
    assert (tables.of(ALICE, 0), tables.of(CAROL, 0)) == (0, 3)


def test_a_later_table_holds_from_its_first_epoch_on() -> None:
    tables = AllowanceTables()
    tables.push(Allowances(1, [], first_epoch=10))
    tables.push(Allowances(2, [], first_epoch=20))
    assert [tables.of(ALICE, epoch) for epoch in (9, 10, 19, 20, 99)] == [None, 1, 1, 2, 2]


def test_tables_are_bounded() -> None:
    tables = AllowanceTables()
    for epoch in range(50):
        tables.push(Allowances(epoch, [], first_epoch=epoch))
    oldest = 50 - TABLES_KEPT
    assert [tables.of(ALICE, epoch) for epoch in (49, oldest, oldest - 1)] == [49, oldest, None]
