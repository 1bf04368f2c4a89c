"""What a dapp asks for comes out alike at every node: heard live at one, read from the store at another."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pushmesh_client import Dapp, Draft, Published, SlotBook, Subscriber
from pushmesh_protocol.kinds import Notification
from support.processes import Running, a_plan, eventually, running
from support.wallets import a_wallet

pytestmark = pytest.mark.integration

AHEAD_MS = 4_000


async def read_all(reader: Subscriber) -> set[tuple[str, str, str]]:
    """The wallet's whole inbox at the node of this subscriber: (title or retraction, verdict, reason)."""
    page = await reader.page(after="0", limit=200)
    assert not page["more"]
    return {
        (each["envelope"]["fields"].get("title") or each["envelope"]["kind"], each["verdict"], each["reason"])
        for each in page["messages"]
    }


async def known_at(node: Running, reader: Subscriber) -> None:
    async def known() -> bool:
        return len((await node.client.subscriptions(reader.wallet.account))["subscriptions"]) == 1

    await eventually(known, f"the subscription at {node.plan.name}")


async def publish_all(dapp: Dapp, due_ms: int) -> dict[str, Published]:
    """One after the other, each by its title."""
    drafts: list[dict[str, Any]] = [
        {"title": "held: below the minimum", "priority": 1},
        {"title": "silent", "priority": 2},
        {"title": "held: category off", "category": "sales"},
        {"title": "urgent sale", "category": "sales", "priority": 5},
        {"title": "price 1", "collapse": "price"},
        {"title": "price 2", "collapse": "price"},
        {"title": "outdated"},
        {"title": "corrected"},
        {"title": "taken back"},
        {"title": "cancelled", "not_before_ms": due_ms},
        {"title": "later", "not_before_ms": due_ms},
    ]
    sent = {each["title"]: await dapp.publish("shop", Draft(**each)) for each in drafts}
    assert all(each.ok for each in sent.values())
    assert (await dapp.replace(sent["outdated"], by=sent["corrected"])).ok
    assert (await dapp.retract(sent["taken back"])).ok
    assert (await dapp.cancel(sent["cancelled"])).ok
    return sent


async def test_what_a_dapp_asks_for_comes_out_alike_live_and_stored_at_every_node(tmp_path: Path) -> None:
    first = a_plan(tmp_path, "a", mesh=True)
    second = a_plan(tmp_path, "b", peers=[first])
    third = a_plan(tmp_path, "c", peers=[second])
    async with running(first, second, third) as (a, b, c):
        dapp = Dapp(a.client, a_wallet(1), SlotBook())
        assert (await dapp.create_topic("shop", "Shop", categories={"sales": "Sales"})).ok
        here, there = (Subscriber(node.client, a_wallet(2), SlotBook()) for node in (b, c))
        await here.grant()
        settings = {"cat-sales": 0, "min-priority": 2}
        assert (await here.subscribe(dapp.topic("shop"), settings=settings)).ok
        for node in (a, c):
            await known_at(node, here)
        due_ms = time.time_ns() // 1_000_000 + AHEAD_MS
        async with AsyncExitStack() as stack:
            inbox = await stack.enter_async_context(await here.listen("ws", cursor="0"))
            heard: list[Any] = []

            async def listen() -> None:
                async for message in inbox:
                    heard.append(message)

            listening = asyncio.create_task(listen())
            await publish_all(dapp, due_ms)
            expected = {
                ("silent", "silent", "low-priority"),
                ("urgent sale", "now", "subscribed"),
                ("price 2", "now", "subscribed"),
                ("corrected", "now", "subscribed"),
                ("later", "now", "subscribed"),
                ("retraction", "now", "subscribed"),
            }
            for reader, node in ((here, b), (there, c)):

                async def is_there(reader: Subscriber = reader) -> bool:
                    return await read_all(reader) == expected

                await eventually(is_there, f"the whole inbox at {node.plan.name}")
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        titles = [note.title for each in heard if isinstance(note := each.envelope.body, Notification)]
        assert len(titles) == len(set(titles)), "each once"
        assert not {"held: below the minimum", "held: category off", "cancelled"} & set(titles)
        assert {title for title, _, _ in expected} - {"retraction"} <= set(titles)
        assert set(titles) - {title for title, _, _ in expected} <= {"price 1", "outdated", "taken back"}
        assert a.faults() == b.faults() == c.faults() == []
