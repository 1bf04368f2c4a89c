"""The door: who is let in, who is told to come again, and how that is counted."""

import pytest

from pushmesh_node.admission import UNIT_BYTES
from pushmesh_node.engine.answers import Denied
from pushmesh_node.metrics import Metrics
from support.doors import a_door


def turned_away(metrics: Metrics, transport: str) -> float:
    labels = {"transport": transport, "reason": "rate-limited"}
    return metrics.registry.get_sample_value("pushmesh_publish_turned_away_total", labels) or 0.0


def test_who_is_not_let_in_is_told_when_to_come_again_and_counted_by_transport() -> None:
    metrics = Metrics()
    door = a_door(most_units=2, metrics=metrics)
    caller, other = door.caller("mqtt", "192.0.2.1", "a"), door.caller("http", "192.0.2.2", "b")
    tickets = [door.admit(caller, 10), door.admit(other, 10)]
    for each in (caller, other, other):
        with pytest.raises(Denied) as caught:
            door.admit(each, 10)
        assert caught.value.reason == "rate-limited" and caught.value.retry_after_s
    assert [turned_away(metrics, name) for name in ("mqtt", "http", "publish")] == [1.0, 2.0, 0.0]
    door.leave(tickets)
    assert door.admit(other, 10).units == 1


def test_a_check_holds_nothing_and_refuses_what_admit_would() -> None:
    door = a_door(most_units=1)
    caller = door.caller("http", "192.0.2.1", "a")
    door.check(caller, 10 * UNIT_BYTES)
    assert door.admission.held_units == 0
    ticket = door.admit(caller, 0)
    with pytest.raises(Denied, match="rate-limited"):
        door.check(caller, 0)
    door.give_back(ticket)
    door.check(caller, 0)


def test_connections_of_this_machine_count_each_for_itself() -> None:
    door = a_door()
    assert door.caller("http", "127.0.0.1", "a").place == ""
    assert door.caller("http", "192.0.2.1", "a").place == "192.0.2.1"
