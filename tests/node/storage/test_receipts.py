import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from pushmesh_node.engine.records import ReceiptWish, Record, StoredSeal
from pushmesh_node.storage import Store, StoreFailed
from pushmesh_node.storage.receipts import Issuer, kept_until
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.receipts import (
    CLOCK_IS_OFF,
    NO_PREVIOUS,
    Receipt,
    SealWords,
    check_receipt,
    first_break,
    seal_hash,
    sign_seal,
)
from pushmesh_protocol.tree import levels_of, path_in
from pushmesh_protocol.types import EnvelopeId, UnixMs
from support.bodies import a_network
from support.records import NOW, record

NETWORK = a_network()
SEED = b"\x51" * 32
KEEP_MS = 1_000
ISSUER = Issuer(NETWORK, public_key(SEED), KEEP_MS, lambda: NOW)


async def opened(path: Path) -> Store:
    return await Store.open(path / "store.db", new_incarnation=b"\x07" * 16, issuer=ISSUER)


def a_record(first_commit: int, count: int = 1) -> Record:
    return record(first_commit, *[None] * count)


def published(first_commit: int, count: int = 1) -> Record:
    return replace(a_record(first_commit, count), published=True)


async def chain_of(store: Store) -> Sequence[SealWords]:
    return await store.seals_after(0, 1_000)


def receipt_for(seal: StoredSeal, commit_no: int) -> Receipt:
    index = list(seal.commits).index(commit_no)
    signed = sign_seal(SEED, NETWORK, seal.words)
    return Receipt(signed, seal.ids[index], index, path_in(levels_of(seal.ids), index))


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
    wish = ReceiptWish(1, EnvelopeId(a_record(1).ids[0]), UnixMs(a_record(1).expires_at))
    await store.commit([wish, wish])
    await store.commit([wish])
    (seal,) = await store.seals([1])
    assert (seal.words.number, seal.commits) == (2, [1])
    check_receipt(NETWORK, receipt_for(seal, 1))
    await store.commit([ReceiptWish(2, EnvelopeId(published(2).ids[0]), UnixMs(NOW + 1))])
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


async def test_the_store_knows_until_when_nothing_may_be_pruned(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.commit([a_record(1), published(2, 3), a_record(5), a_record(6)])
    await store.commit([ReceiptWish(6, EnvelopeId(a_record(6).ids[0]), UnixMs(NOW + 1))])
    await store.close()
    connection = sqlite3.connect(tmp_path / "store.db")
    asked = {first: kept_until(connection, first, end) for first, end in ((1, 2), (2, 5), (4, 5), (5, 6), (6, 7))}
    assert asked == {1: 0, 2: NOW + KEEP_MS, 4: NOW + KEEP_MS, 5: 0, 6: NOW + KEEP_MS}
    connection.close()
