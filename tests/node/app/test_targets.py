from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.targets import targets_of
from pushmesh_node.engine.records import StoredEnvelope
from pushmesh_node.engine.targets import target_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds import Kind
from support.app_world import a_node, a_note_now, publish, signed
from support.wallets import a_wallet

DAPP, READER = a_wallet(1), a_wallet(2)
TOPIC = Topic(DAPP.account, "alerts")


def taken_back(target: bytes, seq: int, **changes: Any) -> Any:
    return signed(DAPP, Kind.RETRACTION, topic=TOPIC, seq=seq, target=target, **changes)


async def test_the_notifications_that_are_held_are_found_by_what_takes_them_back(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        listed, everybody = a_note_now(DAPP, 1, audience=[READER.account]), a_note_now(DAPP, 2)
        early = taken_back(b"\x07" * 32, 70)
        await publish(node, listed, everybody, early)
        asked = [taken_back(id_, 80) for id_ in (listed.id, everybody.id, early.id, b"\x09" * 32)]
        found = await targets_of(node.store, node.opener, [*asked, everybody])
        assert found == {note.id: target_of(note) for note in (listed, everybody)}
        assert await targets_of(node.store, node.opener, [everybody]) == {}


async def test_nothing_is_searched_for_that_had_expired_before_it_was_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    async with a_node(tmp_path) as node:
        find_all = node.store.find_all

        async def noted(ids: Sequence[bytes], since_ms: int) -> list[StoredEnvelope]:
            asked.append(since_ms)
            return await find_all(ids, since_ms)

        monkeypatch.setattr(node.store, "find_all", noted)
        words = [taken_back(b"\x07" * 32, 70), taken_back(b"\x09" * 32, 71, issued_at=now_ms() - 5)]
        assert await targets_of(node.store, node.opener, words) == {}
    assert asked == [words[1].body.issued_at - node.network.lives_ms[Kind.NOTIFICATION]]
