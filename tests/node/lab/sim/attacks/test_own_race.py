from collections.abc import Sequence

import pytest

from pushmesh_node.engine import frame_rule
from pushmesh_node.engine.answers import Outcome
from pushmesh_node.engine.effects import Judge
from pushmesh_node.engine.events import Gossiped, Offer
from pushmesh_node.lab.sim.siege import Siege
from pushmesh_protocol.reasons import Reason, Verdict
from support.attacks import is_repelled, small_siege


def forward_all(source: Gossiped, offer: Offer, answers: Sequence[Sequence[Outcome]]) -> Judge:
    """A node that looks at no rule of frames."""
    return Judge(source.frame_no, Verdict.ACCEPT, Reason.OK, source.frame_bytes)


@pytest.mark.parametrize("name", ["auth-swap", "bad-pack-race", "junk-ride"])
def test_forged_copies_change_nothing(name: str) -> None:
    siege, peace = small_siege(name)
    assert is_repelled(siege, peace)


def test_junk_rides_through_the_mesh_where_frames_are_forwarded_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    held, peace = small_siege("junk-ride")
    monkeypatch.setattr(frame_rule, "judge", forward_all)
    weak, _ = small_siege("junk-ride")
    assert ratio(weak, peace) > 1.25 * ratio(held, peace)


def ratio(siege: Siege, peace: Siege) -> float:
    return siege.carried_per_item / peace.carried_per_item
