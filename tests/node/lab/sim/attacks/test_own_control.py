import pytest

from pushmesh_protocol import examine
from support.attacks import is_repelled, small_siege


def test_a_flood_of_control_costs_what_was_paid_for() -> None:
    assert is_repelled(*small_siege("control-flood"))


def test_strangers_flood_everybody_where_nothing_must_be_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "_slot_failure", lambda network, envelope, allowance: None)
    siege, peace = small_siege("control-flood")
    assert siege.carried_all_per_item > 2 * peace.carried_all_per_item
