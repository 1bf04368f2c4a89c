import pytest

from pushmesh_node.engine import frame_rule
from support.attacks import is_repelled, small_siege


@pytest.mark.parametrize("name", ["auth-mint", "small-session-item"])
def test_words_without_number_are_not_carried_without_end(name: str) -> None:
    assert is_repelled(*small_siege(name))


def test_small_items_drag_large_company_where_old_bytes_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = small_siege("small-session-item")
    monkeypatch.setattr(frame_rule, "_known_bytes", lambda offer, answers: 0)
    weak, _ = small_siege("small-session-item")
    assert weak.carried_per_item > 1.05 * held.carried_per_item
