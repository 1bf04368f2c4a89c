"""How much of what publishers hand in may be under way, so that nobody who was let in waits long, and whose turn it is
when not all can be. Pure: time and jitter are arguments. Looks at sizes, never into a frame."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from .remote import is_this_machine, place_of

K = TypeVar("K", bound=Hashable)

UNIT_BYTES: Final = 2_048
"""As slots count them (SPEC 6.2). A unit costs a node about the same, whether it is a notification under its own
signature or a few leaves of a batch."""

GREED: Final = 4
"""A publisher may have so many times under way what is still free. One alone gets four fifths of everything, n of them
get equal shares, and whoever comes next still finds room."""

WINDOW_S: Final = 0.2
"""Of work, for one measurement of the pace."""

START_UNITS: Final = 4_096
"""The bound before anything was measured."""

LEAST_RETRY_S, LONGEST_RETRY_S = 0.05, 5.0
"""What a refused one is told; after the longest even the worst load is over, or others were told the same."""

JITTER: Final = 0.5
"""By so much of itself a time to come back is drawn out at most, so that not all come at once."""

REMEMBERED: Final = 4_096
"""Publishers whose promised times are remembered; of others each is told the shortest."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`wait_s` is how long one who was let in should wait; the two others are what may be under way, whatever the
    pace."""

    wait_s: float = 0.5
    least_units: int = 1_024
    most_units: int = 16_384


@dataclass(frozen=True, slots=True)
class Caller:
    """Who hands something in. Shares are of places, and in each of those who are there; `place` "" is none, and then
    each counts for itself."""

    transport: str
    place: str
    who: str


def caller_of(transport: str, address: str, who: str, *, exempt_loopback: bool) -> Caller:
    """The caller behind an address; `exempt_loopback` says that many may be behind this machine's."""
    is_exempt = exempt_loopback and is_this_machine(address)
    return Caller(transport, "" if is_exempt else place_of(address), who)


class Ticket:
    """What one frame has under way, until it is given back. `units` 0 was given back. Frames are worked on in the order
    of `due_s`."""

    __slots__ = ("caller", "due_s", "since_s", "units")

    def __init__(self, caller: Caller, units: int, since_s: float, due_s: float) -> None:
        self.caller = caller
        self.units = units
        self.since_s = since_s
        self.due_s = due_s


class Door(Protocol):
    """What edges need of the node before they hand a frame in; the composition root gives it."""

    def caller(self, transport: str, address: str, who: str) -> Caller:
        """Who a connection's publishes are counted for: once for each connection."""

    def check(self, caller: Caller, size_bytes: int) -> None:
        """Raise Denied `rate-limited` where `admit` would now; for who has not yet read what is sent."""

    def admit(self, caller: Caller, size_bytes: int) -> Ticket:
        """A ticket for one frame, to be handed in with it or given back. Raises Denied `rate-limited`."""

    def give_back(self, ticket: Ticket) -> None:
        """The frame was not handed in. Idempotent."""


def units_of(size_bytes: int) -> int:
    """What a frame of this size counts."""
    return 1 + size_bytes // UNIT_BYTES


