"""A message for later: it travels at once, no inbox shows it before its time, and no kill loses it."""

import asyncio
import time
from pathlib import Path

import pytest

from pushmesh_client import Dapp, Draft, SlotBook, Subscriber
from support.processes import ARRIVAL_S, a_plan, eventually, running
from support.wallets import a_wallet

pytestmark = pytest.mark.integration

AHEAD_MS = 6_000


async def test_a_message_for_later_survives_kills_and_comes_once_at_every_node(tmp_path: Path) -> None:
    first = a_plan(tmp_path, "a", mesh=True)
    second = a_plan(tmp_path, "b", peers=[first])
    async with running(first, second) as (a, b):
        dapp, reader = Dapp(a.client, a_wallet(1), SlotBook()), Subscriber(b.client, a_wallet(2), SlotBook())
        assert (await dapp.create_topic("bills", "Bills")).ok
        await reader.grant()
        assert (await reader.subscribe(dapp.topic("bills"))).ok
        due_ms = time.time_ns() // 1_000_000 + AHEAD_MS
        later = await dapp.publish("bills", Draft(title="later", not_before_ms=due_ms))
        cancelled = await dapp.publish("bills", Draft(title="never", not_before_ms=due_ms))
        now = await dapp.publish("bills", Draft(title="now"))
        assert later.ok and cancelled.ok and now.ok and (await dapp.retract(cancelled)).ok

        async def travelled() -> bool:
            return bool((await b.client.status())["last_commit"] >= 7)

        await eventually(travelled, "the scheduled message at b")
        await b.kill()
        await b.up()
        async with await reader.listen("ws", cursor="0") as inbox:
            titles: list[str | None] = []

            async def read() -> None:
                async for message in inbox:
                    if message.envelope.id in (later.id, cancelled.id, now.id):
                        titles.append(getattr(message.envelope.body, "title", None))
                        came_ms = time.time_ns() // 1_000_000
                        assert message.envelope.id != later.id or came_ms >= due_ms

            reading = asyncio.create_task(read())
            async with asyncio.timeout(ARRIVAL_S):
                while "later" not in titles and not reading.done():  # noqa: ASYNC110  # another process has no event
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1.5)
            reading.cancel()
            ended = (await asyncio.gather(reading, return_exceptions=True))[0]
        assert isinstance(ended, asyncio.CancelledError), ended
        assert titles == ["now", "later"]
        assert a.faults() == [] and b.faults() == []
