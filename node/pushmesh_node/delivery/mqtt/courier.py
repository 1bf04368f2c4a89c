"""Messages on their way to one client: written at once where it has room for them, else handed over as it confirms what
it got. Knows no packet."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.reasons import Reason

from ...engine.answers import Denied, Principal
from ..contract import Batch, WalletEvent
from ..cursor import Start
from ..session import Mark, Marker, Portion, Session
from .connection import Connection
from .events import CaughtUp, Ended, Event, Offered, Open, StartedElsewhere
from .limits import Limits
from .ports import TRANSPORT, Begin, Ports

MOST_IN_A_WRITE = 256


class Courier:
    """Of an open connection. `handle` takes events for its state machine, `begin` owns the tasks that it is given,
    `writable` is set while the client takes bytes. `floor` is where the session started at the earliest."""

    def __init__(
        self,
        order: Open,
        start: Start,
        floor: int,
        connection: Connection,
        limits: Limits,
        ports: Ports,
        handle: Callable[[Event], None],
        begin: Begin,
        transport: asyncio.Transport | None,
        writable: asyncio.Event,
    ) -> None:
        self.floor = floor
        self._order = order
        self._start = start
        self._connection = connection
        self._limits = limits
        self._ports = ports
        self._handle = handle
        self._begin = begin
        self._transport = transport
        self._writable = writable
        self._session: Session | None = None
        self._delivering = False
        self._moved: asyncio.Event | None = None

    def renew(self, principal: Principal) -> None:
        """The connection rests on this log-in from now on."""
        self._order = replace(self._order, principal=principal)
        if self._session is not None:
            self._session.principal = principal

    def listen(self, topics: frozenset[Topic] | None, *, tells_live: bool = False) -> None:
        """Bring messages of these topics from now on, None is all; the first time from the start on. With `tells_live`
        say again when all that there is was brought."""
        if self._transport is None:
            return  # the client went while it was let in
        session = self._session
        if session is None:
            session = Session(self._ports.inboxes, self._order.principal, self._start, limits=self._ports.sessions)
            session.device = self._order.client_id
            try:
                self._ports.consumers.come(session, TRANSPORT)
            except Denied as denied:
                self._handle(Ended(denied.reason, denied.detail))
                return
            self._session = session.__enter__()
            self.floor = max(self.floor, session.position)
            session.write_through(self._write_now, self._deliver)
            self._deliver()
        session.choose(topics)
        if tells_live:
            session.tell_live()

    def moved(self) -> None:
        """Something happened, so that the client may have room again."""
        if self._moved is not None:
            self._moved.set()

    def close(self) -> None:
        """The connection has gone."""
        self._transport = None
        if self._session is not None:
            self._session.__exit__(None, None, None)
            self._ports.consumers.go(self._session)

    def _write_now(self, batch: Batch) -> bool:
        """Give the client all of a batch here and now, or by `batch.flush`, where it has room for it and nothing is in
        the way."""
        transport = self._transport
        if transport is None or not self._writable.is_set():
            return False
        now_ms = self._ports.now_ms()
        data = self._connection.write_run(batch, now_ms)
        if data is not None:
            batch.writes.append((transport.write, data))
            return True
        if not self._connection.takes_all(batch, now_ms):
            return False
        self._handle(Offered(batch.messages, is_counted=True))
        return True

    def _deliver(self) -> None:
        """The session has something that is not written at once: it is behind, or the client is."""
        if not self._delivering:
            self._delivering = True
            self._begin(self._hand_over())

    async def _hand_over(self) -> None:
        session = self._session
        assert session is not None  # it wants to deliver
        try:
            while (portion := await session.next()) is not None:
                await self._offer(portion)
        except Denied as denied:
            self._handle(Ended(denied.reason, denied.detail))
        finally:
            self._delivering = False

    async def _offer(self, batch: Portion) -> None:
        """Each write as large as the client's window has room; waits for PUBACKs as long as it takes."""
        if isinstance(batch, WalletEvent):
            return
        if isinstance(batch, Marker):
            if batch.mark is Mark.GAP:
                self._handle(StartedElsewhere(batch.detail))
            elif batch.mark is Mark.LIVE:
                self._handle(CaughtUp(batch.commit_no))
            elif batch.mark is Mark.ENDED:
                raise Denied(Reason(batch.reason), batch.detail)
            return
        at = 0
        while at < len(batch):
            while (room := min(self._connection.room, MOST_IN_A_WRITE)) <= 0:
                self._moved = asyncio.Event()
                await self._moved.wait()
            self._moved = None
            await self._written()
            self._handle(Offered(batch[at : at + room]))
            at += room
            await self._written()

    async def _written(self) -> None:
        if self._writable.is_set():
            return
        try:
            async with asyncio.timeout(self._limits.write_timeout_s):
                await self._writable.wait()
        except TimeoutError:
            raise Denied(Reason.SLOW_CONSUMER, "the client takes no bytes") from None
