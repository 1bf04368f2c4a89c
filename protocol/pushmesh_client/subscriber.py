"""A wallet: subscribes with its signature, lets a session key listen and voucher for it, and says what it does not
want."""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pushmesh_protocol.accounts import Topic, display_account, display_topic, parse_account, parse_topic
from pushmesh_protocol.auth.signing import Key
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.codec import pack
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.kinds import (
    AnyBody,
    Grant,
    Kind,
    Preference,
    Preferences,
    PrivateSubscription,
    Revocation,
    SettingChoice,
    Subscription,
)
from pushmesh_protocol.kinds.preferences import ALLOW, DENY, MUTE
from pushmesh_protocol.kinds.revocation import LIFE_MS
from pushmesh_protocol.kinds.subscription import OFF_LIFE_MS
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.outcomes import Disclosure
from pushmesh_protocol.tokens import TokenScope, TokenWords, format_token, sign_token
from pushmesh_protocol.vouchers import Voucher

from . import wallet_calls
from .author import Author, Published, Signer, unix_ms
from .book import SlotBook
from .compose import signed_envelope
from .credentials import Credentials
from .errors import ClientError, Refused, Unreachable
from .inbox import Inbox
from .link import Source
from .node import Node
from .outcomes import Outcome
from .sealing import SealSecret, new_seal_secret
from .session_key import WALLET_SCOPES, SessionGrant, choose_range, grant_body, new_seed
from .transports import Transport
from .transports.contract import ReadState, Request
from .transports.mqtt import MqttTransport
from .transports.sse import SseTransport
from .transports.websocket import WebSocketTransport
from .vouching import Tally
from .wallet import Wallet
from .wallet_calls import BridgeState, DeviceStates

SUBSCRIPTION_LIFE_MS = 400 * DAY_MS
PREFERENCES_LIFE_MS = 400 * DAY_MS
MAX_TOKEN_TOPICS = 32
TRANSPORTS = ("ws", "sse", "mqtt")

T = TypeVar("T")


