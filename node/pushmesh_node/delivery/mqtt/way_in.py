"""What one client publishes, on its way to the node: all that waits in one call, a few calls at a time."""

from collections import deque
from collections.abc import Callable, Sequence

from ...admission import Caller, Ticket
from ...engine.answers import Outcome
from .events import Event, FrameAnswered, RequestAnswered, SubmitFrame
from .limits import Limits
from .ports import Begin, Ports
from .submitting import admit, publish, publish_and_tell


class WayIn:
    """Of one connection, counted for `caller`. `answer` takes what becomes of each order, `begin` owns the tasks that
    it is given."""

    def __init__(
        self, caller: Caller, limits: Limits, ports: Ports, answer: Callable[[Event], None], begin: Begin
    ) -> None:
        self._caller = caller
        self._limits = limits
        self._ports = ports
        self._answer = answer
        self._begin = begin
        self._frames: list[tuple[SubmitFrame, Ticket]] = []
        self._waiting: deque[tuple[SubmitFrame, Ticket]] = deque()
        self._publishing = 0

    def take(self, order: SubmitFrame) -> None:
        """Queue a frame, or refuse it here and now: it would wait too long."""
        ticket = admit(self._ports.door, self._caller, order)
        if isinstance(ticket, RequestAnswered):
            self._answer(ticket)
        elif order.wait is not None:
            self._waiting.append((order, ticket))
            self._begin(self._publish_and_tell())
        else:
            self._frames.append((order, ticket))
            self._submit()

    def close(self) -> None:
        """Give back what was not handed in; the tasks are over."""
        for _, ticket in (*self._frames, *self._waiting):
            self._ports.door.give_back(ticket)

    def _submit(self) -> None:
        if self._frames and self._publishing < self._limits.batches_in_flight:
            self._publishing += 1
            self._begin(self._publish())

    async def _publish_and_tell(self) -> None:
        order, ticket = self._waiting.popleft()

        def durable(outcomes: Sequence[Outcome]) -> None:
            self._answer(FrameAnswered(order.number, outcomes))

        ports = self._ports
        self._answer(await publish_and_tell(ports.publish_and_tell, ports.door, order, ticket, durable))

    async def _publish(self) -> None:
        orders, self._frames = self._frames, []
        try:
            answers = await publish(self._ports.publish, self._ports.door, orders)
        finally:
            self._publishing -= 1
        for answer in answers:
            self._answer(answer)
        self._submit()
