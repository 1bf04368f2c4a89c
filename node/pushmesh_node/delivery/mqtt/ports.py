"""What the endpoint needs of the node; the composition root hands it in."""

from collections.abc import Callable
from dataclasses import dataclass

from ...admission import Door
from ..consumers import Consumers
from ..contract import Authenticate, Inboxes
from ..service import Publish, Report
from ..session import SessionLimits

Observe = Callable[[str, str], None]
"""`observe(what, reason)`: count. `what` is one of connect, end, subscribe, publish, puback, message, acknowledge and
take-over; the reasons come from the closed list."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The node around the endpoint. `now_ms` is Unix time, `random_id` a new client id that nobody can guess."""

    inboxes: Inboxes
    publish: Publish
    door: Door
    authenticate: Authenticate
    consumers: Consumers
    now_ms: Callable[[], int]
    random_id: Callable[[], str]
    observe: Observe
    report: Report
    sessions: SessionLimits
