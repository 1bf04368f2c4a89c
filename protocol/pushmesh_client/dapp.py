"""A dapp: owns topics and publishes to them. What it says is signed here and checked by every node."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Action, Category, Kind, Setting, TopicDetails
from pushmesh_protocol.kinds.retraction import CANCEL, REPLACED_BY, RETRACT
from pushmesh_protocol.levels import reaches
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.sealed import Content, ciphertext_bytes, content_of
from pushmesh_protocol.types import Account

from .audience import Recipient, check_number, divide, room_for
from .author import Author, Published, Signer, unix_ms
from .book import SlotBook
from .compose import SEQ_PLACEHOLDER, Draft, audience_of, notification_of
from .credentials import Credentials
from .errors import ClientError, NoSealKey
from .node import Node
from .paging import MOST_PAGES, follow
from .receipts import Wait
from .seal_keys import SealKeys
from .sealing import MAX_BOXES, Sealing, seal_to
from .threads import StatusPage, Thread, ThreadPart, ThreadStatus, read_page, status_of
from .wallet import Wallet

PARTS_AT_ONCE = 4
STATUS_PAGE = 1_000
TOPIC_LIFE_MS = 400 * DAY_MS


class Dapp:
    """Publishes with the wallet that owns the topics, or with a session key that the owner's grant names."""

    def __init__(
        self,
        node: Node,
        wallet: Wallet,
        slots: SlotBook,
        *,
        signer: Signer | None = None,
        witnesses: Sequence[Node] = (),
        now_ms: Callable[[], int] = unix_ms,
    ) -> None:
        """`slots` is the wallet's one slot book: keep its file as long as the wallet. `witnesses` are nodes of others
        that must know a seal key's grant as live too, before anything is sealed to it: one node could keep a
        revocation back."""
        self.wallet = wallet
        self.author = Author(node, signer or Signer(wallet.key, wallet.account), slots, now_ms=now_ms)
        self._seal_keys = SealKeys((node, *witnesses), now_ms)
        self._credentials = Credentials(wallet.account, lambda: wallet.key, now_ms)
        self._now_ms = now_ms

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

        With `seal` it is sealed to each of its recipients, at most 500. Raises NoSealKey, and sends nothing, where
        nothing can be sealed to some of them; `publish_thread` sends to the others.

        With `wait` the outcome says how far it got in that time. To hear of `delivered` and `acknowledged`, then or
        later, the notification names its node as the origin: that is done for such a wait."""
        chosen = self._chosen(topic)
        (ready,) = await self._sealed([draft if draft is not None else Draft(**members)])
        (said,) = await self._with_origin([ready], wait)
        return await self._publish(chosen, said, wait)

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
        drafts' order; `wait` and `seal` as for `publish`."""
        chosen = self._chosen(topic)
        drafts = await self._with_origin(await self._sealed(drafts), wait)
        step = (await self.author.node.network()).limits.batch_count
        published: list[Published] = []
        for first in range(0, len(drafts), step):
            published += await self.author.publish_batch(chosen, drafts[first : first + step], wait)
        return published

    async def check_leaf(self, topic: Topic | str, draft: Draft) -> None:
        """Raise Refusal where a draft can be no part of a batch: of many, one that is wrong is better found first. What
        is to be sealed is looked at when it is sealed."""
        if not draft.seal:
            await self.author.check_leaf(self._chosen(topic), draft)

    async def publish_thread(
        self, topic: Topic | str, draft: Draft | None = None, *, wait: Wait | None = None, **members: Any
    ) -> Thread:
        """Publish one message to up to 10,000 recipients, or with `to` None to all subscribers: as many notifications
        as that takes, with one thread. What became of a part stands in it and is not raised.

        With `seal` each part is sealed to its recipients; to those who have no seal key nothing is sent, and they are
        in `unsealed`. Raises Refusal where the message breaks a rule, and ClientError before anything is sent."""
        chosen = self._chosen(topic)
        said = draft if draft is not None else Draft(**members)
        thread = said.thread or secrets.token_bytes(16)
        (said,) = await self._with_origin([replace(said, thread=thread)], wait)
        parts, unsealed = await self._parts(chosen, said)
        turn = asyncio.Semaphore(PARTS_AT_ONCE)

        async def publish_part(part: Draft) -> ThreadPart:
            recipients = None if part.to is None else tuple([Account(bytes(each)) for each in part.to])  # type: ignore[arg-type]  # divided as bytes
            async with turn:
                try:
                    return ThreadPart(recipients, await self._publish(chosen, part, wait))
                except ClientError as error:
                    return ThreadPart(recipients, None, error)

        return Thread(thread, tuple(await asyncio.gather(*map(publish_part, parts))), tuple(unsealed))

    async def thread_status(self, thread: Thread) -> ThreadStatus:
        """What became of a thread, recipient by recipient, as its origin knows it: publish it with a wait for
        `delivered` or with this node as `origin`. Raises ClientError."""
        return status_of(thread, [await self._pages_of(part) for part in thread.parts])

    async def _pages_of(self, part: ThreadPart) -> list[StatusPage]:
        published = part.published
        if published is None or not part.ok:
            return []

        async def ask(after: str) -> dict[str, Any]:
            return await self.status(await self.credential(), published, after=after, limit=STATUS_PAGE)

        most_pages = MOST_PAGES if part.recipients is None else len(part.recipients) + 1
        pages = follow(ask, "recipients", STATUS_PAGE, most_pages)
        return [read_page(part, page) async for page in pages]

    async def seal_keys(self, accounts: Sequence[str | bytes]) -> dict[Account, tuple[bytes, ...]]:
        """What can be sealed to each account, by its wallet's own signature; () for one to whom nothing can."""
        return await self._seal_keys.of([Account(account) for account in audience_of(accounts) or ()])

    async def credential(self) -> str:
        """A log-in of this wallet at its node, for `status`."""
        return await self._credentials.sign(self.author.node)

    async def _publish(self, topic: Topic, draft: Draft, wait: Wait | None) -> Published:
        return await self.author.publish(
            Kind.NOTIFICATION, lambda at, seq: notification_of(draft, topic, at, seq), wait
        )

    async def _parts(self, topic: Topic, draft: Draft) -> tuple[list[Draft], list[Account]]:
        """A draft as one for each notification that it takes, and the recipients that nothing can be sealed to."""
        accounts = audience_of(draft.to)
        check_number(len(accounts or ()))
        network = await self.author.node.network()
        if draft.seal:
            return await self._sealed_parts(network, topic, draft, [Account(each) for each in accounts or ()])
        if accounts is None:
            return [draft], []
        body = notification_of(replace(draft, to=None), topic, self._now_ms(), SEQ_PLACEHOLDER)
        recipients = [Recipient(Account(account)) for account in accounts]
        divided = divide(recipients, room_for(body, network.limits.item_bytes), sealed=False)
        return [replace(draft, to=[each.account for each in part]) for part in divided], []

    async def _sealed_parts(
        self, network: Network, topic: Topic, draft: Draft, accounts: Sequence[Account]
    ) -> tuple[list[Draft], list[Account]]:
        outer, content = _outer_and_content(draft)
        keys = await self._seal_keys.of(accounts)
        body = notification_of(replace(outer, to=None), topic, self._now_ms(), SEQ_PLACEHOLDER)
        room = room_for(body, network.limits.item_bytes, sealed_bytes=ciphertext_bytes(content))
        reached = [Recipient(account, keys[account]) for account in accounts if keys[account]]
        parts = []
        for part in divide(reached, room, sealed=True):
            sealing = seal_to(network, content, [key for each in part for key in each.seal_keys])
            parts.append(replace(outer, to=[each.account for each in part], sealing=sealing))
        return parts, [account for account in accounts if not keys[account]]

    async def _sealed(self, drafts: Sequence[Draft]) -> Sequence[Draft]:
        """The drafts with what is to be sealed sealed. Raises NoSealKey where nothing can be sealed to somebody."""
        if not any([draft.seal for draft in drafts]):
            return drafts
        network = await self.author.node.network()
        lists = [audience_of(draft.to) or [] if draft.seal else [] for draft in drafts]
        keys = await self._seal_keys.of([Account(account) for accounts in lists for account in accounts])
        without = [account for account, found in keys.items() if not found]
        if without:
            raise NoSealKey(without)
        ready = []
        for draft, accounts in zip(drafts, lists, strict=True):
            if draft.seal:
                outer, content = _outer_and_content(draft)
                found = [key for account in accounts for key in keys[Account(account)]]
                draft = replace(outer, sealing=_sealing(network, content, found))
            ready.append(draft)
        return ready

    async def retract(self, published: Published) -> Published:
        """Take a notification back."""
        return await self._retract(published, RETRACT)

    async def cancel(self, published: Published) -> Published:
        """Take back a notification that is for later, before its time has come; who has it by then keeps it."""
        return await self._retract(published, CANCEL)

    async def _retract(self, published: Published, mode: int) -> Published:
        body = published.envelope.body
        assert body.topic is not None  # a notification's body says so
        return await self.author.retract(body.topic, published.id, mode, body.expires_at)

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


def _outer_and_content(draft: Draft) -> tuple[Draft, Content]:
    """What everybody may see of a draft that is to be sealed, and what is inside. Raises Refusal."""
    if draft.to is None:
        raise Refusal(
            Reason.MALFORMED, "4.16", "content is sealed to recipients that are named, not to all subscribers"
        )
    actions = [Action(title, url) for title, url in draft.actions] if draft.actions else None
    content = content_of(draft.title or None, draft.body or None, draft.url or None, actions)
    return replace(draft, title=None, body=None, url=None, actions=None, seal=False), content


def _sealing(network: Network, content: Content, keys: Sequence[bytes]) -> Sealing:
    """Raises Refusal for more keys than one notification has room for."""
    if not 0 < len(set(keys)) <= MAX_BOXES:
        raise Refusal(Reason.MALFORMED, "4.16", f"one notification is sealed to 1 to {MAX_BOXES} seal keys: divide it")
    return seal_to(network, content, keys)
