from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from pushmesh_node.delivery.following import IN_A_WORD, Change, told
from pushmesh_protocol.accounts import Topic, display_topic
from support.fake_inboxes import DAPP, a_notification

NEWS = Topic(DAPP, "news")


@dataclass
class Script:
    """Gives one after the other."""

    rounds: list[Sequence[Change]]

    async def changes(self) -> Sequence[Change]:
        return self.rounds.pop(0)


async def test_the_whole_set_is_told_in_parts_and_then_each_change() -> None:
    some = a_notification(1)  # any envelope: what it says is not looked at
    whole = [Change(Topic(DAPP, f"t{number}"), some) for number in range(IN_A_WORD + 1)]
    async with aclosing(told(Script([whole, [Change(NEWS, None), Change(NEWS, some)]]))) as words:
        said = [await anext(words) for _ in range(4)]
    assert [(word["type"], len(word["subscriptions"]), word["more"]) for word in said[:2]] == [
        ("subscriptions", IN_A_WORD, True),
        ("subscriptions", 1, False),
    ]
    assert said[2] == {"type": "subscription", "topic": display_topic(NEWS), "subscription": None}
    assert said[3]["subscription"]["id"] == some.id.hex()


async def test_an_empty_set_is_told_too() -> None:
    async with aclosing(told(Script([[]]))) as words:
        assert await anext(words) == {"type": "subscriptions", "subscriptions": [], "more": False}
