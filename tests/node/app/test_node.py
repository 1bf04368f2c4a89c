import asyncio
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app import node as node_room
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.app.sync_state import PeerSync
from pushmesh_node.config import load_config
from pushmesh_node.metrics import Metrics
from pushmesh_node.storage import Store, StoreFailed
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.frames import Part
from pushmesh_protocol.receipts import CLOCK_IS_OFF
from support.app_world import (
    NETWORK,
    SEED,
    Ear,
    a_grant_now,
    a_node,
    a_note_now,
    a_principal,
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


async def test_a_restored_node_is_ready_and_counts_what_it_does(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        assert node.status.ready
        await publish(node, a_note_now(DAPP))
        labels = {"source": "published", "verdict": "accept", "reason": "ok"}
        assert count(node, "pushmesh_envelopes_judged_total", **labels) == 1
        assert count(node, "pushmesh_envelopes_committed_total") == 1
        assert count(node, "pushmesh_store_commit_envelopes_count") == 1
        assert count(node, "pushmesh_verify_batch_envelopes_sum") == 1
        report = node.status.report()
        assert (report["last_commit"], report["incarnation"], report["peers"]) == (1, "01" * 16, [])


async def test_each_tick_shows_the_gauges_and_removes_what_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_room, "TICK_S", 0.02)
    async with a_node(tmp_path) as node:
        node.connections = lambda: {"websocket": 3}
        short = a_note_now(DAPP, 2, expires_at=now_ms() + 60_000)
        await publish(node, a_note_now(DAPP, 1), short)
        await until(lambda: count(node, "pushmesh_last_commit_number") == 2)
        assert count(node, "pushmesh_connections", transport="websocket") == 3
        assert count(node, "pushmesh_epoch_current") == NETWORK.epoch(now_ms())
        monkeypatch.setattr(node.keeping, "_clock", lambda: short.body.expires_at)
        async with asyncio.timeout(20):
            while (await node.store.stats()).items > 1:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.02)


async def test_after_a_failed_commit_the_engine_knows_what_the_store_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_node(tmp_path) as node:
        ear = Ear(a_principal(READER.account))
        node.inboxes.listen(ear)
        engine, subscription = node.driver.engine, a_subscription(READER, TOPIC)

        async def fails(writes: Any) -> None:
            raise StoreFailed("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(node.store, "commit", fails)
            assert words(await publish(node, subscription)) == [("refused", "store-failed")]
        await until(lambda: not node.reloading.under_way)
        assert node.driver.engine is not engine
        assert node.driver.engine.state.subscriptions.subscribers(TOPIC) == frozenset()
        assert words(await publish(node, subscription, a_note_now(DAPP))) == [("durable", "ok")] * 2
        await until(lambda: ear.heard)


async def test_numbers_that_were_lost_are_never_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_node(tmp_path) as node:

        async def fails(writes: Any) -> None:
            raise StoreFailed("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(node.store, "commit", fails)
            await publish(node, a_subscription(READER, TOPIC), a_note_now(DAPP, 1))
        await until(lambda: not node.reloading.under_way)
        lost = 2
        (outcome,) = await publish(node, a_note_now(DAPP, 2))
        assert outcome.commit_no == lost + 1


async def test_what_is_under_way_is_finished_before_the_store_closes(tmp_path: Path) -> None:
    note = a_note_now(DAPP)
    async with a_node(tmp_path) as node:
        await publish(node, note)
        await node.close()
        await node.close()
        with pytest.raises(StoreFailed):
            await node.store.log(0, 100)


async def test_a_node_whose_store_is_damaged_closes_cleanly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await Store.open(tmp_path / "pushmesh.db", new_incarnation=bytes(16))
    config = load_config(None, {}, {"gossip.enabled": False})
    node = Node(config, NETWORK, SEED, store, Metrics())

    async def fails(*args: object) -> None:
        raise StoreFailed("database disk image is malformed (SQLITE_CORRUPT)")

    monkeypatch.setattr(store, "state", fails)
    with pytest.raises(StoreFailed):
        await node.restore()
    assert not node.status.ready
    await node.close()


async def test_the_engine_learns_when_this_node_is_in_sync(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        node.sync.peers[b"\x0e" * 32] = peer = PeerSync()
        peer.ended(0, at_ms := now_ms())
        await until(lambda: node.driver.engine.in_sync_ms == at_ms)


async def test_frames_are_packed_for_peers_and_not_for_nobody(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        part = Part((a_note_now(a_wallet(1)),))
        node.relay([part], [])
        assert node.relaying._ready == []
        node.mesh.link.peers[b"\x0e" * 32] = []
        node.relay([part], [])
        assert len(node.relaying._ready) == 1


async def test_a_crash_of_a_task_is_counted(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        node.crashed(ValueError("a fault of ours"))
        assert count(node, "pushmesh_crashes_total") == 1


async def test_connections_end_when_their_log_in_does(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        told: list[tuple[str, str]] = []
        over, lasting = a_principal(READER.account, None, now_ms() + 300), a_principal(READER.account, None, 2**50)
        with (
            node.consumers.attend(lambda: over, lambda reason, _: told.append(("over", reason))),
            node.consumers.attend(lambda: lasting, lambda reason, _: told.append(("lasting", reason))),
        ):
            await until(lambda: told)
        assert set(told) == {("over", "expired")}


async def test_a_revoked_key_ends_its_connections_and_no_others(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        session, told = a_grant_now(READER), list[str]()
        await publish(node, session.grant)
        by_key = a_principal(READER.account, session.grant_id)
        with (
            node.consumers.attend(lambda: by_key, lambda reason, _: told.append(f"key {reason}")),
            node.consumers.attend(lambda: a_principal(READER.account), lambda reason, _: told.append("wallet")),
        ):
            await publish(node, a_revocation(READER, session))
            await until(lambda: told)
        assert told == ["key grant-revoked"]


async def test_receipts_of_a_node_whose_clock_is_off_say_so(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        node.sync.peers = {number: PeerSync(clock_offset_ms=40_000) for number in (b"\x01" * 32, b"\x02" * 32)}
        node._follow_sync()
        await publish(node, a_note_now(DAPP))
        node.sync.peers = {}
        node._follow_sync()
        await publish(node, a_note_now(DAPP, 2))
        assert [seal.flags for seal in await node.store.seals_after(0, 10)] == [CLOCK_IS_OFF, 0]
