"""Lets in what publishers bring, over whatever transport, or says when to come again. Obeys `admission.Door`. Never
looks into a frame: who is turned away costs next to nothing."""

from collections.abc import Callable, Iterable

from pushmesh_protocol.reasons import Reason

from ..admission import Admission, Caller, Ticket, caller_of
from ..engine.answers import Denied
from ..metrics import Metrics

DETAIL = "too much is under way; the same bytes may come again"


class Doorkeeper:
    """`jitter` gives a random number in [0, 1); with `exempt_loopback` each connection of this machine counts for
    itself, since a proxy may stand there."""

    def __init__(
        self,
        admission: Admission,
        metrics: Metrics,
        monotonic_s: Callable[[], float],
        jitter: Callable[[], float],
        *,
        exempt_loopback: bool,
    ) -> None:
        self.admission = admission
        self._metrics = metrics
        self._monotonic_s = monotonic_s
        self._jitter = jitter
        self._exempt_loopback = exempt_loopback

    def caller(self, transport: str, address: str, who: str) -> Caller:
        """Who a connection's publishes are counted for."""
        return caller_of(transport, address, who, exempt_loopback=self._exempt_loopback)

    def check(self, caller: Caller, size_bytes: int) -> None:
        """Raise Denied `rate-limited` where `admit` would now; for who has not yet read what is sent."""
        if not self.admission.has_room(caller):
            raise self._refusal(caller, size_bytes)

    def admit(self, caller: Caller, size_bytes: int) -> Ticket:
        """For one frame, which is answered next or given back. Raises Denied `rate-limited` with the time after which
        there will be room."""
        ticket = self.admission.enter(caller, size_bytes, self._monotonic_s())
        if ticket is None:
            raise self._refusal(caller, size_bytes)
        return ticket

    def give_back(self, ticket: Ticket) -> None:
        """It was not handed in. Idempotent."""
        self.admission.give_back(ticket)

    def leave(self, tickets: Iterable[Ticket]) -> None:
        """Their frames were answered. Idempotent."""
        now_s = self._monotonic_s()
        for ticket in tickets:
            self.admission.leave(ticket, now_s)

    def _refusal(self, caller: Caller, size_bytes: int) -> Denied:
        wait_s = self.admission.refuse(caller, size_bytes, self._monotonic_s(), self._jitter())
        self._metrics.turned_away(caller.transport, Reason.RATE_LIMITED)
        return Denied(Reason.RATE_LIMITED, DETAIL, retry_after_s=wait_s)
