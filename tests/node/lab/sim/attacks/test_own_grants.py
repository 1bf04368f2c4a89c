from itertools import count

import pytest

from pushmesh_node.engine import parking
from pushmesh_node.engine.parking import Parking
from pushmesh_node.engine.retractions import Retractions
from pushmesh_protocol.authority import KnownGrant
from support.attacks import is_repelled, small_siege


@pytest.mark.parametrize("name", ["grant-race", "pre-sync-cut"])
def test_grants_and_cuts_in_every_order_lead_to_the_same_state(name: str) -> None:
    assert is_repelled(*small_siege(name))


def test_nodes_differ_where_the_grant_that_came_first_owns_its_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    arrivals = count()
    came: dict[int, tuple[KnownGrant, int]] = {}

    def order(grant: KnownGrant) -> tuple[int, bytes]:
        return came.setdefault(id(grant), (grant, next(arrivals)))[1], b""

    monkeypatch.setattr(KnownGrant, "order", property(order))
    siege, _ = small_siege("grant-race")
    assert siege.disagreements > 0


def test_nodes_differ_where_a_retraction_outlives_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retractions, "_may_sign", lambda self, envelope: True)
    siege, _ = small_siege("pre-sync-cut")
    assert siege.disagreements == 1


def test_late_grants_find_their_items_though_the_park_buffer_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "IN_ALL", 1_024)
    held, peace = small_siege("made-up-grant")
    assert is_repelled(held, peace)
    monkeypatch.setattr(Parking, "_make_room", Parking._has_room)
    weak, _ = small_siege("made-up-grant")
    assert weak.p99_ms > held.p99_ms