class Admission:
    """The bound is what the node gets done in `wait_s` at its present pace; one frame may go beyond it.

    It moves only while it matters, that is when somebody was refused or waited for more than half of that: who is alone
    with an idle node shows nothing of its pace."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.limit_units = min(max(START_UNITS, bounds.least_units), bounds.most_units)
        self.held_units = 0
        self._rate = START_UNITS / bounds.wait_s
        self._places: dict[str, int] = {}
        self._callers: dict[tuple[str, str], int] = {}
        self._dues: dict[tuple[str, str], float] = {}
        self._promised: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._worked_s = 0.0
        self._busy_s = 0.0
        self._done = 0
        self._waited = 0.0
        self._refused = False

    @property
    def callers(self) -> int:
        """How many have something under way."""
        return len(self._callers)

    def has_room(self, caller: Caller) -> bool:
        """Whether one more frame of this caller may come in now."""
        left = GREED * (self.limit_units - self.held_units)
        if caller.place:
            left = GREED * (left - self._places.get(caller.place, 0))
        return self._callers.get((caller.place, caller.who), 0) < left

    def enter(self, caller: Caller, size_bytes: int, now_s: float) -> Ticket | None:
        """A ticket that is to be given back, or None where there is no room: then `refuse` says when to come back."""
        self._measure(now_s)
        if not self.has_room(caller):
            return None
        if not self.held_units:
            self._busy_s = now_s
        ticket = Ticket(caller, units_of(size_bytes), now_s, self._due(caller, now_s))
        self._hold(caller, ticket.units)
        return ticket

    def leave(self, ticket: Ticket, now_s: float) -> None:
        """The frame was answered, or never handed in. Idempotent."""
        units, ticket.units = ticket.units, 0
        if not units:
            return
        self._done += units
        self._waited += units * max(0.0, now_s - ticket.since_s)
        self._measure(now_s)
        self._hold(ticket.caller, -units)

    def give_back(self, ticket: Ticket) -> None:
        """The frame was never worked on, so it says nothing of the pace. Idempotent."""
        units, ticket.units = ticket.units, 0
        if units:
            self._hold(ticket.caller, -units)

    def refuse(self, caller: Caller, size_bytes: int, now_s: float, jitter: float) -> float:
        """After how many seconds there will be room for a frame that was not let in, at this caller's share of the
        pace; `jitter` in [0, 1). Who is refused again and again is told later and later times, as if it had queued."""
        self._refused = True
        self._measure(now_s)
        key = (caller.place, caller.who)
        pace = max(1.0, self._rate) / max(1, len(self._callers))
        due_s = max(self._promised.pop(key, now_s), now_s) + units_of(size_bytes) / pace
        wait_s = min(due_s - now_s, LONGEST_RETRY_S)
        self._promised[key] = now_s + wait_s
        if len(self._promised) > REMEMBERED:
            self._promised.popitem(last=False)
        return max(LEAST_RETRY_S, wait_s) * (1 + JITTER * jitter)

    def _due(self, caller: Caller, now_s: float) -> float:
        """Later by as much of the wait as this place has of its share: who has little under way goes before who has
        much, but passes nobody who has waited for so long; and one caller's frames stay in their order."""
        key = (caller.place, caller.who)
        held = self._places.get(caller.place, 0) if caller.place else self._callers.get(key, 0)
        part = held / (GREED * (self.limit_units - self.held_units))  # below 1, or there would be no room
        due_s = max(self._dues.get(key, now_s), now_s + self._bounds.wait_s * part)
        self._dues[key] = due_s
        return due_s

    def _hold(self, caller: Caller, units: int) -> None:
        self.held_units += units
        if caller.place:
            _add(self._places, caller.place, units)
        key = (caller.place, caller.who)
        _add(self._callers, key, units)
        if key not in self._callers:
            del self._dues[key]

    def _measure(self, now_s: float) -> None:
        """At the end of a window: what was done in it is the pace, if it was a busy one. Only time with something under
        way counts."""
        if self.held_units:
            self._worked_s += max(0.0, now_s - self._busy_s)
            self._busy_s = now_s
        if self._worked_s < WINDOW_S:
            return
        bounds = self._bounds
        if self._refused or self._waited > self._done * bounds.wait_s / 2:
            self._rate = (self._rate + self._done / self._worked_s) / 2
            aim = (self.limit_units + self._rate * bounds.wait_s) / 2
            self.limit_units = min(max(round(aim), bounds.least_units), bounds.most_units)
        self._worked_s, self._done, self._waited, self._refused = 0.0, 0, 0.0, False


def _add(counts: dict[K, int], key: K, units: int) -> None:
    count = counts.get(key, 0) + units
    if count:
        counts[key] = count
    else:
        del counts[key]
