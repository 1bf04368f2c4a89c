"""What counts of a bridge's window, against a naive twin: never anything behind a message that is not confirmed."""

from hypothesis import given, strategies as st

from pushmesh_node.delivery.bridge_window import Flight, Window
from support.fake_inboxes import a_message


def test_nothing_counts_behind_a_message_that_is_not_confirmed() -> None:
    window = Window()
    first, second, third = (window.add(a_message(number)) for number in (1, 2, 3))
    second.is_over = third.is_over = True
    assert window.advance() == [] and len(window) == 3
    first.is_over = True
    assert window.advance() == [first, second, third]
    assert len(window) == 0 and window.advance() == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60))
def test_what_was_passed_is_always_the_longest_part_in_front_that_is_confirmed(
    steps: list[tuple[bool, int]],
) -> None:
    message = a_message(1)
    window, passed = Window(), 0
    flights: list[Flight] = []
    for adds, which in steps:
        if adds or not flights:
            flights.append(window.add(message))
        else:
            flights[which % len(flights)].is_over = True
        passed += len(window.advance())
        expected = next((at for at, flight in enumerate(flights) if not flight.is_over), len(flights))
        assert (passed, len(window)) == (expected, len(flights) - expected)
