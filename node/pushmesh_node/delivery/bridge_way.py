"""The way of one inbox to a broker: as many messages at a time as there is room for, and the place that all of them
have reached."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied, Principal
from .bridge_client import BrokerClient
from .bridge_forms import properties_of
from .bridge_window import Flight, Window
from .contract import Inboxes, Message, WalletEvent
from .cursor import find_start
from .messages import MessageForms
from .session import Mark, Marker, Session

TRANSPORT: Final = "bridge"

Observe = Callable[[str, str], None]
"""`observe(what, reason)`: count; what is connection, publish, read or message, and reason of the closed list."""


@dataclass(frozen=True, slots=True)
class Source:
    """A stream of messages for the broker: whose principal reads it, and which topic each message gets."""

    inboxes: Inboxes
    principal: Principal
    topic_of: Callable[[Message], str]


class Way:
    """Of one source over one connection. `room` is shared by all of them; `progressed` is told when some arrived.

    What was confirmed in one turn of the loop counts together."""

    def __init__(
        self,
        client: BrokerClient,
        source: Source,
        device: str,
        room: asyncio.Semaphore,
        forms: MessageForms,
        now_ms: Callable[[], int],
        observe: Observe,
        progressed: Callable[[], None],
    ) -> None:
        self._client = client
        self._source = source
        self._device = device
        self._room = room
        self._forms = forms
        self._now_ms = now_ms
        self._observe = observe
        self._progressed = progressed
        self._window = Window()
        self._is_due = False

    async def run(self) -> None:
        """From the place that the broker has confirmed, for ever. Raises Denied where the inbox cannot be read, and
        MqttError where the connection is lost."""
        source = self._source
        start = await find_start(source.inboxes, source.principal, None, self._device)
        with Session(source.inboxes, source.principal, start) as session:
            async with aclosing(session.batches()) as batches:
                async for batch in batches:
                    if isinstance(batch, WalletEvent):
                        continue
                    if not isinstance(batch, Marker):
                        await self._send_all(batch)
                    elif batch.mark is Mark.ENDED:
                        raise Denied(Reason(batch.reason), batch.detail)

    async def _send_all(self, messages: Sequence[Message]) -> None:
        for message in messages:
            await self._room.acquire()
            self._send(message)

    def _send(self, message: Message) -> None:
        flight = self._window.add(message)
        life_s = (message.envelope.body.expires_at - self._now_ms()) // 1000
        if life_s <= 0:
            self._leave_out(flight, Reason.EXPIRED)
            return
        topic, payload = self._source.topic_of(message), self._forms.message(message)
        properties = properties_of(message, life_s)
        if self._client.takes(topic, payload, properties):
            self._client.send(topic, payload, properties, partial(self._over, flight))
        else:
            self._leave_out(flight, Reason.OVERSIZE)

    def _leave_out(self, flight: Flight, reason: Reason) -> None:
        self._observe("message", reason)
        flight.was_sent = False
        self._over(flight)

    def _over(self, flight: Flight) -> None:
        flight.is_over = True
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        self._is_due = False
        passed = self._window.advance()
        if not passed:
            return
        for _ in passed:
            self._room.release()
        source = self._source
        try:
            source.inboxes.reach(source.principal, self._device, passed[-1].message.commit_no)
        except Denied as denied:  # it has come this far, but that cannot be remembered now: it will be sent again
            self._client.fail(denied)
            return
        sent = [flight.message for flight in passed if flight.was_sent]
        if sent:
            source.inboxes.delivered(TRANSPORT, source.principal.account, sent)
            self._progressed()