class Subscriber:
    """One wallet at one node, with other nodes to fall back on."""

    def __init__(
        self,
        node: Node,
        wallet: Wallet,
        slots: SlotBook,
        *,
        session: SessionGrant | None = None,
        others: Sequence[Node] = (),
        now_ms: Callable[[], int] = unix_ms,
    ) -> None:
        """Without a session the wallet itself signs each log-in, and nothing is vouchered; `grant()` makes one."""
        self.node = node
        self.wallet = wallet
        self.session = session
        self.author = Author(node, Signer(wallet.key, wallet.account), slots, now_ms=now_ms)
        self._others = tuple(others)
        self._now_ms = now_ms
        self._credentials = Credentials(wallet.account, self._login_key, now_ms)
        self._offered_mqtt: set[str] = set()

    async def grant(
        self,
        scopes: Iterable[int] = WALLET_SCOPES,
        *,
        topics: Iterable[Topic] | None = None,
        life_ms: int | None = None,
        seal: bool = True,
        seals: Sequence[SealSecret] = (),
    ) -> SessionGrant:
        """Make a session key, let the wallet sign its grant, publish it, use it from now on. Raises Refused where the
        node does not take it.

        With `seal` the grant names a seal key too, so that senders can seal content to this device. What an earlier
        session of this device opened it opens still; `seals` are those of one that was saved (`load_seals`)."""
        network = await self.node.network()
        seed = new_seed()
        seqs = choose_range(network, network.parameters.allowance(self.wallet.account))
        life = min(life_ms or network.lives_ms[Kind.GRANT], network.lives_ms[Kind.GRANT])
        now_ms = self._now_ms()
        mine = new_seal_secret(now_ms + life + network.lives_ms[Kind.NOTIFICATION]) if seal else None
        key = None if mine is None else mine.public

        def fill(issued_at: int, seq: int) -> Grant:
            return grant_body(seed, scopes, seqs, issued_at, seq, topics=topics, life_ms=life, seal_key=key)

        published = await self.author.publish(Kind.GRANT, fill)
        _raise_refused(published.outcome)
        held = [mine, *(() if self.session is None else self.session.seals), *seals]
        kept = [each for each in held if each is not None and each.until_ms > now_ms]
        self.session = SessionGrant(seed, published.envelope, tuple(dict.fromkeys(kept)))
        return self.session

    async def revoke(self, session: SessionGrant) -> Published:
        """End a session key from now on, everywhere."""

        def fill(issued_at: int, seq: int) -> Revocation:
            return Revocation(issued_at, seq, issued_at + LIFE_MS, None, session.grant_id, None, issued_at, 0)

        return await self.author.publish(Kind.REVOCATION, fill)

    async def subscribe(
        self, topic: Topic | str, *, settings: Mapping[str, int] | None = None, receipts: bool = True
    ) -> Published:
        """Say yes to a topic, signed by the wallet; `receipts` lets outcomes about this wallet travel to the
        publisher."""
        chosen = self._chosen(topic)
        choices = [SettingChoice(slug, settings[slug]) for slug in sorted(settings)] if settings else None

        def fill(issued_at: int, seq: int) -> Subscription:
            return Subscription(issued_at, seq, issued_at + SUBSCRIPTION_LIFE_MS, chosen, True, choices, receipts)

        return await self.author.publish(Kind.SUBSCRIPTION, fill)

    async def unsubscribe(self, topic: Topic | str) -> Published:
        """Say no to a topic."""
        chosen = self._chosen(topic)

        def fill(issued_at: int, seq: int) -> Subscription:
            return Subscription(issued_at, seq, issued_at + OFF_LIFE_MS, chosen, False, None, False)

        return await self.author.publish(Kind.SUBSCRIPTION, fill)

    async def subscribe_privately(
        self,
        topic: Topic | str,
        *,
        on: bool = True,
        settings: Mapping[str, int] | None = None,
        node: Node | None = None,
    ) -> Outcome:
        """Say yes or no to a topic at one node alone: nobody else hears of it, and the topic's owner does not count
        this wallet. There it decides, whatever the public word says; tell each node that the wallet uses."""
        chosen, asked = self._chosen(topic), node or self.node
        choices = [SettingChoice(slug, settings[slug]) for slug in sorted(settings)] if settings else None
        issued_at = self._now_ms()
        life_ms = SUBSCRIPTION_LIFE_MS if on else OFF_LIFE_MS
        body = PrivateSubscription(issued_at, 0, issued_at + life_ms, chosen, on, choices, False)
        return await self._give_privately(asked, Kind.PRIVATE_SUBSCRIPTION, body)

    async def set_preferences(
        self, *, allow: Iterable[str] = (), mute: Iterable[str] = (), deny: Iterable[str] = (), node: Node | None = None
    ) -> Outcome:
        """Tell one node what this wallet wants: CAIP-10 senders or topics in display form. Replaces what was said
        before.

        Preferences are never gossiped: tell each node that the wallet uses."""
        entries = [
            Preference(action, _subject(text))
            for action, texts in ((ALLOW, allow), (MUTE, mute), (DENY, deny))
            for text in texts
        ]
        entries.sort(key=lambda entry: (entry.action, pack(entry.subject)))
        chosen = node or self.node
        issued_at = self._now_ms()
        body = Preferences(issued_at, 0, issued_at + PREFERENCES_LIFE_MS, None, entries)
        return await self._give_privately(chosen, Kind.PREFERENCES, body)

    async def _give_privately(self, node: Node, kind: int, body: AnyBody) -> Outcome:
        envelope = signed_envelope(await node.network(), self.wallet.key, self.wallet.account, kind, body)
        item = pack(ItemForm(envelope.kind, envelope.author, envelope.body_bytes, envelope.auth))
        outcome = await node.publish_private(item, await self.credential(node))
        _raise_refused(outcome)
        return outcome

    async def credential(self, node: Node | None = None, *, purpose: str = "pushmesh client") -> str:
        """A log-in for one node, signed now by the session key or else the wallet; good for one use within five
        minutes."""
        return await self._credentials.sign(node or self.node, purpose)

    def _login_key(self) -> Key:
        return self.wallet.key if self.session is None else self.session.key

    async def token(
        self,
        node: Node | None = None,
        *,
        scopes: Iterable[TokenScope] = (TokenScope.READ,),
        topics: Iterable[Topic | str] | None = None,
        life_ms: int = DAY_MS,
    ) -> str:
        """A password for a plain MQTT client at one node, at most 30 days; with `topics` it opens these alone.

        Raises ClientError without a session key, and ValueError for no topic or more than 32."""
        if self.session is None:
            raise ClientError("a token is signed by a session key: make one with grant()", reason="no-session")
        chosen = node or self.node
        limited = None if topics is None else sorted({self._chosen(topic) for topic in topics})
        if limited is not None and not 0 < len(limited) <= MAX_TOKEN_TOPICS:
            raise ValueError(f"a token is for 1 to {MAX_TOKEN_TOPICS} topics, or for all (None)")
        words = TokenWords(
            node_id=await self._credentials.node_id(chosen),
            account=self.wallet.account,
            scopes=sorted({int(scope) for scope in scopes}),
            topics=limited,
            expires_at=self._now_ms() + life_ms,
            random=secrets.token_bytes(16),
        )
        return format_token(sign_token(self.session.seed, self.session.grant_id, await chosen.network(), words))

    async def explain(self, envelope_id: bytes, issued_at_ms: int | None = None) -> dict[str, Any]:
        """Why this wallet did or did not get a message, as the node recorded it and as it would decide now."""
        return await self._again(lambda: self._explain(envelope_id, issued_at_ms))

    async def page(self, *, after: str | None = None, limit: int = 100, wait_s: float = 0) -> dict[str, Any]:
        """A page of the inbox as the node writes it, not verified: for looking, not for acting."""
        return await self._again(lambda: self._page(after, limit, wait_s))

    async def devices(self, node: Node | None = None) -> DeviceStates:
        """How far each device of this wallet got at a node, and what is read there."""
        chosen = node or self.node
        return await self._again(lambda: self._asked(wallet_calls.device_states, chosen), chosen)

    async def unread(self, node: Node | None = None) -> int:
        """How many notifications were not read at a node; 1,000 stands for as many or more."""
        chosen = node or self.node
        return await self._again(lambda: self._asked(wallet_calls.unread, chosen), chosen)

    async def mark_read(
        self, cursor: str | None = None, messages: Sequence[str] = (), *, device: str = "sdk", node: Node | None = None
    ) -> ReadState:
        """Say at a node that a person has seen everything up to a cursor of it, and the messages of these cursors; kept
        on return, and told to the wallet's other devices. An inbox that is open says it over its connection."""
        chosen = node or self.node

        async def mark() -> ReadState:
            return await wallet_calls.mark_read(chosen, await self.credential(chosen), cursor, messages, device)

        return await self._again(mark, chosen)

    async def bridges(self, node: Node | None = None) -> list[BridgeState]:
        """The bridges of a node that take wallets, and which of them have this one's inbox."""
        chosen = node or self.node
        return await self._again(lambda: self._asked(wallet_calls.bridges, chosen), chosen)

    async def turn_bridge(self, bridge: str, *, on: bool, node: Node | None = None) -> BridgeState:
        """Have a node put this wallet's inbox at the broker behind a bridge too, or no more: whoever reads there sees
        it. It ends with the session key that asked for it. Raises Refused where the bridge takes no wallet (more)."""
        chosen = node or self.node

        async def turn() -> BridgeState:
            return await wallet_calls.turn_bridge(chosen, await self.credential(chosen), bridge, on=on)

        return await self._again(turn, chosen)

    async def _asked(self, ask: Callable[[Node, str], Awaitable[T]], node: Node) -> T:
        return await ask(node, await self.credential(node))

    async def introduce(self, node: Node) -> None:
        """Tell a node the session's grant, which it may not have heard of yet."""
        if self.session is not None:
            outcomes = await node.publish_frame(self.session.frame)
            _raise_refused(outcomes[0])

    async def listen(
        self,
        transport: str = "ws",
        *,
        device: str = "sdk",
        cursor: str | None = None,
        topics: Iterable[Topic | str] | None = None,
    ) -> Inbox:
        """The wallet's messages: `async with await subscriber.listen() as inbox: async for message in inbox: ...`.

        `cursor` None goes on where this device stopped, "0" begins at the beginning, "now" gives only what comes."""
        if transport not in TRANSPORTS:
            raise ValueError(f"{transport} is not a transport; there are {', '.join(TRANSPORTS)}")
        network = await self.node.network()
        chosen = None
        if topics is not None:
            chosen = tuple(display_topic(self._chosen(topic)) for topic in topics)
        tally = None
        if self.session is not None:
            tally = Tally(network, self.wallet.account, self.session, secrets.token_bytes)
        return Inbox(
            [self._source(node, transport) for node in (self.node, *self._others)],
            network=network,
            account=self.wallet.account,
            authority=Authority(),
            request=Request(device, cursor, chosen),
            tally=tally,
            now_ms=self._now_ms,
            seals=() if self.session is None else self.session.seals,
        )

    def _chosen(self, topic: Topic | str) -> Topic:
        return self.wallet.topic(topic) if isinstance(topic, str) else topic

    def _source(self, node: Node, name: str) -> Source:
        async def fresh_id() -> bytes:
            return await self._credentials.fresh_node_id(node)

        async def open_transport() -> Transport:
            return await self._transport(node, name)

        async def introduce() -> None:
            await self.introduce(node)

        async def give(voucher: Voucher) -> None:
            await node.give_voucher(pack(voucher), await self.credential(node))

        async def disclose(disclosure: Disclosure) -> None:
            await node.give_acknowledgements(pack(disclosure), await self.credential(node))

        return Source(str(node.url), fresh_id, open_transport, introduce, give, disclose, node.grant)

    async def _transport(self, node: Node, name: str) -> Transport:
        async def login() -> str:
            return await self.credential(node)

        if name == "ws":
            return WebSocketTransport(node, login)
        if name == "sse":
            return SseTransport(node, login)
        return MqttTransport(await self._mqtt_url(node), display_account(self.wallet.account), login)

    async def _mqtt_url(self, node: Node) -> str:
        """Raises Refused where the node has no MQTT, Unreachable where it only has not opened it yet."""
        status = await node.status()
        address = status.get("mqtt_address")
        if isinstance(address, str) and address:
            self._offered_mqtt.add(str(node.url))
            return address if "://" in address else f"mqtt://{address}"
        if str(node.url) in self._offered_mqtt or status.get("ready") is not True:
            raise Unreachable(f"{node.url} has not opened its MQTT endpoint yet")
        raise Refused(f"{node.url} offers no MQTT", reason="not-found")

    async def _explain(self, envelope_id: bytes, issued_at_ms: int | None) -> dict[str, Any]:
        return await self.node.explain(await self.credential(), envelope_id, issued_at_ms)

    async def _page(self, after: str | None, limit: int, wait_s: float) -> dict[str, Any]:
        return await self.node.inbox(await self.credential(), after=after, limit=limit, wait_s=wait_s)

    async def _again(self, ask: Callable[[], Awaitable[T]], node: Node | None = None) -> T:
        """A node that has not heard of our grant yet is told, and asked once more."""
        try:
            return await ask()
        except Refused as refusal:
            if self.session is None or refusal.reason not in ("unknown-grant", "bad-login"):
                raise
            await self.introduce(node or self.node)
            return await ask()


def _subject(text: str) -> bytes | Topic:
    return parse_topic(text) if "/" in text else parse_account(text)


def _raise_refused(outcome: Outcome) -> None:
    if outcome.level == "refused":
        raise Refused(outcome.detail, reason=outcome.reason, rule=outcome.rule)
