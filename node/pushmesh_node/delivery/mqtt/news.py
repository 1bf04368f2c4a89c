"""What a client hears of its wallet beside messages: its other devices, and its own subscriptions. Under QoS 0, for all
of it can be asked for again; a client that takes no bytes misses it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from ...engine.answers import Principal
from ..contract import Batch, Inboxes, WalletEvent
from ..following import OwnSubscriptions, told
from .ports import Begin
from .subscriptions import DEVICES, SUBSCRIPTIONS

Tell = Callable[[str, bytes], None]
"""`tell(topic, payload)`."""

_encode = msgspec.json.Encoder().encode


class News:
    """Of one connection, and a Listener that takes no messages. `begin` owns the task that it is given; `writable` is
    awaited between words."""

    transport = "mqtt"

    def __init__(
        self,
        principal: Principal,
        device: str,
        inboxes: Inboxes,
        subscriptions: OwnSubscriptions,
        tell: Tell,
        begin: Begin,
        writable: asyncio.Event,
    ) -> None:
        self.principal = principal
        self.device: str | None = device
        self._inboxes = inboxes
        self._subscriptions = subscriptions
        self._tell = tell
        self._begin = begin
        self._writable = writable
        self._listens = False
        self._following: asyncio.Task[None] | None = None

    def follow(self, topics: frozenset[str]) -> None:
        """Tell of these from now on, and of no other."""
        if (DEVICES in topics) != self._listens:
            self._listens = not self._listens
            if self._listens:
                self._inboxes.listen(self)
            else:
                self._inboxes.forget(self)
        if SUBSCRIPTIONS not in topics:
            self._stop_following()
        elif self._following is None or self._following.done():
            self._following = self._begin(self._follow())

    def close(self) -> None:
        """Tell no more. Idempotent."""
        self.follow(frozenset())

    def offer(self, batch: Batch) -> bool:
        """Messages have their own way."""
        return False

    def told(self, event: WalletEvent) -> None:
        """News of another device."""
        self._say(DEVICES, {"type": event.kind, **event.form})

    def end(self, reason: str, detail: str) -> None:
        """Whoever owns the connection is told too."""

    def _say(self, topic: str, form: Mapping[str, Any]) -> None:
        if self._writable.is_set():
            self._tell(topic, _encode(form))

    async def _follow(self) -> None:
        with self._subscriptions.follow(self.principal) as following:
            async with aclosing(told(following)) as forms:
                async for form in forms:
                    await self._writable.wait()
                    self._say(SUBSCRIPTIONS, form)

    def _stop_following(self) -> None:
        if self._following is not None:
            self._following.cancel()
            self._following = None
