"""What a node does about its store, on real files. SQLite's own page limit and read-only mode stand for the disk's."""

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app import node as node_room
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.storage import StoreError, StoreFailed
from pushmesh_node.storage.errors import StoreDamaged
from pushmesh_node.storage.upkeep import Usage
from pushmesh_protocol.accounts import Topic
from support.app_world import (
    NETWORK,
    a_grant_now,
    a_node,
    a_note_now,
    a_revocation,
    a_subscription,
    count,
    publish,
    words,
)
from support.until import until
from support.wallets import a_wallet

DAPP, READER = a_wallet(1), a_wallet(2)
TOPIC = Topic(DAPP.account, "alerts")


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_room, "TICK_S", 0.02)


async def tell_sqlite(node: Node, pragma: str) -> None:
    await node.store._writer.run(lambda connection: connection.execute(f"PRAGMA {pragma}").fetchall())


async def fill(node: Node) -> None:
    """Let the file grow no further, and take what is left of it."""
    await node.store._writer.run(_grow_no_further)


def _grow_no_further(connection: sqlite3.Connection) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


@pytest.mark.parametrize(
    ("trouble", "end", "reason"),
    [("", "max_page_count = 1073741823", "store-full"), ("query_only = ON", "query_only = OFF", "store-failed")],
    ids=["full", "read-only"],
)
async def test_a_disk_that_refuses_is_told_to_publishers_while_reads_go_on_and_is_used_again_by_itself(
    tmp_path: Path, trouble: str, end: str, reason: str
) -> None:
    async with a_node(tmp_path, store__min_free_bytes=0) as node:
        held = (a_note_now(DAPP, 1), a_subscription(READER, TOPIC))
        await publish(node, *held)
        if trouble:
            await tell_sqlite(node, trouble)
        else:
            await fill(node)
        refused = [await publish(node, a_note_now(DAPP, seq, body="x" * 4_000)) for seq in range(2, 8)]
        level, why = words(refused[-1])[0]
        assert (level, why) == ("refused", reason)
        assert node.status.reasons() == [reason]
        assert [item.first_commit for item in await node.store.log(0, 1 << 20)] == [1, 2]
        assert words(await publish(node, *held)) == [("durable", "duplicate")] * 2

        await tell_sqlite(node, end)
        await until(lambda: node.status.ready)
        assert words(await publish(node, a_note_now(DAPP, 9))) == [("durable", "ok")]


