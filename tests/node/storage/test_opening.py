from pathlib import Path

import pytest

from pushmesh_node.storage import Store
from pushmesh_node.storage.retention import Bounds, excess_of, prune
from pushmesh_protocol.receipts import first_break
from support.damaged_files import spoil
from support.records import NOW
from support.sealing import NETWORK, SEED, chain_of, published, sealing_store

LATER = 2**60


@pytest.fixture
async def sealed(path: Path) -> Path:
    """A store with two receipts and a floor."""
    store = await sealing_store(path)
    await store.commit([published(1)])
    await store.commit([published(2)])
    (amount,) = store.sets.values()
    excess = {0: excess_of(amount, amount, Bounds(envelopes=1), 0, NOW)}
    pruned = await store._writer.run(prune, excess, NOW + 10_000, LATER, 1)
    assert list(pruned.floors) == [0]
    await store.close()
    return path


async def test_a_store_goes_on_where_it_stood(sealed: Path) -> None:
    store = await sealing_store(sealed)
    assert (list(store.floors), store.mending.quarantined, store.salvaged) == ([0], 0, None)
    assert store.receipt_chain is not None
    await store.commit([published(store.last_commit + 1)])
    chain = await chain_of(store)
    assert [words.number for words in chain] == [1, 2, 3]
    assert first_break(NETWORK, chain) is None
    await store.close()


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE floors SET floor = floor + 1", "floors"),
        ("UPDATE receipts SET ends_at = 0 WHERE number = 2", "receipts"),
    ],
)
async def test_a_damaged_row_that_the_rest_can_do_without_is_moved_aside_at_once(
    sealed: Path, change: str, table: str
) -> None:
    spoil(sealed, change)
    store = await sealing_store(sealed)
    assert (store.mending.quarantined, store.salvaged) == (1, None)
    assert [aside.table for aside in await store.quarantine(9)] == [table]
    assert not await store.quarantine(0)
    assert [item.first_commit for item in await store.log(0, 1 << 20)] == [2]
    await store.close()


async def test_a_store_that_lost_its_floor_takes_again_what_it_had_let_go(sealed: Path) -> None:
    spoil(sealed, "UPDATE floors SET floor = 0")
    store = await sealing_store(sealed)
    assert store.floors == {}
    await store.close()


@pytest.mark.parametrize("change", ["UPDATE meta SET value = 7", "DELETE FROM meta"])
async def test_a_store_whose_own_words_are_damaged_is_salvaged(sealed: Path, change: str) -> None:
    spoil(sealed, f"{change} WHERE name = 'last_commit'")
    store = await sealing_store(sealed)
    assert store.salvaged is not None
    assert (store.incarnation, store.last_commit > 2) == (b"\x07" * 16, True)
    await store.close()


async def test_a_store_without_an_issuer_reads_no_receipts(sealed: Path) -> None:
    spoil(sealed, "UPDATE receipts SET ends_at = 0")
    store = await Store.open(sealed, new_incarnation=SEED[:16])
    assert (store.receipt_chain, store.mending.quarantined) == (None, 0)
    await store.close()
