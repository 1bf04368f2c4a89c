"""An export of one node, taken over by another, with real signatures."""

import os
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.importing import import_file
from pushmesh_node.app.keys import create_key
from pushmesh_node.config import Config, ConfigError, load_config
from pushmesh_node.engine.records import VoidMark
from pushmesh_node.storage.exports import (
    ExportedFrame,
    ExportEnd,
    ExportError,
    ExportHead,
    ExportWriter,
    write_export,
)
from pushmesh_node.storage.files import size_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.network import dump_network
from support.app_world import NETWORK, SEED, a_grant_now, a_node, a_note_now, a_subscription, publish
from support.wallets import a_signed_batch, a_wallet

DAPP, READER = a_wallet(1), a_wallet(2)
TOPIC = Topic(DAPP.account, "alerts")


def nobody(_done: int, _total: int) -> None:
    """Nobody looks at the progress."""


@pytest.fixture
async def exported(tmp_path: Path) -> Path:
    folder = tmp_path / "from"
    folder.mkdir()
    batch = a_signed_batch(NETWORK, DAPP, now_ms(), 40)
    async with a_node(folder) as node:
        await publish(node, a_grant_now(DAPP).grant, a_subscription(READER, TOPIC), a_note_now(DAPP, 1), batch)
        await node.store.commit([VoidMark(3)])
    write_export(folder / "pushmesh.db", tmp_path / "all.export", NETWORK.id, now_ms(), nobody)
    return tmp_path / "all.export"


def a_config(folder: Path, **changes: Any) -> Config:
    folder.mkdir(exist_ok=True)
    (folder / "network.toml").write_text(dump_network(NETWORK))
    if not (folder / "node.key").exists():
        create_key(folder / "node.key", SEED)
    flags = {"node.data_dir": str(folder), "node.network": str(folder / "network.toml")}
    return load_config(None, {}, flags | {name.replace("__", "."): value for name, value in changes.items()})


async def test_what_one_node_held_the_other_holds_after_every_check(exported: Path, tmp_path: Path) -> None:
    config = a_config(tmp_path / "to")
    told: list[tuple[int, int]] = []
    imported = await import_file(config, exported, lambda done, total: told.append((done, total)))
    assert (imported.frames, dict(imported.reasons)) == (4, {"ok": 43})
    assert told[-1][0] == told[-1][1]
    async with a_node(tmp_path / "to") as node:
        assert node.driver.engine.state.subscriptions.subscribers(TOPIC) == {READER.account}
        assert [item.count for item in await node.store.log(0, 1 << 20)] == [1, 1, 1, 40]
        assert await node.store.is_void(range(1, 50)) == set()  # each node finds out by itself


async def test_the_same_file_again_changes_nothing(exported: Path, tmp_path: Path) -> None:
    config = a_config(tmp_path / "to")
    await import_file(config, exported, nobody)
    assert dict((await import_file(config, exported, nobody)).reasons) == {"duplicate": 43}


async def test_forged_and_unreadable_frames_are_refused_one_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "from"
    folder.mkdir()
    async with a_node(folder) as node:
        await publish(node, a_note_now(DAPP, 1), a_note_now(DAPP, 2), a_note_now(DAPP, 3))
        items = await node.store.log(0, 1 << 20)
    with (tmp_path / "forged").open("wb") as file:
        out = ExportWriter(file)
        out.put(ExportHead(1, NETWORK.id, 1, bytes(16)))
        changed = bytearray(items[1].data)
        changed[-40] ^= 1  # in the signature
        for frame in (items[0].data, bytes(changed), b"no frame", items[2].data):
            out.put(ExportedFrame(frame))
        out.put(ExportEnd(4, out.digest.digest()))
    imported = await import_file(a_config(tmp_path / "to"), tmp_path / "forged", nobody)
    assert imported.reasons["ok"] == 2
    assert imported.reasons.total() == 4
    assert imported.reasons.keys() <= {"ok", "bad-signature", "malformed"}


async def test_another_networks_or_a_broken_file_is_refused(exported: Path, tmp_path: Path) -> None:
    config = a_config(tmp_path / "to", node__network="bench")
    with pytest.raises(ConfigError, match="is an export of another network than bench"):
        await import_file(config, exported, nobody)
    os.truncate(exported, size_of(exported) - 20)
    with pytest.raises(ExportError, match="cut off"):
        await import_file(a_config(tmp_path / "to"), exported, nobody)
