import pytest

from pushmesh_client import Dapp, Node, Refused, SlotBook, Subscriber, Unreachable
from pushmesh_client.transports import Delivery, Live, VoucherAnswer, Welcome
from pushmesh_client.transports.contract import Request
from pushmesh_client.transports.websocket import WebSocketTransport
from support.wallets import a_wallet

OWNER, READER = a_wallet(1), a_wallet(2)


def a_transport(node: Node) -> WebSocketTransport:
    return WebSocketTransport(node, Subscriber(node, READER, SlotBook()).credential)


async def test_it_says_welcome_then_what_is_there_then_live(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    await Subscriber(node, READER, SlotBook()).subscribe(dapp.topic("prices"))
    await dapp.publish("prices", title="one")
    transport = a_transport(node)
    await transport.open(Request("phone", "0", None))
    events = transport.events()
    welcome, delivery, live = [await anext(events) for _ in range(3)]
    assert isinstance(welcome, Welcome)
    assert isinstance(delivery, Delivery)
    assert isinstance(live, Live)
    await transport.acknowledge(delivery.cursor, b"no voucher")
    answer = await anext(events)
    assert isinstance(answer, VoucherAnswer)
    assert (answer.accepted, answer.reason) == (False, "malformed")
    await events.aclose()
    await transport.close()
    await transport.close()
    with pytest.raises(Unreachable):
        await transport.acknowledge(delivery.cursor, None)


async def test_a_bad_log_in_and_a_bad_cursor_are_refused_with_their_reason(node: Node) -> None:
    async def nonsense() -> str:
        return "nonsense"

    with pytest.raises(Refused, match="login-required"):
        await WebSocketTransport(node, nonsense).open(Request("phone", None, None))
    transport = a_transport(node)
    await transport.open(Request("phone", "yesterday", None))
    with pytest.raises(Refused, match="bad-cursor"):
        async for event in transport.events():
            assert isinstance(event, Welcome)
    await transport.close()


async def test_one_topic_that_cannot_be_read_ends_nothing(node: Node) -> None:
    transport = a_transport(node)
    await transport.open(Request("phone", "0", ("nonsense",)))
    events = transport.events()
    assert [type(await anext(events)) for _ in range(2)] == [Welcome, Live]
    await events.aclose()
    await transport.close()


async def test_nobody_there_is_unreachable(node: Node) -> None:
    login = Subscriber(node, READER, SlotBook()).credential
    async with Node("http://127.0.0.1:1") as nobody:
        with pytest.raises(Unreachable):
            await WebSocketTransport(nobody, login).open(Request("phone", None, None))
