import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pushmesh_client import BadAnswer, Dapp, Node, Refused, SlotBook, Subscriber, Unreachable
from pushmesh_client.transports import Delivery, Live
from pushmesh_client.transports.contract import Request
from pushmesh_client.transports.sse import SseTransport
from support.wallets import a_wallet

OWNER, READER = a_wallet(1), a_wallet(2)


def a_transport(node: Node) -> SseTransport:
    return SseTransport(node, Subscriber(node, READER, SlotBook()).credential)


async def test_it_gives_what_is_there_then_live_and_an_acknowledgement_moves_the_device(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    await Subscriber(node, READER, SlotBook()).subscribe(dapp.topic("prices"))
    await dapp.publish("prices", title="one")
    for expected in (Delivery, Live):
        transport = a_transport(node)
        await transport.open(Request("phone", None, None))
        events = transport.events()
        first = await anext(events)
        assert isinstance(first, expected)
        assert first.cursor is not None
        await transport.acknowledge(first.cursor, None)
        await events.aclose()
        await transport.close()
        await transport.close()


async def test_a_bad_log_in_a_bad_cursor_and_nobody_are_told_apart(node: Node) -> None:
    async def nonsense() -> str:
        return "nonsense"

    transport = SseTransport(node, nonsense)
    with pytest.raises(Refused, match="login-required"):
        await transport.open(Request("phone", None, None))
    await transport.close()
    transport = a_transport(node)
    with pytest.raises(Refused, match="bad-cursor"):
        await transport.open(Request("phone", "yesterday", None))
    await transport.close()
    async with Node("http://127.0.0.1:1") as nobody:
        transport = SseTransport(nobody, Subscriber(node, READER, SlotBook()).credential)
        with pytest.raises(Unreachable):
            await transport.open(Request("phone", None, None))
        await transport.close()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"event: message\ndata: {}\n\n", BadAnswer),
        (b"event: message\ndata: nonsense\n\n", BadAnswer),
        (b"data: \xff\n\n", BadAnswer),
        (b": comment\n\nevent: li", Unreachable),
        (b"data: %b\n" % (b"x" * 65_000) * 70, BadAnswer),
    ],
)
async def test_events_that_cannot_be_read_or_break_off_are_errors(text: bytes, error: type[Exception]) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=text, content_type="text/event-stream")

    async def login() -> str:
        return ""

    app = web.Application()
    app.router.add_get("/v1/events", answer)
    async with TestServer(app) as server, Node(str(server.make_url("/"))) as node:
        transport = SseTransport(node, login)
        await transport.open(Request("phone", None, None))
        with pytest.raises(error):
            await anext(transport.events())
        await transport.close()
