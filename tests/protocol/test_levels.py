import pytest

from pushmesh_protocol.levels import ACKNOWLEDGED, DELIVERED, DURABLE, LEVELS, level_number, reaches
from support.tree import ROOT


def test_numbers_are_those_of_the_specification() -> None:
    assert (level_number("durable"), level_number("delivered"), level_number("acknowledged")) == (2, 4, 5)
    assert (DURABLE, DELIVERED, ACKNOWLEDGED) == (2, 4, 5)
    rule = next(line for line in (ROOT / "protocol" / "SPEC.md").read_text().splitlines() if "**12.1**" in line)
    assert all(f"{number} `{name}`" in rule for number, name in enumerate(LEVELS))


def test_a_level_includes_those_before_it_and_none_behind_it() -> None:
    assert reaches("propagated", "durable") and reaches("durable", "durable")
    assert not reaches("accepted", "durable")


def test_another_word_is_no_level() -> None:
    with pytest.raises(ValueError, match="x not in tuple"):
        reaches("delivered", "seen")
