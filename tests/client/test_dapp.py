import pytest

from pushmesh_client import Dapp, Draft, Node, SlotBook
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.errors import AccountError
from pushmesh_protocol.kinds import Setting
from support.wallets import a_wallet

OWNER = a_wallet()


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


def test_a_topic_is_named_by_its_name_or_in_full() -> None:
    dapp = Dapp(Node("http://127.0.0.1:1"), OWNER, SlotBook())
    assert dapp.topic("prices") == dapp.topic(f"{OWNER.display}/prices") == Topic(OWNER.account, "prices")
    with pytest.raises(AccountError):
        dapp.topic("Not A Topic")
