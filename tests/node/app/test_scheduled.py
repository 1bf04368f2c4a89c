import asyncio
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app import node as node_room, scheduled as scheduled_room
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.directory import Directory
from pushmesh_node.app.node import Node
from pushmesh_node.app.scheduled import show_step
from pushmesh_node.storage import StoreFailed
from pushmesh_protocol.accounts import Topic, display_account
from pushmesh_protocol.types import UnixMs
from support.app_world import (
    NETWORK,
    Clock,
    Ear,
    a_node,
    a_note_now,
    a_principal,
    a_subscription,
    publish,
    words,
)
from support.until import until
from support.wallets import a_signed_batch, a_wallet

DAPP, READER = a_wallet(1), a_wallet(2)
TOPIC = Topic(DAPP.account, "alerts")
ME = a_principal(READER.account)
FAR_MS = 3_600_000


async def step(node: Node, at_ms: int) -> int:
    return await show_step(node.driver, node.store, node.opener, UnixMs(at_ms))


async def ids(node: Node, after: int = 0) -> list[bytes]:
    return [message.envelope.id for message in (await node.inboxes.read(ME, after, None, 100)).messages]


async def test_a_message_for_later_is_heard_when_its_time_has_come_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduled_room, "LOOK_EVERY_S", 0.02)
    clock = Clock()
    monkeypatch.setattr(node_room, "now_ms", clock)
    async with a_node(tmp_path) as node:
        await publish(node, a_subscription(READER, TOPIC))
        ear = Ear(ME)
        node.inboxes.listen(ear)
        later, now = a_note_now(DAPP, 1, not_before=now_ms() + FAR_MS), a_note_now(DAPP, 2)
        assert words(await publish(node, later, now)) == [("durable", "ok")] * 2
        await until(lambda: len(ear.heard) == 1)
        cursor = node.store.last_commit  # a reader that has seen everything so far
        clock.ahead_ms = FAR_MS
        await until(lambda: len(ear.heard) == 2)
        assert [message.envelope.id for message in ear.heard] == [now.id, later.id]
        assert ear.heard[1].commit_no > cursor
        assert await ids(node, cursor) == [later.id]
        assert await ids(node) == [now.id, later.id]


async def test_what_was_scheduled_before_a_restart_is_shown_after_it_once(tmp_path: Path) -> None:
    due_at = now_ms() + FAR_MS
    note = a_note_now(DAPP, 1, audience=[READER.account], not_before=due_at)
    batch = a_signed_batch(NETWORK, DAPP, now_ms(), 3)
    async with a_node(tmp_path) as node:
        await publish(node, a_subscription(READER, TOPIC), note, batch)
        assert note.id not in await ids(node)
        assert await step(node, due_at - 1) == 0
    async with a_node(tmp_path) as node:
        assert await step(node, due_at) == 1
        assert await step(node, due_at) == 0
        assert [item.count for item in await node.store.log(0, 10**6)] == [1, 1, 3]  # peers get it once
        assert words(await publish(node, note)) == [("durable", "duplicate")]
        row = (await node.store.inbox(READER.account, [], 0, 10))[0]
        assert node.opener.open(row)[0].envelopes[0] == note and row.commit_no == node.store.last_commit


async def test_why_a_scheduled_message_was_held_can_be_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, due_at = Clock(), now_ms() + FAR_MS
    monkeypatch.setattr(node_room, "now_ms", clock)
    async with a_node(tmp_path, curation__mute_accounts=[display_account(DAPP.account)]) as node:
        note = a_note_now(DAPP, 1, not_before=due_at)
        await publish(node, a_subscription(READER, TOPIC), note)
        ear = Ear(ME)
        node.inboxes.listen(ear)
        assert node.store.last_commit == 2
        clock.ahead_ms = FAR_MS
        await until(lambda: node.store.last_commit == 3)  # shown by itself
        state = node.driver.engine.state
        directory = Directory(NETWORK, lambda: state, node.store, node.opener, node.status, now_ms, {})
        recorded = (await directory.explain(ME, note.id, None))["recorded"]
        assert (recorded["verdict"], recorded["rule"], ear.heard) == ("hold", "operator-mutes", [])


async def test_a_commit_that_fails_leaves_it_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    due_at = now_ms() + FAR_MS
    async with a_node(tmp_path) as node:
        await publish(node, a_note_now(DAPP, 1, not_before=due_at))

        async def fails(writes: Any) -> None:
            raise StoreFailed("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(node.store, "commit", fails)
            with pytest.raises(StoreFailed):
                await step(node, due_at)
        assert await step(node, due_at) == 1
        assert await step(node, due_at) == 0


async def test_a_disk_that_cannot_be_read_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduled_room, "LOOK_EVERY_S", 0.01)
    async with a_node(tmp_path) as node:
        tries: list[int] = []
        due = node.store.due

        async def fails_twice(now_ms: int, limit: int) -> Any:
            tries.append(limit)
            if len(tries) < 3:
                raise StoreFailed("the disk sleeps")
            return await due(now_ms, limit)

        monkeypatch.setattr(node.store, "due", fails_twice)
        await until(lambda: len(tries) > 3)
        assert words(await asyncio.wait_for(publish(node, a_note_now(DAPP)), 20)) == [("durable", "ok")]
