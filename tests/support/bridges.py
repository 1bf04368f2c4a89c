"""A bridge over in-memory inboxes, for tests that give it a broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from pushmesh_node.delivery.bridge import Bridge
from pushmesh_node.delivery.bridge_settings import BridgeSettings
from pushmesh_node.delivery.messages import MessageForms
from pushmesh_protocol.accounts import display_account
from support.fake_inboxes import WALLET, FakeInboxes
from support.mqtt_world import NODE_ID, now_ms as fresh_now_ms

INBOX = f"pushmesh/{display_account(WALLET)}/inbox"
DEVICE = (WALLET, "bridge:home")


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


def a_bridge(
    port: int, inboxes: FakeInboxes, kept: Kept, now_ms: Callable[[], int] = fresh_now_ms, **changes: Any
) -> Bridge:
    forms = MessageForms(inboxes.incarnation())
    settings = some_settings(port, **changes)
    return Bridge(settings, inboxes, inboxes, node_id=NODE_ID, forms=forms, now_ms=now_ms, observe=kept.observe)


@asynccontextmanager
async def bridging(bridge: Bridge) -> AsyncIterator[None]:
    task = asyncio.create_task(bridge.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
