import pytest

from support.attacks import PUSH_ALONE, is_held_off, small_siege


@pytest.mark.parametrize("name", ["graft-in-backoff", "idontwant-flood", "subscription-flood", "huge-backoff"])
def test_a_small_network_holds_it_off(name: str) -> None:
    siege, _ = small_siege(name)
    assert is_held_off(siege)


@pytest.mark.parametrize("name", ["graft-in-backoff", "idontwant-flood", "huge-backoff"])
def test_a_mesh_alone_loses_frames_to_it(name: str) -> None:
    siege, _ = small_siege(name, PUSH_ALONE)
    assert siege.delivered_fraction < 1.0


def test_a_mesh_alone_is_slow_under_a_flood_of_subscriptions() -> None:
    alone, _ = small_siege("subscription-flood", PUSH_ALONE)
    held, _ = small_siege("subscription-flood")
    assert alone.p99_ms > 2 * held.p99_ms
