"""A wallet's own subscriptions as a stream: the whole set first, then each change, in the same words everywhere."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol

from pushmesh_protocol.accounts import Topic, display_topic
from pushmesh_protocol.display import envelope_json
from pushmesh_protocol.envelope import Envelope

from ..engine.answers import Principal

IN_A_WORD: Final = 256
"""Subscriptions of the set that one word carries."""


class Change(NamedTuple):
    """What is in force for a topic now; None where nothing is any more."""

    topic: Topic
    subscription: Envelope | None


class Following(Protocol):
    """What one stream was told of a wallet's subscriptions."""

    async def changes(self) -> Sequence[Change]:
        """Wait for what differs from what was told so far, by topic, the newest only. At first that is the whole set,
        at once and even where it is empty."""


class OwnSubscriptions(Protocol):
    """The subscriptions in force of each wallet, public and private ones; the composition root hands it in."""

    def follow(self, principal: Principal) -> AbstractContextManager[Following]:
        """Of this wallet, and no more topics than the principal may read."""


async def told(following: Following) -> AsyncGenerator[dict[str, Any], None]:
    """`{"type": "subscriptions", "subscriptions", "more"}` until the set was told, then for ever `{"type":
    "subscription", "topic", "subscription"}`."""
    for word in _whole(await following.changes()):
        yield word
    while True:
        for change in await following.changes():
            yield {"type": "subscription", "topic": display_topic(change.topic), "subscription": _json(change)}


def _whole(changes: Sequence[Change]) -> Iterator[dict[str, Any]]:
    for at in range(0, max(1, len(changes)), IN_A_WORD):
        part = [_json(change) for change in changes[at : at + IN_A_WORD]]
        yield {"type": "subscriptions", "subscriptions": part, "more": at + IN_A_WORD < len(changes)}


def _json(change: Change) -> dict[str, Any] | None:
    return None if change.subscription is None else envelope_json(change.subscription)
