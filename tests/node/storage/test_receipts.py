from pathlib import Path

import pytest
from msgspec.structs import replace

from pushmesh_node.storage import Store, StoreFailed
from pushmesh_protocol.receipts import CLOCK_IS_OFF, NO_PREVIOUS, check_receipt, first_break, seal_hash
from pushmesh_protocol.types import UnixMs
from support.damaged_files import spoil
from support.records import NOW
from support.sealing import (
    KEEP_MS,
    NETWORK,
    a_record,
    a_wish,
    chain_of,
    published,
    receipt_for,
    scrub_all,
    sealing_store,
)


async def opened(folder: Path) -> Store:
    return await sealing_store(folder / "store.db")


async def test_what_is_published_is_sealed_in_the_transaction_that_stores_it(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit([published(1), published(2, 3), a_record(5)])
    (seal,) = await store.seals([1, 3])
    assert (seal.commits, seal.words.number, seal.words.previous) == ([1, 2, 3, 4], 1, NO_PREVIOUS)
    assert (seal.words.time, seal.words.kept_until, seal.words.flags) == (NOW, NOW + KEEP_MS, 0)
    for commit_no in seal.commits:
        check_receipt(NETWORK, receipt_for(seal, commit_no))
    assert await store.seals([5]) == []
    await store.close()


async def test_seals_are_one_chain_across_a_restart_and_ways_of_storing(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit([published(1)])
    await store.commit([published(2, 70)])
    await store.close()
    store = await opened(tmp_path)
    number = store.last_commit + 1
    await store.commit([published(number)])
    await store.commit([a_record(number + 1)])
    await store.commit([published(number + 2)])
    chain = await chain_of(store)
    assert [words.number for words in chain] == [1, 2, 3, 4]
    assert first_break(NETWORK, chain) is None
    assert {words.chain for words in chain} == {store.incarnation}
    await store.close()


async def test_the_same_receipt_comes_from_memory_and_from_the_disk(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit([published(1), published(2, 5)])
    before = [receipt_for((await store.seals([number]))[0], number) for number in range(1, 7)]
    await store.close()
    store = await opened(tmp_path)
    assert [receipt_for((await store.seals([number]))[0], number) for number in range(1, 7)] == before
    await store.close()


async def test_who_asks_about_what_came_another_way_gets_one_receipt_for_ever(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit([a_record(1), published(2)])
    wish = a_wish(1)
    await store.commit([wish, wish])
    await store.commit([wish])
    (seal,) = await store.seals([1])
    assert (seal.words.number, seal.commits) == (2, [1])
    check_receipt(NETWORK, receipt_for(seal, 1))
    await store.commit([a_wish(2)])
    assert len(await chain_of(store)) == 2
    await store.close()
    store = await opened(tmp_path)
    assert [words.number for words in await chain_of(store)] == [1, 2]
    assert (await store.seals([1]))[0].words == seal.words
    await store.close()


async def test_a_transaction_that_fails_leaves_the_chain_as_it_was(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit([published(1)])
    broken = replace(published(2), ids=(), issued_ats=(), audiences=())
    with pytest.raises(ValueError, match="one entry an envelope"):
        await store.commit([published(3), broken])
    await store.commit([published(3)])
    chain = await chain_of(store)
    assert [words.number for words in chain] == [1, 2]
    assert chain[1].previous == seal_hash(NETWORK, chain[0])
    await store.close()
    with pytest.raises(StoreFailed):
        await store.commit([published(4)])


async def test_a_node_whose_clock_is_off_says_so_in_its_receipts(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    assert store.receipt_chain is not None
    store.receipt_chain.clock_is_off = True
    await store.commit([published(1)])
    (seal,) = await store.seals([1])
    assert seal.words.flags == CLOCK_IS_OFF
    await store.close()


async def test_receipts_go_with_what_they_tell_of_but_the_last_one_stays(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    end = a_record(1).expires_at
    await store.commit([replace(published(1), expires_at=UnixMs(end - 500))])
    await store.commit([published(2)])
    await store.expire(end + 1, 512)
    assert [words.number for words in await chain_of(store)] == [2]
    await store.commit([published(3)])
    chain = await chain_of(store)
    assert first_break(NETWORK, chain) is None and chain[-1].number == 3
    await store.close()


async def test_what_is_not_held_any_more_gets_no_receipt(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit([a_record(1), replace(a_record(2), expires_at=UnixMs(NOW))])
    await store.expire(NOW, 512)  # after its publisher's node had looked
    await store.commit([a_wish(1), a_wish(2)])
    (seal,) = await store.seals([1, 2])
    assert seal.commits == [1]
    await store.close()


CHANGES = (
    "number = number + 100",
    "first_commit = first_commit + 1",
    "last_commit = last_commit + 1",
    "ends_at = ends_at - 1",
    "kept_until = kept_until - 1",
    "data = substr(data, 1, 40) || x'00' || substr(data, 42)",
    "sum = sum + 1",
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.partition(" ")[0])
async def test_a_damaged_seal_costs_its_own_receipts_alone(tmp_path: Path, change: str) -> None:
    store = await opened(tmp_path)
    for number in (1, 2, 4):
        await store.commit([published(number, 2 if number == 2 else 1)])
    before = await chain_of(store)
    await store.close()
    spoil(tmp_path / "store.db", f"UPDATE receipts SET {change} WHERE number = 2")
    store = await opened(tmp_path)
    await scrub_all(store)
    left = await chain_of(store)
    assert [aside.table for aside in await store.quarantine(9)] == ["receipts"]
    assert [words for words in left if words.number != 2] == [before[0], before[2]]
    assert len(left) == 2
    for commit_no in (1, 4):
        (seal,) = await store.seals([commit_no])
        check_receipt(NETWORK, receipt_for(seal, commit_no))
    assert await store.seals([2, 3]) == []
    await store.close()


async def test_who_publishes_again_what_a_lost_seal_covered_gets_a_new_one(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit([published(1)])
    await store.commit([published(2)])
    await store.close()
    spoil(tmp_path / "store.db", "UPDATE receipts SET data = zeroblob(99) WHERE number = 1")
    store = await opened(tmp_path)
    await store.commit([a_wish(1)])
    (seal,) = await store.seals([1])
    assert seal.words.number == 3
    check_receipt(NETWORK, receipt_for(seal, 1))
    assert first_break(NETWORK, await chain_of(store)) is None
    await store.close()


@pytest.mark.parametrize("when", ["at the start", "by the scrub"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.partition(" ")[0])
async def test_no_number_is_given_twice_where_the_last_seal_is_lost(tmp_path: Path, change: str, when: str) -> None:
    store = await opened(tmp_path)
    for number in (1, 2, 3):
        await store.commit([published(number)])
    given = await chain_of(store)
    if when == "by the scrub":
        spoil(tmp_path / "store.db", f"UPDATE receipts SET {change} WHERE number = 3")
        await scrub_all(store)
    await store.close()
    if when == "at the start":
        spoil(tmp_path / "store.db", f"UPDATE receipts SET {change} WHERE number = 3")
    for _life in range(2):
        store = await opened(tmp_path)
        assert store.salvaged is None
        await store.commit([published(store.last_commit + 1)])
        await store.commit([published(store.last_commit + 1)])
        await store.close()
    store = await opened(tmp_path)
    chain = await chain_of(store)
    assert list(chain[:2]) == list(given[:2])
    assert [words.number for words in chain] == sorted({words.number for words in chain})
    assert chain[2].number > 100 and chain[2].previous == NO_PREVIOUS
    assert len(chain) == 6 and first_break(NETWORK, chain[2:]) is None
    await store.close()


async def test_a_seal_that_was_lost_in_a_life_is_named_by_the_next(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit([published(1)])
    await store.commit([published(2)])
    (_, last) = await chain_of(store)
    spoil(tmp_path / "store.db", "UPDATE receipts SET data = x'00' WHERE number = 2")
    await scrub_all(store)
    await store.commit([published(3)])
    await store.close()
    store = await opened(tmp_path)
    await store.commit([published(store.last_commit + 1)])
    chain = await chain_of(store)
    assert [words.number for words in chain] == [1, 3, 4]
    assert chain[1].previous == seal_hash(NETWORK, last)
    assert first_break(NETWORK, chain[1:]) is None
    await store.close()


@pytest.mark.parametrize(
    "change", ["UPDATE late_receipts SET number = 7", "UPDATE late_receipts SET sum = 7", "DELETE FROM late_receipts"]
)
async def test_the_way_to_a_late_seal_is_made_again(tmp_path: Path, change: str) -> None:
    store = await opened(tmp_path)
    await store.commit([a_record(1), published(2)])
    await store.commit([a_wish(1)])
    (before,) = await store.seals([1])
    await store.close()
    spoil(tmp_path / "store.db", change)
    store = await opened(tmp_path)
    await scrub_all(store)
    (seal,) = await store.seals([1])
    assert (seal.words, store.mending.repaired) == (before.words, 1)
    await store.close()
