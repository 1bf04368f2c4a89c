"""A dapp: owns topics and publishes to them. What it says is signed here and checked by every node."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.kinds import Category, Kind, Setting, TopicDetails
from pushmesh_protocol.kinds.retraction import REPLACED_BY, RETRACT
from pushmesh_protocol.levels import reaches
from pushmesh_protocol.limits import DAY_MS

from .author import Author, Published, Signer
from .book import SlotBook
from .compose import Draft, notification_of
from .node import Node
from .receipts import Wait
from .wallet import Wallet

TOPIC_LIFE_MS = 400 * DAY_MS


class Dapp:
    """Publishes with the wallet that owns the topics, or with a session key that the owner's grant names."""

    def __init__(self, node: Node, wallet: Wallet, slots: SlotBook, *, signer: Signer | None = None) -> None:
        """`slots` is the wallet's one slot book: keep its file as long as the wallet."""
        self.wallet = wallet
        self.author = Author(node, signer or Signer(wallet.key, wallet.account), slots)

    def topic(self, name: str) -> Topic:
        """See `Wallet.topic`."""
        return self.wallet.topic(name)

    async def create_topic(
        self,
        name: str,
        title: str,
        *,
        description: str | None = None,
        icon: bytes | None = None,
        categories: Mapping[str, str] | None = None,
        settings: Sequence[Setting] | None = None,
        life_ms: int = TOPIC_LIFE_MS,
    ) -> Published:
        """Create or renew a topic; `categories` are slug to title. Raises Refusal where a text breaks a rule."""
        topic = self.topic(name)
        listed = [Category(slug, categories[slug]) for slug in sorted(categories)] if categories else None
        ordered = sorted(settings, key=lambda setting: setting.slug) if settings else None

        def fill(issued_at: int, seq: int) -> TopicDetails:
            expires_at = issued_at + life_ms
            return TopicDetails(issued_at, seq, expires_at, topic, title, description or None, icon, listed, ordered)

        return await self.author.publish(Kind.TOPIC, fill)

    async def publish(
        self, topic: Topic | str, draft: Draft | None = None, *, wait: Wait | None = None, **members: Any
    ) -> Published:
        """Publish one notification: a Draft, or its members by name (`title=..., body=..., to=[...]`).

        With `wait` the outcome says how far it got in that time. To hear of `delivered` and `acknowledged`, then or
        later, the notification names its node as the origin: that is done for such a wait."""
        chosen = self._chosen(topic)
        (said,) = await self._with_origin([draft if draft is not None else Draft(**members)], wait)
        return await self.author.publish(
            Kind.NOTIFICATION, lambda at, seq: notification_of(said, chosen, at, seq), wait
        )

    async def status(self, credential: str, published: Published, **page: Any) -> dict[str, Any]:
        """What became of a notification, for its author: see `Node.notification_status`."""
        at = published.envelope.body.issued_at
        return await self.author.node.notification_status(credential, published.id, at, **page)

    async def _with_origin(self, drafts: Sequence[Draft], wait: Wait | None) -> Sequence[Draft]:
        if wait is None or not reaches(wait.level, "delivered"):
            return drafts
        node_id = await self.author.node.node_id()
        return [draft if draft.origin is not None else replace(draft, origin=node_id) for draft in drafts]

    async def publish_batch(
        self, topic: Topic | str, drafts: Sequence[Draft], *, wait: Wait | None = None
    ) -> list[Published]:
        """Publish individual notifications under as few signatures as possible: one for each 1,024 of them. In the
        drafts' order; `wait` as for `publish`."""
        chosen = self._chosen(topic)
        drafts = await self._with_origin(drafts, wait)
        step = (await self.author.node.network()).limits.batch_count
        published: list[Published] = []
        for first in range(0, len(drafts), step):
            published += await self.author.publish_batch(chosen, drafts[first : first + step], wait)
        return published

    async def check_leaf(self, topic: Topic | str, draft: Draft) -> None:
        """Raise Refusal where a draft can be no part of a batch: of many, one that is wrong is better found first."""
        await self.author.check_leaf(self._chosen(topic), draft)

    async def retract(self, published: Published) -> Published:
        """Take a notification back."""
        body = published.envelope.body
        assert body.topic is not None  # a notification's body says so
        return await self.author.retract(body.topic, published.id, RETRACT, body.expires_at)

    async def replace(self, published: Published, by: Published) -> Published:
        """Say that another notification took its place."""
        body = published.envelope.body
        assert body.topic is not None  # a notification's body says so
        return await self.author.retract(body.topic, published.id, REPLACED_BY, body.expires_at, by.id)

    async def resume(self) -> list[Published]:
        """Send again what an earlier run of this dapp got no answer for."""
        return await self.author.resume()

    def _chosen(self, topic: Topic | str) -> Topic:
        return self.topic(topic) if isinstance(topic, str) else topic
