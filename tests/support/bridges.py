"""A bridge over in-memory inboxes, for tests that give it a broker."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from pushmesh_node.admission import Ticket
from pushmesh_node.delivery.bridge import Bridge
from pushmesh_node.delivery.bridge_intake import WayIn
from pushmesh_node.delivery.bridge_settings import BridgeSettings
from pushmesh_node.delivery.messages import MessageForms
from pushmesh_node.engine.answers import Acknowledged, Denied, Level, Outcome, Wait
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.reasons import Reason
from support.doors import a_door
from support.fake_inboxes import WALLET, FakeInboxes
from support.mqtt_world import NODE_ID, now_ms as fresh_now_ms

INBOX = f"pushmesh/{display_account(WALLET)}/inbox"
DEVICE = (WALLET, "bridge:home")
FRAME_BYTES = 4_096
DURABLE = Wait()


class Kept:
    """What a bridge observed."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def observe(self, what: str, reason: str) -> None:
        self.seen.append((what, str(reason)))


def some_settings(port: int = 1883, **changes: Any) -> BridgeSettings:
    values: dict[str, Any] = {
        "name": "home",
        "host": "127.0.0.1",
        "port": port,
        "tls": None,
        "username": None,
        "password": None,
        "topic_prefix": "pushmesh",
        "accounts": (WALLET,),
        "topics": (),
        "max_in_flight": 16,
        "reconnect_max_s": 30.0,
    }
    return BridgeSettings(**(values | changes))


class FakeWayIn:
    """Takes every frame, or denies what it is told to; the answer names the frame's length."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.denials: list[Denied] = []
        self.refusals: list[Reason] = []
        """Of the envelopes of the next frames."""
        self.pause = asyncio.Event()
        self.pause.set()
        self.most_at_a_time = 0
        self._at_work = 0

    async def publish(
        self, frame: bytes, wait: Wait = DURABLE, tickets: Sequence[Ticket] = ()
    ) -> Sequence[Acknowledged]:
        assert [ticket.units for ticket in tickets] != [0], "let in by the door"
        self._at_work += 1
        self.most_at_a_time = max(self.most_at_a_time, self._at_work)
        try:
            await self.pause.wait()
            if self.denials:
                raise self.denials.pop(0)
            if self.refusals:
                return [Acknowledged(Outcome(None, Level.REFUSED, self.refusals.pop(0), "", "no", None), None, ())]
            self.frames.append(frame)
        finally:
            self._at_work -= 1
        outcome = Outcome(None, Level.DURABLE, Reason.OK, "", f"{len(frame)} bytes", len(self.frames))
        return [Acknowledged(outcome, b"receipt", ())]


def a_bridge(
    port: int,
    inboxes: FakeInboxes,
    kept: Kept,
    now_ms: Callable[[], int] = fresh_now_ms,
    way_in: FakeWayIn | None = None,
    **changes: Any,
) -> Bridge:
    return Bridge(
        some_settings(port, **changes),
        inboxes,
        inboxes,
        node_id=NODE_ID,
        forms=MessageForms(inboxes.incarnation()),
        now_ms=now_ms,
        observe=kept.observe,
        way_in=WayIn(way_in or FakeWayIn(), a_door(), FRAME_BYTES),
    )


@asynccontextmanager
async def bridging(bridge: Bridge) -> AsyncIterator[None]:
    task = asyncio.create_task(bridge.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
