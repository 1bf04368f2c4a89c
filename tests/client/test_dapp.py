import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from pushmesh_client import BadAnswer, Dapp, Draft, Node, RecipientStatus, SlotBook, Subscriber
from pushmesh_client.author import unix_ms
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.errors import AccountError, Refusal
from pushmesh_protocol.kinds import Setting
from pushmesh_protocol.kinds.retraction import CANCEL
from support.wallets import a_wallet

OWNER, READER = a_wallet(), a_wallet(2)


async def test_a_dapp_publishes_in_ten_lines(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    assert (await dapp.create_topic("prices", "Prices")).ok
    outcome = await dapp.publish("prices", title="ETH", body="up")
    assert outcome.ok
    assert (await node.topic(dapp.topic("prices")))["topic"]["fields"]["title"] == "Prices"


async def test_a_topic_says_what_it_was_told_in_the_order_that_the_rules_want(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    settings = [Setting("percent", 1, "From", 5, 1, 50), Setting("daily", 0, "Daily", 0, 0, 1)]
    created = await dapp.create_topic("prices", "Prices", categories={"b": "B", "a": "A"}, settings=settings)
    assert created.ok
    fields = (await node.topic(dapp.topic("prices")))["topic"]["fields"]
    assert [category[0] if isinstance(category, list) else category["slug"] for category in fields["categories"]] == [
        "a",
        "b",
    ]


async def test_more_than_a_thousand_notifications_take_several_signatures(node: Node) -> None:
    drafts = [Draft(title=f"{index}") for index in range(1030)]
    published = await Dapp(node, OWNER, SlotBook()).publish_batch("prices", drafts)
    assert sum(each.ok for each in published) == 1030
    assert len({each.envelope.auth for each in published}) == 2


async def test_a_notification_is_taken_back_or_replaced(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    first, second = [await dapp.publish("prices", title=title) for title in ("wrong", "right")]
    assert (await dapp.replace(first, second)).ok
    assert (await dapp.retract(second)).ok
    assert await dapp.resume() == []


async def test_a_notification_for_later_is_cancelled_and_never_comes(node: Node) -> None:
    dapp, reader = Dapp(node, OWNER, SlotBook()), Subscriber(node, READER, SlotBook())
    await reader.subscribe(dapp.topic("prices"))
    later = await dapp.publish("prices", title="later", not_before_ms=unix_ms() + 1_500)
    cancelled = await dapp.cancel(later)
    assert cancelled.ok and cancelled.envelope.body.mode == CANCEL  # type: ignore[union-attr]  # a retraction
    answer = await reader.explain(later.id, later.envelope.body.issued_at)
    assert (answer["verdict"], answer["reason"]) == ("drop", "cancelled")


async def test_more_recipients_than_a_call_takes_and_content_for_everybody_are_refused(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    crowd = [b"\x00" + number.to_bytes(20, "big") for number in range(10_001)]
    with pytest.raises(Refusal, match="10001 recipients"):
        await dapp.publish_thread("prices", title="many", to=crowd)
    with pytest.raises(Refusal, match="named"):
        await dapp.publish("prices", title="secret", seal=True)
    with pytest.raises(Refusal, match="named"):
        await dapp.publish_thread("prices", title="secret", seal=True)


async def test_a_thread_to_all_subscribers_is_one_notification(node: Node) -> None:
    thread = await Dapp(node, OWNER, SlotBook()).publish_thread("prices", title="all", thread=b"t" * 16)
    (part,) = thread.parts
    assert thread.ok and part.recipients is None and thread.id == b"t" * 16


async def test_what_became_of_a_part_that_got_no_answer_stands_in_the_thread(node: Node) -> None:
    await node.network()
    dapp = Dapp(node, OWNER, SlotBook())
    dapp.author._patience_s = 0.0
    node.url = URL("http://127.0.0.1:1")
    thread = await dapp.publish_thread("prices", title="lost", to=[READER.account])
    (part,) = thread.parts
    assert not thread.ok and part.published is None
    assert part.error is not None and part.error.reason == "unreachable"
    status = await dapp.thread_status(thread)
    assert status.recipients == {READER.account: RecipientStatus("refused", "unreachable")}


async def test_a_node_whose_pages_of_a_status_never_end_is_left(node: Node) -> None:
    dapp = Dapp(node, OWNER, SlotBook())
    thread = await dapp.publish_thread("prices", title="one", to=[READER.account])
    assert thread.ok
    page: dict[str, object] = {level: {"wallets": 1} for level in ("delivered", "acknowledged")}
    page |= {"recipients": [{"account": READER.display, "level": "delivered", "at": 1}], "next": READER.display}
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        assert len(asked) < 50, "asked for ever"
        return web.json_response({"node_id": "00" * 32} if request.path == "/v1/challenge" else page)

    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", answer)
    async with TestServer(app) as hostile:
        node.url = URL(str(hostile.make_url("/")))
        with pytest.raises(BadAnswer, match="misbehaves"):
            await dapp.thread_status(thread)
    assert len([path for path in asked if path.endswith("/status")]) == 2


def test_a_topic_is_named_by_its_name_or_in_full() -> None:
    dapp = Dapp(Node("http://127.0.0.1:1"), OWNER, SlotBook())
    assert dapp.topic("prices") == dapp.topic(f"{OWNER.display}/prices") == Topic(OWNER.account, "prices")
    with pytest.raises(AccountError):
        dapp.topic("Not A Topic")
