"""Messages whose time lies ahead: kept and given to peers at once, shown in inboxes when they are due."""

from pathlib import Path

import pytest

from pushmesh_node.engine.records import (
    DecisionRecord,
    DueRecord,
    StoredDue,
    StoredEnvelope,
    Unscheduled,
    VoidMark,
    Write,
)
from pushmesh_node.storage import Store
from pushmesh_node.storage.files import SKIPPED_NUMBERS
from pushmesh_protocol.types import UnixMs
from support.naive_store import NaiveStore
from support.records import ALICE, BOB, EVERYBODY, HASHES, HOUR_MS, NEWS, NOW, id_of, record

AnyStore = Store | NaiveStore
SOON, LATER = UnixMs(NOW + 1_000), UnixMs(NOW + HOUR_MS)


async def shown(store: AnyStore) -> list[tuple[int, bytes]]:
    return [(row.commit_no, row.data) for row in await store.inbox(ALICE, [NEWS], 0, 100)]


async def test_until_it_is_due_peers_get_it_and_inboxes_do_not(store: AnyStore) -> None:
    await store.commit([record(1, due_ats=(SOON,)), record(2, (ALICE,), due_ats=(LATER,)), record(3)])
    assert await shown(store) == [(3, b"frame 3")]
    assert [item.first_commit for item in await store.log(0, 1_000)] == [1, 2, 3]
    found = await store.find(id_of(1), NOW)
    assert found is not None and found.commit_no == 1
    assert await store.due(NOW, 10) == []
    assert await store.due(SOON, 10) == [StoredDue(1, SOON, 0, b"frame 1", False)]
    assert [row.commit_no for row in await store.due(LATER, 10)] == [1, 2]
    assert [row.commit_no for row in await store.due(LATER, 1)] == [1]


async def test_when_it_is_shown_it_has_a_new_number_and_peers_get_it_no_second_time(store: AnyStore) -> None:
    await store.commit([record(1, due_ats=(SOON,)), record(2, (ALICE, BOB), due_ats=(SOON,)), record(3)])
    await store.commit([DueRecord(4, 1, SOON, EVERYBODY, b"shown 4"), DueRecord(5, 2, SOON, (ALICE, BOB), b"shown 5")])
    assert store.last_commit == 5
    assert await shown(store) == [(3, b"frame 3"), (4, b"shown 4"), (5, b"shown 5")]
    assert await store.targeted_messages(BOB, 3, None, 10) == [StoredEnvelope(5, 0, 5, b"shown 5")]
    assert [item.first_commit for item in await store.log(0, 1_000)] == [1, 2, 3]
    assert await store.due(LATER, 10) == []
    found = await store.find(id_of(1), NOW)
    assert found is not None and found.commit_no == 1


async def test_leaves_of_a_run_are_due_one_by_one(store: AnyStore) -> None:
    run = record(1, EVERYBODY, EVERYBODY, (ALICE,), EVERYBODY, due_ats=(None, SOON, LATER, None))
    await store.commit([run])
    assert [number for number, _ in await shown(store)] == [1, 4]
    assert [(row.commit_no, row.index) for row in await store.due(LATER, 10)] == [(2, 1), (3, 2)]
    await store.commit([DueRecord(5, 2, SOON, EVERYBODY, b"leaf")])
    assert await shown(store) == [(1, b"frame 1"), (4, b"frame 1"), (5, b"leaf")]
    assert [row.commit_no for row in await store.due(LATER, 10)] == [3]


@pytest.mark.parametrize("first", ["void", "shown"])
async def test_a_void_one_is_never_shown_whichever_came_first(store: AnyStore, first: str) -> None:
    await store.commit([record(1, due_ats=(SOON,))])
    writes: list[Write] = [VoidMark(1), DueRecord(2, 1, SOON, EVERYBODY, b"shown")]
    for write in writes if first == "void" else reversed(writes):
        await store.commit([write])
    assert await shown(store) == []


async def test_what_is_void_or_gone_is_told_so_and_can_be_taken_off(store: AnyStore) -> None:
    await store.commit([record(1, due_ats=(SOON,)), record(2, due_ats=(SOON,), expires_at=NOW + 10), VoidMark(1)])
    await store.expire(NOW + 20, 10)
    assert await store.due(SOON, 10) == [
        StoredDue(1, SOON, 0, b"frame 1", True),
        StoredDue(2, SOON, 0, None, False),
    ]
    await store.commit([Unscheduled(1, SOON), Unscheduled(2, SOON)])
    assert await store.due(SOON, 10) == []
    assert await shown(store) == []


async def test_what_was_decided_when_it_was_shown_is_found_by_its_first_number(store: AnyStore) -> None:
    await store.commit([record(1, due_ats=(SOON,)), record(2)])
    await store.commit([DueRecord(3, 1, SOON, EVERYBODY, b"shown")])
    held = DecisionRecord(ALICE, 3, "hold", "muted-by-wallet", "wallet-mutes", SOON, *HASHES)
    await store.commit([held])
    assert await store.decision(ALICE, 1) == await store.decision(ALICE, 3) == held
    assert await store.decision(ALICE, 2) is None
    assert await store.decision(BOB, 1) is None


async def test_what_is_gone_when_it_is_due_shows_nothing_in_its_place(store: AnyStore) -> None:
    await store.commit([record(1, (BOB,)), record(2, due_ats=(SOON,), expires_at=NOW)])
    await store.expire(NOW, 10)
    await store.commit([DueRecord(3, 2, SOON, EVERYBODY, b"shown")])
    assert await shown(store) == []
    assert store.last_commit == 3


async def test_both_copies_end_together(path: Path, sqlite_store: Store) -> None:
    await sqlite_store.commit([record(1, (ALICE,), due_ats=(SOON,))])
    await sqlite_store.commit([DueRecord(2, 1, SOON, (ALICE,), b"shown")])
    assert (await sqlite_store.stats()).items == 2
    await sqlite_store.expire(NOW + 24 * HOUR_MS, 10)
    assert await shown(sqlite_store) == []
    assert (await sqlite_store.stats()).items == 0
    await sqlite_store.close()
    again = await Store.open(path, new_incarnation=bytes(16))
    assert again.last_commit == 2 + SKIPPED_NUMBERS
    await again.close()


async def test_the_schedule_survives_a_restart(path: Path, sqlite_store: Store) -> None:
    await sqlite_store.commit([record(1, due_ats=(SOON,))])
    await sqlite_store.close()
    again = await Store.open(path, new_incarnation=bytes(16))
    assert [row.commit_no for row in await again.due(SOON, 10)] == [1]
    await again.close()
