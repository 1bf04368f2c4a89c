from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from pushmesh_node.engine.records import HandedRecord, ReachedRecord, ToldMark
from pushmesh_node.storage import Store
from pushmesh_protocol.types import EnvelopeId, UnixMs
from support.damaged_files import spoil
from support.records import ALICE, BOB, NOW, id_of
from support.sealing import scrub_all

ORIGIN, OTHER = b"\x0a" * 32, b"\x0b" * 32
END = UnixMs(NOW + 1_000)
HANDED = HandedRecord(id_of(1), ALICE, UnixMs(NOW), ORIGIN, 4, True, UnixMs(NOW + 5), END, None)
REACHED = ReachedRecord(1, ORIGIN, None, 4, 2, UnixMs(NOW), END, None)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "store.db", new_incarnation=b"\x01" * 16)
    yield store
    await store.close()


async def test_what_is_owed_is_owed_until_it_was_told(store: Store) -> None:
    await store.commit([HANDED, replace(HANDED, account=BOB), replace(HANDED, id=id_of(2), origin=OTHER)])
    assert sorted(await store.origins_owed()) == [ORIGIN, OTHER]
    owed = await store.owed(ORIGIN, 10)
    assert [(each.handed, each.delivered, each.acknowledged) for each in owed] == [
        (HANDED, 2, 0),
        (replace(HANDED, account=BOB), 2, 0),
    ]
    assert len(await store.owed(ORIGIN, 1)) == 1
    await store.commit([ToldMark(HANDED.id, ALICE, 4), ToldMark(HANDED.id, BOB, 4)])
    assert await store.owed(ORIGIN, 10) == []
    assert await store.origins_owed() == [OTHER]


async def test_a_higher_level_is_owed_again_and_a_lower_one_is_not(store: Store) -> None:
    await store.commit([HANDED])
    await store.commit([ToldMark(HANDED.id, ALICE, 4)])
    await store.commit([replace(HANDED, at=UnixMs(NOW + 9))])
    assert await store.origins_owed() == []
    higher = replace(HANDED, level=5, evidence=b"signed")
    await store.commit([higher])
    ((owed),) = await store.owed(ORIGIN, 10)
    assert (owed.handed, owed.delivered, owed.acknowledged) == (higher, 1, 1)
    await store.commit([ToldMark(HANDED.id, ALICE, 4)])  # the answer to what was told before
    assert await store.origins_owed() == [ORIGIN]


async def test_totals_and_names_only_grow(store: Store) -> None:
    named = replace(REACHED, account=ALICE, count=1)
    await store.commit([REACHED, named, replace(REACHED, level=5, count=1)])
    await store.commit([replace(REACHED, count=1), replace(named, level=5, evidence=b"signed"), named])
    assert [(each.level, each.count) for each in await store.reached(1)] == [(4, 2), (5, 1)]
    assert await store.recipients(1, b"", 10) == [replace(named, level=5, evidence=b"signed")]
    assert await store.recipients(1, ALICE, 10) == []
    assert await store.outcome_rows() == (0, 3)


async def test_outcomes_go_when_the_notification_is_over(store: Store) -> None:
    await store.commit([HANDED, REACHED, replace(HANDED, id=EnvelopeId(id_of(3)), ends_at=UnixMs(END + 1))])
    await store.expire(END, 512)
    assert await store.outcome_rows() == (1, 0)


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Store]:
    """Two wallets got a notification, another node told of two."""
    store = await Store.open(tmp_path / "store.db", new_incarnation=b"\x01" * 16)
    named = replace(REACHED, account=ALICE, count=1)
    await store.commit([HANDED, replace(HANDED, account=BOB, level=5, evidence=b"signed"), REACHED, named])
    yield store
    await store.close()


HANDED_CHANGES = (
    "origin = x'0b'",
    "level = 5",
    "named = 0",
    "at = at + 1",
    "issued_at = 1",
    "ends_at = ends_at + 1",
    "evidence = x''",
)


@pytest.mark.parametrize("change", HANDED_CHANGES)
async def test_what_a_damaged_row_says_is_told_to_nobody(told: Store, tmp_path: Path, change: str) -> None:
    spoil(tmp_path / "store.db", f"UPDATE handed SET {change} WHERE length(evidence) IS NULL")
    owed = await told.owed(ORIGIN, 10)
    owed += await told.owed(b"\x0b", 10)
    assert [(each.handed.account, each.delivered, each.acknowledged) for each in owed] == [(BOB, 1, 1)]
    await scrub_all(told)
    assert [aside.table for aside in await told.quarantine(9)] == ["handed"]


@pytest.mark.parametrize("change", ["level = 6", "count = 9", "at = 1", "ends_at = 1", "evidence = x'aa'"])
async def test_nobody_is_shown_a_damaged_row_of_what_others_told(told: Store, tmp_path: Path, change: str) -> None:
    spoil(tmp_path / "store.db", f"UPDATE reached SET {change}")
    assert await told.reached(1) == []
    assert await told.recipients(1, b"", 10) == []
    assert [aside.table for aside in await told.quarantine(9)] == ["reached", "reached"]
    await told.commit([REACHED])
    assert await told.reached(1) == [REACHED]


@pytest.mark.parametrize("write", [replace(HANDED, level=5, evidence=b"signed"), ToldMark(HANDED.id, ALICE, 4), HANDED])
async def test_nothing_is_written_over_a_damaged_row_as_if_it_were_whole(
    told: Store, tmp_path: Path, write: HandedRecord | ToldMark
) -> None:
    spoil(tmp_path / "store.db", "UPDATE handed SET origin = x'0b' WHERE length(evidence) IS NULL")
    await told.commit([write])
    (aside,) = await told.quarantine(9)
    assert aside.table == "handed"
    owed = {each.handed.account: each.handed for each in await told.owed(ORIGIN, 10)}
    assert owed.get(ALICE) == (write if isinstance(write, HandedRecord) else None)


async def test_a_total_is_not_added_to_a_damaged_one(told: Store, tmp_path: Path) -> None:
    spoil(tmp_path / "store.db", "UPDATE reached SET count = 90 WHERE account = x'04'")
    await told.commit([replace(REACHED, count=3)])
    assert await told.reached(1) == [replace(REACHED, count=3)]
