from collections.abc import Sequence

import pytest

from pushmesh_node.engine import frame_rule
from pushmesh_node.engine.answers import Outcome
from pushmesh_node.engine.effects import Judge
from pushmesh_node.engine.events import Gossiped, Offer
from pushmesh_node.gossip.frames.inspect import FrameInspector
from pushmesh_node.gossip.frames.inspection import Inspection
from pushmesh_node.gossip.rotating import RotatingSet
from pushmesh_node.lab.sim import node
from pushmesh_node.lab.sim.siege import Siege
from pushmesh_protocol.reasons import Reason, Verdict
from support.attacks import is_repelled, small_siege


def forward_all(source: Gossiped, offer: Offer, answers: Sequence[Sequence[Outcome]], ridden: RotatingSet) -> Judge:
    """A node that looks at no rule of frames."""
    return Judge(source.frame_no, Verdict.ACCEPT, Reason.OK, source.frame_bytes)


class Trusting(FrameInspector):
    """One that takes for known whatever it has met in a frame that it did not REJECT, whoever signed it."""

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        met: set[bytes] = self.__dict__.setdefault("met", set())
        found = super().inspect(node_id, topic, data, now_ms)
        if found.verdict is None:
            ids = {item.id for item in found.items}
            if ids <= met:
                return Inspection(Verdict.IGNORE, Reason.DUPLICATE, [])
            met.update(ids)
        return found


class Greedy(FrameInspector):
    """One that remembers the items of a frame though it REJECTs it."""

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        found = super().inspect(node_id, topic, data, now_ms)
        if found.verdict is Verdict.REJECT:
            self.remember(list(self._sense.outline(self._network, data, topic).hashes))
        return found


@pytest.mark.parametrize("name", ["auth-swap", "bad-pack-race", "junk-ride"])
def test_forged_copies_change_nothing(name: str) -> None:
    siege, peace = small_siege(name)
    assert is_repelled(siege, peace)


def test_honest_items_are_late_where_any_auth_makes_an_id_known(monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = small_siege("auth-swap")
    monkeypatch.setattr(node, "FrameInspector", Trusting)
    weak, _ = small_siege("auth-swap")
    assert weak.p99_ms > 5 * held.p99_ms


def test_honest_items_are_late_where_something_is_taken_from_bad_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = small_siege("bad-pack-race")
    monkeypatch.setattr(node, "FrameInspector", Greedy)
    weak, _ = small_siege("bad-pack-race")
    assert weak.p99_ms > 5 * held.p99_ms


def test_junk_rides_through_the_mesh_where_frames_are_forwarded_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    held, peace = small_siege("junk-ride")
    monkeypatch.setattr(frame_rule, "judge", forward_all)
    weak, _ = small_siege("junk-ride")
    assert ratio(weak, peace) > 1.25 * ratio(held, peace)


def ratio(siege: Siege, peace: Siege) -> float:
    return siege.carried_per_item / peace.carried_per_item
