import asyncio
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_node.engine.answers import Acknowledged, Denied, Level, Outcome, Wait
from pushmesh_node.storage.errors import StoreFailed
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.receipts import check_receipt, decode_receipt
from support.app_world import NETWORK, a_node, a_note_now
from support.origin import a_notification, an_origin, delivered, stated, take
from support.wallets import a_signed_note, a_wallet

DAPP = a_wallet(1)


def frame_of(*notes: Envelope) -> bytes:
    return encode_frame([Part((note,)) for note in notes])


async def publish(node: Node, *notes: Envelope, **wait: Any) -> list[Acknowledged]:
    return list(await node.assurance.acknowledging.publish(frame_of(*notes), Wait(**wait)))


async def test_who_asks_for_more_is_told_before_when_it_is_durable(node: Node) -> None:
    heard: list[Outcome] = []
    way, note = node.assurance.acknowledging, a_note_now(DAPP)
    wait = Wait(Level.PROPAGATED, 1, 0.05)
    (answer,) = await way.publish(frame_of(note), wait, (), heard.extend)
    assert [(each.id, each.level, each.reason) for each in heard] == [(note.id, Level.DURABLE, "ok")]
    assert answer.outcome.level is Level.DURABLE, "no peer holds it, and the time is up"


class Gate:
    """Holds the store's transactions back until it is opened."""

    def __init__(self, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = asyncio.Event()
        self.fails = False
        commit = node.store.commit

        async def held_back(writes: Any) -> None:
            await self.opened.wait()
            if self.fails:
                raise StoreFailed("the disk is gone")
            await commit(writes)

        monkeypatch.setattr(node.store, "commit", held_back)


async def test_durable_comes_with_a_receipt_and_again_with_the_same(node: Node) -> None:
    note = a_note_now(DAPP)
    (first,) = await publish(node, note)
    assert (first.outcome.level, first.outcome.reason) == (Level.DURABLE, "ok")
    assert first.receipt is not None
    check_receipt(NETWORK, decode_receipt(first.receipt))
    (again,) = await publish(node, note)
    assert (again.outcome.reason, again.receipt) == ("duplicate", first.receipt)


async def test_accepted_is_said_before_it_is_durable_and_promises_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(node, monkeypatch)
    (answer,) = await publish(node, a_note_now(DAPP), level=Level.ACCEPTED)
    assert (answer.outcome.level, answer.outcome.commit_no, answer.receipt) == (Level.ACCEPTED, None, None)
    assert node.store.last_commit == 0
    gate.opened.set()


async def test_what_is_not_durable_in_time_is_called_accepted_or_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(node, monkeypatch)
    (answer,) = await publish(node, a_note_now(DAPP), timeout_s=0.3)
    assert answer.outcome.level is Level.ACCEPTED
    async with node.ingest.paused():
        with pytest.raises(Denied, match="timeout"):
            await publish(node, a_note_now(DAPP, 2), timeout_s=0.1)
    gate.opened.set()


async def test_a_commit_that_fails_is_never_called_durable(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(node, monkeypatch)
    gate.fails = True
    gate.opened.set()
    (answer,) = await publish(node, a_note_now(DAPP))
    assert (answer.outcome.level, answer.outcome.reason, answer.receipt) == (Level.REFUSED, "store-failed", None)


async def test_without_others_durable_is_what_was_reached(node: Node) -> None:
    (answer,) = await publish(node, a_note_now(DAPP), level=Level.PROPAGATED, timeout_s=0.1)
    assert (answer.outcome.level, answer.holds) == (Level.DURABLE, ())


async def test_void_envelopes_and_refused_ones_wait_for_nothing(node: Node) -> None:
    await publish(node, a_note_now(DAPP, 1, title="one"))
    void = a_note_now(DAPP, 1, title="two")
    old = a_signed_note(NETWORK, DAPP, now_ms() - 3 * NETWORK.epoch_length_ms, 2)
    answers = await publish(node, void, level=Level.PROPAGATED, timeout_s=30.0)
    assert [(each.outcome.level, each.outcome.reason) for each in answers] == [(Level.DURABLE, "slot-void")]
    (refused,) = await publish(node, old, level=Level.PROPAGATED, timeout_s=30.0)
    assert (refused.outcome.level, refused.outcome.reason) == (Level.REFUSED, "too-old")


async def test_delivered_is_waited_for_where_this_node_is_the_origin_and_not_elsewhere(tmp_path: Path) -> None:
    async with an_origin(tmp_path) as node:
        elsewhere = a_note_now(DAPP, 7, topic=DAPP.topic("news"), audience=None, origin=b"\x09" * 32)
        (answer,) = await publish(node, elsewhere, level=Level.DELIVERED, timeout_s=30.0)
        assert answer.outcome.level is Level.DURABLE  # at once: nobody will tell this node
        note = await a_notification(node)
        waiting = asyncio.create_task(publish(node, note, level=Level.DELIVERED, count=2, timeout_s=20.0))
        await take(node, stated(node, delivered(note, 2)))
        (answer,) = await waiting
        assert answer.outcome.level is Level.DELIVERED
        (answer,) = await publish(node, note, level=Level.ACKNOWLEDGED, timeout_s=0.1)
        assert answer.outcome.level is Level.DELIVERED


async def test_only_so_many_wait_at_a_time(tmp_path: Path) -> None:
    async with a_node(tmp_path, receipts__max_waits=1) as node:
        waiting = asyncio.create_task(publish(node, a_note_now(DAPP), level=Level.PROPAGATED, timeout_s=20.0))
        await asyncio.sleep(0)
        ticket = node.door.admit(node.door.caller("http", "192.0.2.1", "a"), 1)
        with pytest.raises(Denied, match="too-many-connections"):
            await node.assurance.acknowledging.publish(frame_of(a_note_now(DAPP, 2)), Wait(), [ticket])
        assert node.door.admission.held_units == 0
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert (await publish(node, a_note_now(DAPP, 3)))[0].outcome.level is Level.DURABLE
