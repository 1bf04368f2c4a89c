from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pushmesh_client import BadAnswer, Dapp, Node, Refused, SlotBook, Subscriber
from pushmesh_client.wallet_calls import BridgeState, bridges, device_states, mark_read, turn_bridge, unread
from support.wallets import a_wallet

OWNER, READER = a_wallet(1), a_wallet(2)


async def test_what_a_wallet_read_is_kept_at_its_node(node: Node) -> None:
    reader, dapp = Subscriber(node, READER, SlotBook()), Dapp(node, OWNER, SlotBook())
    await reader.grant()
    await reader.subscribe(dapp.topic("prices"))
    for title in ("one", "two", "three"):
        await dapp.publish("prices", title=title)
    cursors = [message["cursor"] for message in (await reader.page())["messages"]]
    marked = await reader.mark_read(cursors[0], [cursors[2]], device="desk")
    assert (marked.device, marked.cursor, marked.messages) == ("desk", cursors[0], (cursors[2],))
    states = await reader.devices()
    assert (states.read.cursor, states.read.messages) == (cursors[0], (cursors[2],))
    assert marked.unread == states.read.unread == await reader.unread() == 1
    with pytest.raises(Refused, match="bad-cursor"):
        await reader.mark_read("yesterday")


async def test_a_node_without_bridges_lists_none_and_turns_none_on(node: Node) -> None:
    reader = Subscriber(node, READER, SlotBook())
    assert await reader.bridges() == []
    with pytest.raises(Refused, match="not-found"):
        await reader.turn_bridge("home", on=True)
    for name in ("", "../private", "a/b"):
        with pytest.raises(ValueError, match="not the name of a bridge"):
            await reader.turn_bridge(name, on=True)


@asynccontextmanager
async def a_node_that_says(answer: Any) -> AsyncIterator[tuple[Node, list[str]]]:
    asked: list[str] = []

    async def say(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        return web.json_response(answer)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", say)
    async with TestServer(app) as server, Node(str(server.make_url("/"))) as node:
        yield node, asked


async def test_a_bridge_is_turned_on_and_off_by_its_name() -> None:
    said = {"bridge": "home", "topic": "t", "until": 7}
    async with a_node_that_says(said) as (node, asked):
        assert await turn_bridge(node, "me", "home", on=True) == BridgeState("home", "t", 7)
        await turn_bridge(node, "me", "home", on=False)
    assert asked == ["PUT /v1/bridges/home", "DELETE /v1/bridges/home"]
    assert BridgeState("home", "t", 7).is_on and not BridgeState("home", "t", None).is_on


@pytest.mark.parametrize("answer", [{}, {"devices": 1}, {"devices": [{}], "read": {}, "unread": 1}, {"bridges": 1}])
async def test_answers_that_make_no_sense_are_the_nodes_fault(answer: Any) -> None:
    async with a_node_that_says(answer) as (node, _):
        for ask in (device_states, unread, bridges):
            if ask is unread and "unread" in answer:
                continue
            with pytest.raises(BadAnswer):
                await ask(node, "me")
        with pytest.raises(BadAnswer):
            await mark_read(node, "me", None, [])
        with pytest.raises(BadAnswer):
            await turn_bridge(node, "me", "home", on=True)
