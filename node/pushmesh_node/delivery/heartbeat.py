"""One timer for all idle connections: each is reminded when it has been silent for a whole period."""

import asyncio
from typing import Protocol

SPOKES = 64


class Beating(Protocol):
    """A connection that wants to be reminded."""

    said: int
    """The wheel's `now` when it wrote something last; it keeps this itself."""

    def beat(self) -> None:
        """Say something: nothing was said for a period."""


class Wheel:
    """Turns while somebody is on it. A period is `SPOKES` ticks, so a reminder is late by a 64th of it at most."""

    def __init__(self, period_s: float) -> None:
        self.now = 0
        """In ticks. Whoever writes notes it, which costs less than to ask for the time."""
        self._tick_s = period_s / SPOKES
        self._spokes: list[set[Beating]] = [set() for _ in range(SPOKES + 1)]
        self._places: dict[Beating, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Connections on it."""
        return len(self._places)

    def add(self, connection: Beating) -> None:
        """Remind it from now on, one period after it said something last."""
        connection.said = self.now
        self._put(connection, self.now)
        if self._timer is None:
            self._arm()

    def remove(self, connection: Beating) -> None:
        """Idempotent. The last one stops the wheel."""
        place = self._places.pop(connection, None)
        if place is not None:
            self._spokes[place].discard(connection)
        if not self._places and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _put(self, connection: Beating, said: int) -> None:
        place = (said + SPOKES) % len(self._spokes)
        self._places[connection] = place
        self._spokes[place].add(connection)

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._turn)

    def _turn(self) -> None:
        self._arm()
        self.now += 1
        place = self.now % len(self._spokes)
        due, self._spokes[place] = self._spokes[place], set()
        for connection in due:
            if connection.said + SPOKES <= self.now:
                connection.said = self.now
                connection.beat()
            if connection in self._places:  # it may have left by its own beat
                self._put(connection, connection.said)
