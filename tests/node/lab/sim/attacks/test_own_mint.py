import pytest

from pushmesh_node.engine import frame_rule, grants
from pushmesh_node.engine.answers import Level, Outcome
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.records import Holder
from pushmesh_node.engine.turn import Turn
from pushmesh_node.gossip.rotating import RotatingSet
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Epoch
from support.attacks import is_repelled, small_siege


class Forgetful(RotatingSet):
    """One that knows nothing of what it was told."""

    def __contains__(self, value: bytes) -> bool:
        return False


def call_new(engine: Engine, turn: Turn, envelope: Envelope, held: Holder, epoch: Epoch) -> Outcome:
    """What a node says that forgot what it sent."""
    return Outcome(envelope.id, Level.DURABLE, Reason.OK, "", "", held.commit_no)


@pytest.mark.parametrize("name", ["auth-mint", "small-session-item"])
def test_words_without_number_are_not_carried_without_end(name: str) -> None:
    assert is_repelled(*small_siege(name))


def test_small_items_drag_large_company_where_old_bytes_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = small_siege("small-session-item")
    monkeypatch.setattr(frame_rule, "_known_bytes", lambda offer, answers, ridden: 0)
    weak, _ = small_siege("small-session-item")
    assert weak.carried_all_per_item > 1.2 * held.carried_all_per_item


def test_small_items_drag_their_grant_along_where_it_rides_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = small_siege("small-session-item")
    monkeypatch.setattr(grants, "RotatingSet", Forgetful)
    weak, _ = small_siege("small-session-item")
    assert held.foreign_copies is not None and weak.foreign_copies is not None
    assert weak.foreign_copies > 3 * held.foreign_copies


def test_minted_auths_go_round_where_each_makes_an_envelope_new(monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = small_siege("auth-mint")
    monkeypatch.setattr(Engine, "_known", call_new)
    weak, _ = small_siege("auth-mint")
    assert weak.carried_all_per_item > 1.2 * held.carried_all_per_item
