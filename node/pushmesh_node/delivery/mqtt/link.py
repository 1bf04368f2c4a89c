"""One client's connection on the event loop: moves bytes, does what the state machine orders, waits."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

from pushmesh_protocol.reasons import Reason

from ...engine.answers import Denied, Principal
from ..contract import Message
from ..cursor import Start, find_start
from .connection import Connection
from .courier import Courier
from .events import (
    Acknowledge,
    Action,
    Authenticate,
    Authenticated,
    Close,
    Count,
    CountDelivered,
    Ended,
    Event,
    Follow,
    Listen,
    NewsCame,
    Open,
    Opened,
    Received,
    Refused,
    Renewed,
    Send,
    SubmitAcknowledgement,
    SubmitFrame,
    SubmitRead,
    TakenOver,
    Ticked,
    Timed,
)
from .limits import Limits
from .news import News
from .parting import part
from .ports import TRANSPORT, Ports
from .progress import Device, Progress
from .registry import Client, KeptSession, KeptSessions, client_of
from .submitting import acknowledge, mark
from .way_in import WayIn

GOODBYE_S = 5.0
"""How long an ended connection may still take: to write its last bytes."""
MOST_ANSWERS_BYTES = 65_536
"""Of answers that wait for a client that takes no bytes, before it is not read from."""


class Links:
    """The connections that have logged in, how far they have acknowledged, and the sessions that outlive theirs: shared
    by all links of an endpoint."""

    def __init__(self, limits: Limits, ports: Ports) -> None:
        self.progress = Progress(ports.inboxes, limits.acknowledge_after_s, ports.observe)
        self.open: dict[Client, Link] = {}
        self.kept = KeptSessions(limits.kept_sessions)


class Link(asyncio.Protocol):
    """`on_gone` is called once, when the connection has gone and nothing of it is left; `address` is the client's."""

    def __init__(
        self,
        connection: Connection,
        limits: Limits,
        ports: Ports,
        links: Links,
        address: str,
        on_gone: Callable[["Link"], None],
    ) -> None:
        self.gone = asyncio.Event()
        self._connection = connection
        self._limits = limits
        self._ports = ports
        self._links = links
        self._address = address
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._has_begun = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_reading = True
        self._goes_on = False
        self._waiting_bytes = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._order: Open | None = None
        self._courier: Courier | None = None
        self._way_in: WayIn | None = None
        self._news: News | None = None
        self._attended = ExitStack()
        self._device: Device | None = None
        self._ended: Reason | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there is, or was, a transport: not before the end of a TLS handshake."""
        return self._has_begun

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for CONNECT, not for ever."""
        self._transport = cast(asyncio.Transport, transport)
        self._has_begun = True
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client, which mostly confirm what it got."""
        reached = self._connection.take_pubacks(data, self._ports.now_ms())
        if reached is None:
            self.handle(Received(data))
            return
        self._acknowledge(reached)
        if self._courier is not None:
            self._courier.moved()

    def pause_writing(self) -> None:
        """The client takes no more. It is heard, for it may confirm what it got, but each answer adds to what waits."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client takes bytes again."""
        self._writable.set()
        self._waiting_bytes = 0
        self._regulate()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing of the connection may stay behind."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._courier is not None:
            self._courier.close()
        self._loop.create_task(self._leave(), name="mqtt-goodbye").add_done_callback(self._left)

    # What the state machine orders.

    def handle(self, event: Event) -> None:
        """Give the state machine an event and do what follows from it."""
        for action in self._connection.handle(event, self._ports.now_ms()):
            self._perform(action)
        if self._courier is not None:
            self._courier.moved()
        if self._connection.has_more and not self._goes_on:
            self._goes_on = True
            self._loop.call_soon(self._go_on)
        self._regulate()

    def _go_on(self) -> None:
        """With what came, after others had their turn."""
        self._goes_on = False
        if self._transport is not None:
            self.handle(Received(b""))

    def _perform(self, action: Action) -> None:
        match action:
            case Send(data):
                if self._transport is not None:
                    if not self._writable.is_set():
                        self._waiting_bytes += len(data)
                    self._transport.write(data)
            case CountDelivered(messages):
                self._count_delivered(messages)
            case Acknowledge(commit_no):
                self._acknowledge(commit_no)
            case SubmitFrame():
                assert self._way_in is not None
                self._way_in.take(action)
            case SubmitAcknowledgement():
                self._spawn(self._take_acknowledgement(action))
            case SubmitRead():
                self._spawn(self._mark_read(action))
            case Authenticate(credential):
                self._spawn(self._authenticate(credential))
            case Open():
                self._order = action
                caller = self._ports.door.caller(TRANSPORT, self._address, action.principal.account.hex())
                self._way_in = WayIn(caller, self._limits, self._ports, self.handle, self._spawn)
                self._spawn(self._open(action))
            case Renewed(principal):
                self._renew(principal)
            case Timed():
                self._arm()
            case Listen(topics, tells_live):
                assert self._courier is not None
                self._courier.listen(topics, tells_live=tells_live)
            case Follow(topics):
                self._follow(topics)
            case Count(what, reason, refuses_access):
                self._ports.observe(what, reason)
                if refuses_access:
                    self._ports.refused_access(reason)
            case Close(reason):
                self._close(reason)

    def _regulate(self) -> None:
        if self._transport is None or self._transport.is_closing() or self._ended is not None:
            return
        wanted = self._waiting_bytes < MOST_ANSWERS_BYTES and not self._connection.is_full
        if wanted == self._is_reading:
            return
        self._is_reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait_s = max(0, self._connection.deadline_ms - self._ports.now_ms()) / 1000
        self._timer = self._loop.call_later(min(wait_s, 3_600) + 0.001, self._on_time)

    def _on_time(self) -> None:
        self.handle(Ticked())
        if self._ended is None:
            self._arm()

    def _close(self, reason: Reason) -> None:
        self._ended = reason
        self._ports.observe("end", reason)
        self._ports.refused_access(reason)
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            part(self._transport, is_behind=not self._writable.is_set())
            self._timer = self._loop.call_later(GOODBYE_S, self._transport.abort)

    # Logging in.

    async def _authenticate(self, credential: str) -> None:
        try:
            principal = await self._ports.authenticate(credential, self._address)
        except Denied as denied:
            self.handle(Refused(denied.reason, denied.rule, denied.detail))
        else:
            self.handle(Authenticated(principal))

    async def _open(self, order: Open) -> None:
        client = client_of(order.principal, order.client_id)
        attended = self._ports.consumers.attend(self._who, self._end_by_node)
        try:
            self._attended.enter_context(attended)
        except Denied as denied:
            self.handle(Refused(denied.reason, denied.rule, denied.detail))
        if self._ended is not None:
            return
        older = self._links.open.get(client)
        self._links.open[client] = self
        if older is not None:
            await older.make_room()
        inboxes = self._ports.inboxes
        try:
            start = await find_start(inboxes, order.principal, order.cursor, order.client_id)
            vouchers = await inboxes.last_vouchers(order.principal)
        except Denied as denied:
            self.handle(Refused(denied.reason, denied.rule, denied.detail))
            return
        if self._ended is not None:
            return  # the session stays for the next connection
        kept = self._links.kept.take(client, self._ports.now_ms())
        if order.clean:
            kept = None
        floor = 0
        if kept is not None and order.cursor is None:
            floor = kept.floor
            start = Start(max(floor, start.after or 0), start.gap)
        self._courier = Courier(
            order,
            start,
            floor,
            self._connection,
            self._limits,
            self._ports,
            self.handle,
            self._spawn,
            self._transport,
            self._writable,
        )
        self._device = self._links.progress.device(order.principal, order.client_id)
        if kept is None:
            self.handle(Opened(None, vouchers))
        else:
            self.handle(Opened(kept.subscriptions, vouchers, kept.in_flight))
        if self._ended is None:
            self._arm()

    def _who(self) -> Principal | None:
        return None if self._order is None else self._order.principal

    def _renew(self, principal: Principal) -> None:
        assert self._order is not None
        self._order = replace(self._order, principal=principal)
        if self._courier is not None:
            self._courier.renew(principal)
        if self._news is not None:
            self._news.principal = principal
        if self._device is not None:
            self._device.principal = principal

    async def make_room(self) -> None:
        """End for a newer connection of the same client, which waits until this one's acknowledgements are known."""
        self.handle(TakenOver())
        try:
            async with asyncio.timeout(2 * GOODBYE_S):
                await self.gone.wait()
        except TimeoutError:
            self._ports.observe("take-over", Reason.TIMEOUT)

    # What comes in and goes out.

    def _follow(self, topics: frozenset[str]) -> None:
        if self._news is None:
            assert self._order is not None
            who, device, ports = self._order.principal, self._order.client_id, self._ports

            def tell(topic: str, payload: bytes) -> None:
                self.handle(NewsCame(topic, payload))

            self._news = News(who, device, ports.inboxes, ports.subscriptions, tell, self._spawn, self._writable)
        self._news.follow(topics)

    def _end_by_node(self, reason: str, detail: str) -> None:
        self.handle(Ended(Reason(reason), detail))

    def _count_delivered(self, messages: Sequence[Message]) -> None:
        assert self._order is not None
        self._ports.inboxes.delivered(TRANSPORT, self._order.principal.account, messages)

    def _acknowledge(self, commit_no: int) -> None:
        if self._device is not None and self._connection.remembers:
            self._device.reach(commit_no)

    async def _take_acknowledgement(self, order: SubmitAcknowledgement) -> None:
        assert self._order is not None
        answer = await acknowledge(self._ports, self._order.principal, self._order.client_id, order)
        self.handle(answer)

    async def _mark_read(self, order: SubmitRead) -> None:
        assert self._order is not None
        who, device, ports = self._order.principal, self._order.client_id, self._ports
        self.handle(await mark(ports, who, device, order))

    # Tasks, and the end.

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        if self._ended is not None or self._transport is None:
            work.close()
            return None
        task = self._loop.create_task(work, name="mqtt")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._ports.report(fault, TRANSPORT)
            self.handle(Ended(Reason.INTERNAL, ""))

    async def _leave(self) -> None:
        if self._news is not None:
            self._news.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._way_in is not None:
            self._way_in.close()
        if self._ended is None and self._has_begun:
            self._ports.observe("end", Reason.OK)
        if self._device is not None:
            self._links.progress.end(self._device)
        self._keep_session()

    def _keep_session(self) -> None:
        kept, order = self._connection.kept, self._order
        if order is None:
            return
        client = client_of(order.principal, order.client_id)
        if kept is not None:
            subscriptions, in_flight, expiry_s = kept
            expires_ms = self._ports.now_ms() + expiry_s * 1000
            assert self._courier is not None  # the connection was open
            kept_session = KeptSession(subscriptions, in_flight, self._courier.floor, expires_ms)
            self._links.kept.keep(client, kept_session)
        if self._links.open.get(client) is self:
            del self._links.open[client]

    def _left(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._ports.report(fault, TRANSPORT)
        if self._timer is not None:
            self._timer.cancel()
        self._attended.close()
        self.gone.set()
        self._on_gone(self)
