"""Whatever bits flip and wherever files end: the store gives nothing wrong, keeps what is whole, and says what it
lost."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from pushmesh_node.engine.records import (
    CursorRecord,
    DecisionRecord,
    HandedRecord,
    PeerEntry,
    PrivateRecord,
    ReachedRecord,
    Record,
    SlotRange,
    StoredItem,
    TokenRecord,
    VoidMark,
    VoucherRecord,
)
from pushmesh_node.storage import Store, StoreError, StoreFailed, StoreSettings
from pushmesh_node.storage.checkpoints import checkpoint
from pushmesh_node.storage.files import size_of
from pushmesh_node.storage.migrations import PAGE_BYTES
from pushmesh_protocol.codec import pack
from pushmesh_protocol.receipts import SealWords
from pushmesh_protocol.types import Epoch, UnixMs
from support.records import ALICE, BOB, EVERYBODY, HASHES, NEWS, NOW, OFFERS, SHOP, id_of, record
from support.sealing import ISSUER

RECORDS = 240
FLIPS = 160
CUTS = 40
NOTHING = bytes(16)
ORIGIN = b"\x0a" * 32


@dataclass(frozen=True)
class Made:
    """A closed store, and what was committed to it."""

    path: Path
    records: Sequence[Record]
    seals: Sequence[SealWords] = ()

    def remake(self, item: StoredItem) -> Record | None:
        return next((one for one in self.records if one.data == item.data), None)

    async def open(self, path: Path) -> Store:
        return await Store.open(path, new_incarnation=b"y" * 16, remake=self.remake, issuer=ISSUER)


def records_of(rng: Random) -> list[Record]:
    """Single ones for all, for one and for some; runs; large ones that overflow their page."""
    records: list[Record] = []
    number = 1
    for _ in range(RECORDS):
        audience = rng.choice([EVERYBODY, (ALICE,), (ALICE, BOB)])
        leaves = [audience] if rng.random() < 0.9 else [EVERYBODY, (ALICE,), (BOB,)] * rng.randrange(1, 9)
        size = rng.choice([80, 300, 300, 600, 9_000])
        kind = rng.choice([5, 5, 5, 4])
        data = rng.randbytes(size)
        one = record(number, *leaves, kind=kind, topic=rng.choice([NEWS, OFFERS]), data=data, epoch=7)
        records.append(replace(one, published=len(records) % 4 == 0))
        number += len(leaves)
    return records


@pytest.fixture
async def made(tmp_path: Path) -> Made:
    folder = tmp_path / "made"
    folder.mkdir()
    path = folder / "store.db"
    records = records_of(Random(5))
    store = await Store.open(path, new_incarnation=NOTHING, issuer=ISSUER)
    for start in range(0, len(records), 4):
        await store.commit(records[start : start + 4])
    await store.commit([VoidMark(9), VoidMark(40)])
    await store.commit([DecisionRecord(ALICE, n, "drop", "muted", "r", UnixMs(NOW), *HASHES) for n in range(1, 60)])
    await store.commit(
        [VoucherRecord(Epoch(7), ALICE, b"k" * 32, bytes([n]), 1, n, n, b"v" * 99, None) for n in range(50)]
    )
    await store.commit([CursorRecord(ALICE, f"phone {n}", n, UnixMs(NOW)) for n in range(30)])
    peers = [PeerEntry(bytes([n]) * 32, ("a",), UnixMs(NOW), 5, True, UnixMs(0), 0) for n in range(30)]
    await store.commit(peers)
    await store.commit([PrivateRecord(BOB, n, UnixMs(1), UnixMs(NOW), b"p" * 70) for n in range(30)])
    tokens = [
        TokenRecord(bytes([n]) * 32, BOB, b"g" * 32, (1,), None, UnixMs(NOW), UnixMs(1), False) for n in range(30)
    ]
    await store.commit(tokens)
    await store.commit([a_handed(n) for n in range(60)])
    await store.commit([a_reached(n) for n in range(60)])
    seals = await store.seals_after(0, 1_000)
    assert len(seals) == RECORDS // 4
    await store.close()
    return Made(path, records, seals)


def a_handed(number: int) -> HandedRecord:
    at, id_ = UnixMs(NOW), id_of(number)
    return HandedRecord(id_, ALICE, at, ORIGIN, 5, True, at, UnixMs(NOW + number), b"%d" % number)


def a_reached(number: int) -> ReachedRecord:
    return ReachedRecord(number, ORIGIN, BOB, 5, 1, UnixMs(NOW), UnixMs(NOW + number), b"%d" % number)


async def scrub_all(store: Store) -> None:
    """A whole round, so that damage is found that no question met."""
    while True:
        seen = await store.scrub(64)
        if seen.position is None:
            return


async def check(made: Made, path: Path) -> set[int]:
    """Open, ask everything, as often as pages turn out broken; returns the first numbers of the records that are lost.
    Whatever is given is right."""
    for _try in range(3):
        store = await made.open(path)
        try:
            await scrub_all(store)
            return await ask_everything(made, store)
        except StoreFailed:
            assert store.mending.damage.is_set()  # and the next opening salvages
        finally:
            await store.close()
    raise AssertionError("three openings were not enough")


async def ask_everything(made: Made, store: Store) -> set[int]:
    given = {item.first_commit: item for item in await store.log(0, 1 << 30)}
    truth = {one.first_commit: one for one in made.records}
    assert given.keys() <= truth.keys()
    for first, item in given.items():
        assert (item.count, item.kind, item.data) == (truth[first].count, truth[first].kind, truth[first].data)
    held = [truth[first] for first in sorted(given)]
    holders = await store.holders([SlotRange(SHOP, Epoch(7), one.first_seq, one.end_seq) for one in held])
    for one, found in zip(held, holders, strict=True):
        assert [(holder.commit_no, holder.id) for holder in found] == list(
            zip(range(one.first_commit, one.first_commit + one.count), one.ids, strict=True)
        )
    for one in held:
        for commit_no, id_ in enumerate(one.ids, one.first_commit):
            envelope = await store.find(id_, one.issued_at)
            assert envelope is not None
            assert (envelope.commit_no, envelope.data) == (commit_no, one.data)
    void = await store.is_void(range(1, 2_000))
    assert void <= {9, 40}
    shown = [each.commit_no for each in await store.targeted_messages(ALICE, 0, None, 10_000)]
    listed = [
        commit_no
        for one in held
        if one.kind == 5
        for commit_no, audience in enumerate(one.audiences, one.first_commit)
        if audience is not None and ALICE in audience and commit_no not in void
    ]
    # `targets` has no sums: it may lead to a message that is not for her, which whoever opens it sees.
    assert [number for number in shown if number in listed] == listed
    for voucher in await store.vouchers(7):
        assert (voucher.account, voucher.count, voucher.data) == (ALICE, voucher.stream[0], b"v" * 99)
    for private in await store.preferences():
        assert (private.account, private.data) == (BOB, b"p" * 70)
    for owed in await store.owed(ORIGIN, 1_000):
        number = int(owed.handed.evidence or b"")
        assert (owed.handed, owed.delivered, owed.acknowledged) == (a_handed(number), 1, 1)
    for number in range(60):
        assert await store.recipients(number, b"", 9) in ([], [a_reached(number)])
    for token in await store.tokens():
        assert token.digest == token.digest[:1] * 32
    return truth.keys() - given.keys()


async def check_chain(made: Made, path: Path) -> None:
    """Seals are given as they were or not at all, and no number is given again."""
    store = await made.open(path)
    assert set(map(seal_bytes, await store.seals_after(0, 1_000))) <= set(map(seal_bytes, made.seals))
    number = store.last_commit + 1
    await store.commit([replace(record(number, data=b"new", epoch=8), published=True)])
    (seal,) = await store.seals([number])
    assert seal.words.number not in {words.number for words in made.seals}
    await store.close()


def seal_bytes(words: SealWords) -> bytes:
    return pack(words)


def copy_of(made: Made, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made.path.parent, folder)
    return folder / made.path.name


async def test_no_flipped_bit_gives_a_wrong_answer_or_costs_more_than_its_page(made: Made, tmp_path: Path) -> None:
    rng = Random(11)
    size = made.path.stat().st_size
    refused = lost_in_all = 0
    for flip in range(FLIPS):
        path = copy_of(made, tmp_path / "copy")
        place = rng.randrange(100) if flip < 5 else rng.randrange(size)
        with path.open("r+b") as file:
            file.seek(place)
            (byte,) = file.read(1)
            file.seek(place)
            file.write(bytes([byte ^ 1 << rng.randrange(8)]))
        try:
            lost = await check(made, path)
        except StoreError as error:
            assert place < PAGE_BYTES, (place, error)  # the header and the list of tables stand in the first page
            assert str(path) in str(error)
            refused += 1
            continue
        await check_chain(made, path)
        assert len(lost) <= PAGE_BYTES // 80, (place, lost)
        lost_in_all += len(lost)
    assert lost_in_all < FLIPS
    assert refused < FLIPS // 4


def cut(path: Path, length: int) -> None:
    with path.open("r+b") as file:
        file.truncate(length)


async def test_a_file_that_ends_anywhere_gives_a_sentence_or_what_is_left_of_it(made: Made, tmp_path: Path) -> None:
    size = made.path.stat().st_size
    rng = Random(12)
    places = [0, 1, 50, 100, 4_095, 4_096, 8_192, *(rng.randrange(size) for _ in range(CUTS))]
    for place in places:
        path = copy_of(made, tmp_path / "copy")
        cut(path, place)
        try:
            lost = await check(made, path)
        except StoreError as error:
            assert str(path) in str(error)
            assert place < 64 * PAGE_BYTES, (place, error)  # before that stand the roots of all tables
            continue
        assert len(lost) <= len(made.records) * (1.1 - place / size) + 30, place


@pytest.mark.parametrize("copied", [0, 100])
async def test_a_log_that_ends_anywhere_loses_no_more_than_its_end(made: Made, tmp_path: Path, copied: int) -> None:
    """Killed with everything in the log, of which so many records are in the file too."""
    source = tmp_path / "killed" / "store.db"
    source.parent.mkdir()
    store = await Store.open(source, new_incarnation=NOTHING, settings=StoreSettings(checkpoint_interval_s=3600))
    store._checkpointer._task.cancel()
    for number, one in enumerate(made.records, 1):
        await store.commit([one])
        if number == copied:
            await store._writer.run(checkpoint, "PASSIVE")
    killed = Made(tmp_path / "frozen" / "store.db", made.records)
    shutil.copytree(source.parent, killed.path.parent)
    await store.close()
    size = size_of(killed.path.parent / "store.db-wal")
    rng = Random(13)
    held = 0
    for place in sorted([0, 10, 32, *(rng.randrange(size) for _ in range(CUTS)), size]):
        path = copy_of(killed, tmp_path / "copy")
        cut(path.with_name("store.db-wal"), place)
        try:
            lost = await check(killed, path)
        except StoreError as error:
            assert str(path) in str(error)
            assert not copied and place < size // 10
            continue
        kept = len(made.records) - len(lost)
        assert lost == {one.first_commit for one in made.records[kept:]}, place
        assert kept >= max(held, copied), place
        held = kept
    assert held == len(made.records)


@pytest.mark.parametrize("suffix", [".lock", "-shm"])
async def test_small_files_may_end_anywhere(made: Made, tmp_path: Path, suffix: str) -> None:
    store = await made.open(copy_of(made, tmp_path / "killed"))
    killed = Made(tmp_path / "frozen" / "store.db", made.records)
    shutil.copytree(tmp_path / "killed", killed.path.parent)
    await store.close()
    size = killed.path.with_name(f"store.db{suffix}").stat().st_size
    for place in {0, 1, 3, size // 3, size // 2, size - 1}:
        path = copy_of(killed, tmp_path / "copy")
        cut(path.with_name(f"store.db{suffix}"), place)
        assert await check(killed, path) == set()


async def test_an_emptied_store_is_not_begun_anew_in_silence(made: Made, tmp_path: Path) -> None:
    path = copy_of(made, tmp_path / "copy")
    cut(path, 0)
    with pytest.raises(StoreError, match="empty or gone, though there was one here: restore a backup"):
        await made.open(path)
    path.with_name("store.db.lock").unlink()
    store = await made.open(path)
    assert store.last_commit == 0
    await store.close()
