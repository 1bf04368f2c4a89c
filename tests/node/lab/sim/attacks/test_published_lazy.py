import pytest

from support.attacks import is_held_off, small_siege


@pytest.mark.parametrize("name", ["ihave-lies", "iwant-drain"])
def test_a_small_network_holds_it_off(name: str) -> None:
    siege, _ = small_siege(name)
    assert is_held_off(siege)
