import pytest

from pushmesh_node.engine.answers import Level, Outcome
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.records import Holder
from pushmesh_node.engine.turn import Turn
from pushmesh_protocol import reasons
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.reasons import REJECTS, Reason
from pushmesh_protocol.types import Epoch
from support.attacks import is_repelled, small_siege


def call_new(engine: Engine, turn: Turn, envelope: Envelope, held: Holder, epoch: Epoch) -> Outcome:
    """What a node says that forgot what it sent."""
    return Outcome(envelope.id, Level.DURABLE, Reason.OK, "", "", held.commit_no)


@pytest.mark.parametrize("name", ["replay-window", "edge-expiry-poison"])
def test_clocks_that_disagree_blame_nobody_and_carry_nothing_twice(name: str) -> None:
    assert is_repelled(*small_siege(name))


def test_honest_nodes_are_blamed_where_a_clock_may_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "REJECTS", REJECTS | {Reason.EXPIRED, Reason.AHEAD_OF_TIME})
    siege, _ = small_siege("edge-expiry-poison")
    assert siege.honest_penalties > 0


def test_replays_go_round_again_where_nobody_marks_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = small_siege("replay-window")
    monkeypatch.setattr(
        Engine,
        "_known",
        lambda self, turn, envelope, held, epoch: Outcome(
            envelope.id, Level.DURABLE, Reason.OK, "", "", held.commit_no
        ),
    )
    weak, _ = small_siege("replay-window")
    assert weak.carried_per_item > 1.2 * held.carried_per_item
