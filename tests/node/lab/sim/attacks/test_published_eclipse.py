import pytest

from support.attacks import PUSH_ALONE, is_held_off, small_siege


@pytest.mark.parametrize("name", ["eclipse-node", "eclipse-network", "eclipse-publishers", "censor-origin"])
def test_a_small_network_holds_it_off(name: str) -> None:
    siege, _ = small_siege(name)
    assert is_held_off(siege)


@pytest.mark.parametrize("name", ["eclipse-node", "eclipse-network", "eclipse-publishers", "censor-origin"])
def test_a_mesh_alone_loses_frames_to_it(name: str) -> None:
    siege, _ = small_siege(name, PUSH_ALONE)
    assert siege.delivered_fraction < 1.0
