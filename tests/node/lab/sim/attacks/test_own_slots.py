import pytest

from pushmesh_node.engine import core
from support.attacks import is_repelled, small_siege


@pytest.mark.parametrize("name", ["double-use-split", "one-slot-many-ids"])
def test_one_slot_used_again_and_again_harms_nobody_else(name: str) -> None:
    assert is_repelled(*small_siege(name))


def test_nodes_keep_different_halves_where_the_first_of_a_slot_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "rivals", lambda envelope, holders: (True, []))
    siege, _ = small_siege("double-use-split")
    assert siege.delivered_fraction < 1.0


def test_all_ids_of_a_slot_go_round_where_none_is_surplus(monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = small_siege("one-slot-many-ids")
    monkeypatch.setattr(core, "rivals", lambda envelope, holders: (False, []))
    weak, _ = small_siege("one-slot-many-ids")
    assert weak.carried_all_per_item > 1.5 * held.carried_all_per_item
