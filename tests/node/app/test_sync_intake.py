import pytest

from pushmesh_node.app import sync_intake
from pushmesh_node.app.node import Node
from pushmesh_protocol.frames import Part, encode_frame
from support.app_world import NETWORK, a_note_now, count
from support.wallets import a_signed_batch, a_wallet

DAPP = a_wallet(1)
PEER = b"p" * 32


async def test_every_envelope_of_every_frame_gets_its_answer_and_garbage_none(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_intake, "ENTRY_ENVELOPES", 4)
    notes = [a_note_now(DAPP, seq) for seq in range(9)]
    batch = a_signed_batch(NETWORK, DAPP, node.sync._clock(), 20, 100)
    frames = [encode_frame([Part((note,))]) for note in notes]
    outcomes = await node.sync._intake.take(PEER, [*frames[:5], b"garbage", encode_frame([batch]), *frames[4:]])
    answers = dict(outcomes)
    assert set(answers) == {bytes(each.id) for each in (*notes, *batch.envelopes)}
    assert sorted(map(str, answers.values())).count("ok") + list(map(str, answers.values())).count("duplicate") == 29
    assert node.store.last_commit == 29
    assert node.sync._intake._waiting == {}
    labels = {"source": "caught-up", "verdict": "reject", "reason": "malformed"}
    assert count(node, "pushmesh_envelopes_judged_total", **labels) == 1


async def test_nothing_to_take_is_answered_with_nothing(node: Node) -> None:
    assert await node.sync._intake.take(PEER, []) == []
    assert await node.sync._intake.take(PEER, [b"garbage"]) == []
