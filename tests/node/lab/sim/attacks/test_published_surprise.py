import msgspec
import pytest

from pushmesh_node.ipc import Settings
from pushmesh_node.lab.sim.siege import Defences
from support.attacks import PUSH_ALONE, is_held_off, small_siege


@pytest.mark.parametrize("name", ["cold-boot", "covert-flash", "dawn", "colocation"])
def test_a_small_network_holds_it_off(name: str) -> None:
    siege, _ = small_siege(name)
    assert is_held_off(siege)


@pytest.mark.parametrize("name", ["cold-boot", "covert-flash", "dawn", "colocation"])
def test_a_mesh_alone_loses_frames_to_it(name: str) -> None:
    siege, _ = small_siege(name, PUSH_ALONE)
    assert siege.delivered_fraction < 1.0


def test_without_limits_by_address_a_few_addresses_hold_more_seats() -> None:
    settings = msgspec.structs.replace(Settings(), max_connections_per_ip=10_000, max_connections_per_subnet=10_000)
    many, _ = small_siege("colocation", Defences(settings=settings))
    few, _ = small_siege("colocation")
    assert many.sybil_links > few.sybil_links
