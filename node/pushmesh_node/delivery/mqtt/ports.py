"""What the endpoint needs of the node; the composition root hands it in."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from pushmesh_protocol.reasons import Reason

from ...admission import Door, Ticket
from ...engine.answers import Acknowledged, Outcome, Wait
from ..consumers import Consumers
from ..contract import Authenticate, Inboxes
from ..following import OwnSubscriptions
from ..service import Publish, Report
from ..session import SessionLimits
from ..wallet_state import WalletState

TRANSPORT = "mqtt"

Observe = Callable[[str, str], None]
"""`observe(what, reason)`: count. `what` is one of connect, end, subscribe, publish, puback, message, acknowledge and
take-over; the reasons come from the closed list."""

Begin = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None] | None]
"""`begin(work)`: run it as a task of the connection; None, and nothing happens, where that is over."""

PublishAndTell = Callable[
    [bytes, Wait, Sequence[Ticket], Callable[[Sequence[Outcome]], None]], Awaitable[Sequence[Acknowledged]]
]
"""`await publish_and_tell(frame, wait, its ticket, durable)`: the answers with receipts when they got as far as asked;
`durable` is told of the outcomes before. Raises Denied."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The node around the endpoint. `now_ms` is Unix time, `random_id` a new client id that nobody can guess,
    `refused_access` counts what a client was told that it may not."""

    inboxes: Inboxes
    publish: Publish
    publish_and_tell: PublishAndTell
    door: Door
    authenticate: Authenticate
    consumers: Consumers
    wallets: WalletState
    subscriptions: OwnSubscriptions
    now_ms: Callable[[], int]
    random_id: Callable[[], str]
    observe: Observe
    refused_access: Callable[[Reason], None]
    report: Report
    sessions: SessionLimits
