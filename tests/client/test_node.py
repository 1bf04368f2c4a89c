import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pushmesh_client.author import unix_ms
from pushmesh_client.errors import BadAnswer, Refused, TimedOut, Unreachable
from pushmesh_client.node import Node
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.frames import Part, encode_frame
from support.wallets import a_signed_note, a_wallet


@asynccontextmanager
async def a_server_that_says(status: int, body: bytes, delay_s: float = 0) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(delay_s)
        return web.Response(status=status, body=body, headers={"Retry-After": "7"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_the_network_comes_from_the_node_and_can_be_pinned(node: Node) -> None:
    network = await node.network()
    assert network.name == "devnet"
    async with Node(str(node.url), network_id=network.id) as same:
        assert (await same.network()).id == network.id
    async with Node(str(node.url), network_id=b"\x01" * 32) as other:
        with pytest.raises(BadAnswer, match="not the network"):
            await other.network()


async def test_a_frame_is_answered_envelope_by_envelope_and_may_be_given_again(node: Node) -> None:
    network = await node.network()
    now_ms = unix_ms()
    good = a_signed_note(network, a_wallet(), now_ms, 1)
    old = a_signed_note(network, a_wallet(), now_ms - 3 * network.epoch_length_ms, 2)
    frame = encode_frame([Part((good,)), Part((old,))])
    first = await node.publish_frame(frame)
    assert [(outcome.level, outcome.reason) for outcome in first] == [("durable", "ok"), ("refused", "too-old")]
    again = await node.publish_frame(frame)
    assert (again[0].ok, again[0].id, again[0].commit_no) == (True, good.id, first[0].commit_no)


async def test_a_frame_that_cannot_be_read_is_refused_with_the_rule(node: Node) -> None:
    (outcome,) = await node.publish_frame(b"\xc1nonsense")
    assert (outcome.level, outcome.reason, outcome.rule) == ("refused", "malformed", "3.1")


async def test_free_slots_lie_where_they_were_asked_for(node: Node) -> None:
    network = await node.network()
    await node.publish_frame(encode_frame([Part((a_signed_note(network, a_wallet(), unix_ms(), 50),))]))
    assert sorted(await node.free_slots(a_wallet().account, 49, 52, 3)) == [49, 51]


async def test_look_ups_that_find_nothing_and_doors_that_are_shut_say_why(node: Node) -> None:
    with pytest.raises(Refused) as nothing:
        await node.topic(Topic(a_wallet().account, "absent"))
    assert (nothing.value.reason, nothing.value.status) == ("not-found", 404)
    with pytest.raises(Refused) as shut:
        await node.inbox("no credential")
    assert (shut.value.reason, shut.value.status) == ("login-required", 401)
    assert await node.ready()
    assert (await node.points())["count"] == 0
    assert (await node.grants(a_wallet().account))["grants"] == []
    assert (await node.subscriptions(a_wallet().account))["subscriptions"] == []


async def test_nobody_there_a_silent_one_and_a_stranger_are_three_different_errors() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        async with Node(f"http://127.0.0.1:{reserved.getsockname()[1]}") as nobody:
            with pytest.raises(Unreachable):
                await nobody.status()
    async with a_server_that_says(200, b"{}", delay_s=5) as url, Node(url, timeout_s=0.2) as silent:
        with pytest.raises(TimedOut):
            await silent.status()
    for body in (b"<html>", b"[]"):
        async with a_server_that_says(200, body) as url, Node(url) as stranger:
            with pytest.raises(BadAnswer):
                await stranger.status()
    async with a_server_that_says(200, b"{}") as url, Node(url) as empty:
        for ask in (empty.network, lambda: empty.publish_frame(b""), lambda: empty.give_voucher(b"", "x")):
            with pytest.raises(BadAnswer):
                await ask()


async def test_a_refusal_carries_reason_rule_and_when_to_come_back() -> None:
    body = b'{"reason":"queue-full","rule":"","detail":"later"}'
    async with a_server_that_says(503, body) as url, Node(url) as busy:
        with pytest.raises(Refused) as caught:
            await busy.publish_frame(b"")
        assert (caught.value.reason, caught.value.retry_after_s, caught.value.detail) == ("queue-full", 7.0, "later")


async def test_the_time_to_come_back_is_as_exact_as_the_node_says_it() -> None:
    body = b'{"reason":"rate-limited","rule":"","detail":"later","retry_after_s":0.125}'
    async with a_server_that_says(429, body) as url, Node(url) as busy:
        with pytest.raises(Refused) as caught:
            await busy.publish_frame(b"")
        assert (caught.value.reason, caught.value.retry_after_s) == ("rate-limited", 0.125)


@pytest.mark.parametrize("url", ["", "node.example", "ftp://node.example", "http://"])
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not the URL of a node|Invalid URL"):
        Node(url)
