"""Messages on their way to a broker, and how far it has confirmed all of them. Pure: sends nothing."""

from collections import deque
from collections.abc import Sequence

from .contract import Message


class Flight:
    """One message on its way; whoever hears that it arrived, or will never be sent, sets `is_over`."""

    __slots__ = ("is_over", "message", "was_sent")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.was_sent = True
        self.is_over = False


class Window:
    """Confirmed in any order; what counts is the part in front that is confirmed without a gap."""

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: deque[Flight] = deque()

    def __len__(self) -> int:
        """How many there are, confirmed behind one that is not or not confirmed."""
        return len(self._flights)

    def add(self, message: Message) -> Flight:
        """One more, whose commit number is the highest so far."""
        flight = Flight(message)
        self._flights.append(flight)
        return flight

    def advance(self) -> Sequence[Flight]:
        """Take away and return what is confirmed together with everything before it, in commit order."""
        flights, passed = self._flights, []
        while flights and flights[0].is_over:
            passed.append(flights.popleft())
        return passed
