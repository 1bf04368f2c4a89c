import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.app.reloading import Reloading
from pushmesh_node.storage import StoreFailed
from pushmesh_protocol.accounts import Topic
from support.app_world import a_node, a_subscription, publish, words
from support.until import until
from support.wallets import a_wallet

DAPP, READER = a_wallet(1), a_wallet(2)
TOPIC = Topic(DAPP.account, "alerts")


class World:
    """What a replay stands in: whether decisions pause, and what each replay meets."""

    def __init__(self, *meets: Exception | None) -> None:
        self.meets = list(meets)
        self.replays: list[bool] = []
        self.crashes: list[BaseException] = []
        self.is_paused = False
        self.go_on = asyncio.Event()
        self.reloading = Reloading(self.paused, self.replay, self.crashes.append, retry_s=0.0)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        self.is_paused = True
        yield
        self.is_paused = False

    async def replay(self) -> None:
        self.replays.append(self.is_paused)
        await self.go_on.wait()
        if self.meets and (error := self.meets.pop(0)) is not None:
            raise error


async def test_a_replay_runs_while_nothing_is_decided_and_ends() -> None:
    world = World()
    world.reloading.begin()
    assert world.reloading.under_way
    world.go_on.set()
    await until(lambda: not world.reloading.under_way)
    assert (world.replays, world.is_paused) == ([True], False)


async def test_who_asks_while_one_is_under_way_makes_it_start_over_once() -> None:
    world = World()
    world.reloading.begin()
    await until(lambda: world.replays)
    world.reloading.begin()
    world.reloading.begin()
    world.go_on.set()
    await until(lambda: not world.reloading.under_way)
    assert world.replays == [True, True]


async def test_a_store_that_fails_is_asked_again_and_another_error_is_a_crash() -> None:
    fault = ValueError("a fault of ours")
    world = World(StoreFailed("the disk sleeps"), fault)
    world.go_on.set()
    world.reloading.begin()
    await until(lambda: not world.reloading.under_way)
    assert (world.replays, world.crashes) == ([True, True], [fault])


async def test_closing_gives_up_what_is_under_way() -> None:
    world = World()
    await world.reloading.close()
    world.reloading.begin()
    await until(lambda: world.replays)
    await world.reloading.close()
    assert (world.reloading.under_way, world.crashes) == (False, [])


async def test_two_failures_make_one_reload_after_the_other_and_lose_nothing_between(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        node.reload()
        node.reload()
        publishing = asyncio.create_task(publish(node, a_subscription(READER, TOPIC)))
        await asyncio.sleep(0)
        node.reload()
        assert words(await publishing) == [("durable", "ok")]
        await until(lambda: not node.reloading.under_way)
        assert node.driver.engine.state.subscriptions.subscribers(TOPIC) == {READER.account}


async def test_a_store_that_cannot_be_read_delays_the_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_node(tmp_path) as node:
        await publish(node, a_subscription(READER, TOPIC))
        state, tries = node.store.state, []

        async def fails_once(after: int, limit: int) -> Any:
            tries.append(after)
            if len(tries) == 1:
                raise StoreFailed("the disk sleeps")
            return await state(after, limit)

        monkeypatch.setattr(node.store, "state", fails_once)
        node.reload()
        await until(lambda: not node.reloading.under_way)
        assert len(tries) >= 2
        assert node.driver.engine.state.subscriptions.subscribers(TOPIC) == {READER.account}