async def test_what_is_refused_costs_no_signature_check(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        await publish(node, a_note_now(DAPP, 1))
        await tell_sqlite(node, "query_only = ON")
        await publish(node, a_note_now(DAPP, 2))
        checks = count(node, "pushmesh_verify_batch_envelopes_sum")
        await publish(node, *(a_note_now(DAPP, seq) for seq in range(3, 9)))
        assert count(node, "pushmesh_verify_batch_envelopes_sum") == checks
        await tell_sqlite(node, "query_only = OFF")


async def test_over_the_budget_old_messages_go_early_and_new_ones_are_taken(tmp_path: Path) -> None:
    async with a_node(tmp_path, store__max_envelopes_per_shard=3, receipts__keep_s=0) as node:
        old = now_ms() - 3 * NETWORK.epoch_length_ms
        notes = [a_note_now(DAPP, seq, expires_at=now_ms() + 3_600_000 + seq) for seq in range(1, 9)]
        assert {words([outcome])[0] for outcome in await publish(node, *notes)} == {("durable", "ok")}
        node.keeping._open_since_ms = lambda: now_ms() + 1  # no epoch is open
        (shard,) = node.store.sets
        await until(lambda: node.store.sets[shard].envelopes == 3)
        assert old < node.store.floors[shard] == notes[4].body.expires_at + 1
        assert [item.first_commit for item in await node.store.log(0, 1 << 20)] == [6, 7, 8]
        await until(lambda: count(node, "pushmesh_store_envelopes", set=str(shard)) >= 3)


async def test_what_an_open_epoch_needs_stays(tmp_path: Path) -> None:
    async with a_node(tmp_path, store__max_envelopes_per_shard=3) as node:
        await publish(node, *(a_note_now(DAPP, seq) for seq in range(1, 9)))
        for _ in range(3):
            await node.keeping.tick()
        assert len(await node.store.log(0, 1 << 20)) == 8


async def test_a_full_store_refuses_all_but_what_it_holds_and_revocations(
    tmp_path: Path,
) -> None:
    async with a_node(tmp_path, store__budget_bytes=1_000_000) as node:
        session = a_grant_now(DAPP)
        await publish(node, session.grant)
        node.keeping.tick = lambda: asyncio.sleep(0)  # type: ignore[method-assign]  # the measures below stay

        node.store._usage = Usage(960_000, 0, 0, 1 << 40)
        note = a_note_now(DAPP, 1)
        assert words(await publish(node, note)) == [("durable", "ok")]
        node.store._usage = Usage(1_000_000, 0, 0, 1 << 40)
        assert words(await publish(node, a_note_now(DAPP, 2))) == [("refused", "store-full")]
        assert words(await publish(node, note)) == [("durable", "duplicate")]
        assert words(await publish(node, a_revocation(DAPP, session))) == [("durable", "ok")]


async def test_a_damaged_record_is_lost_to_the_engine_too_and_may_come_again(tmp_path: Path) -> None:
    note = a_note_now(DAPP, 1)
    async with a_node(tmp_path, store__scrub_rows_per_s=100_000) as node:
        await publish(node, note, a_note_now(DAPP, 2))
        before = node.driver.engine
        await until(lambda: node.feed.is_settled)  # it reads what is damaged next
        await node.store._writer.run(
            lambda connection: connection.execute("UPDATE items SET data = x'00' WHERE first_commit = 1").fetchall()
        )
        await until(lambda: node.driver.engine is not before and not node.reloading.under_way)
        assert node.store.mending.quarantined == 1
        assert await node.store.missing_ids(9) == [note.id]
        assert words(await publish(node, note)) == [("durable", "ok")]
        assert await node.store.missing_ids(9) == []
        await until(lambda: count(node, "pushmesh_store_quarantined_rows") == 1)


async def test_a_node_ends_its_life_where_pages_of_its_store_are_broken(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        await publish(node, a_note_now(DAPP, 1))
        node.store.mending.mark(StoreDamaged("a page is not what it was"))
        with pytest.raises(StoreDamaged):
            await node.keeping.tick()
    assert "pushmesh.db.suspect" in os.listdir(tmp_path)


async def test_a_tick_that_fails_is_tried_again(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        await tell_sqlite(node, "query_only = ON")
        await node.keeping.tick()
        with pytest.raises(StoreFailed):
            await node.store.expire(now_ms(), 5)
        await tell_sqlite(node, "query_only = OFF")
        await node.keeping.tick()


async def test_the_sets_of_sync_lose_what_is_lost_and_what_went_early_and_peers_are_told(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "store__max_envelopes_per_shard": 2,
        "store__scrub_rows_per_s": 100_000,
        "receipts__keep_s": 0,
    }
    async with a_node(tmp_path, **settings) as node:
        await node.feed.loaded()
        notes = [a_note_now(DAPP, seq, expires_at=now_ms() + 3_600_000 + seq) for seq in (1, 2, 3, 4)]
        await publish(node, *notes)
        assert {member[2] for member in node.feed.sets.members()} == {note.id for note in notes}
        node.keeping._open_since_ms = lambda: now_ms() + 1  # no epoch is open
        await until(lambda: {member[2] for member in node.feed.sets.members()} == {notes[2].id, notes[3].id})
        (shard,) = node.store.sets
        assert node.sync.floors()[shard] == notes[1].body.expires_at + 1
        await node.store._writer.run(
            lambda connection: connection.execute("UPDATE items SET data = x'00' WHERE first_commit = 3").fetchall()
        )
        await until(lambda: {member[2] for member in node.feed.sets.members()} == {notes[3].id})


async def test_a_clock_that_is_an_hour_ahead_for_a_while_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead_ms = [0]
    monkeypatch.setattr(node_room, "now_ms", lambda: now_ms() + ahead_ms[0])
    async with a_node(tmp_path) as node:
        note = a_note_now(DAPP, 1, expires_at=now_ms() + 600_000)
        await publish(node, note)
        await until(lambda: len(node.feed.sets) == 1)
        ahead_ms[0], tick, ticked = 3_600_000, node.keeping.tick, list[None]()

        async def counted() -> None:
            await tick()
            ticked.append(None)

        monkeypatch.setattr(node.keeping, "tick", counted)
        await until(lambda: len(ticked) > 3)
        assert [item.first_commit for item in await node.store.log(0, 1 << 20)] == [1]
        assert len(node.feed.sets) == 1

        ahead_ms[0] = 0
        await until(lambda: len(ticked) > 6)
        assert [item.first_commit for item in await node.store.log(0, 1 << 20)] == [1]
        assert len(node.feed.sets) == 1


@pytest.mark.parametrize("suffix", ["", "-wal"], ids=["file", "log"])
async def test_a_store_that_is_replaced_under_its_node_ends_it_with_a_sentence(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_room, "TICK_S", 3_600.0)
    async with a_node(tmp_path) as node:
        await publish(node, a_note_now(DAPP, 1))
        await node.keeping.tick()
        place = node.store._path.with_name(node.store._path.name + suffix)
        place.rename(tmp_path / "aside")
        shutil.copy(tmp_path / "aside", place)
        with pytest.raises(StoreError, match="was removed or replaced while it was in use"):
            await node.keeping.tick()
        (tmp_path / "aside").replace(place)
        await node.keeping.tick()
