"""A node in memory behind its real HTTP edges: what is published lands in one inbox, log-ins are names."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from pushmesh_node.admission import Ticket
from pushmesh_node.api.app import Api, ApiLimits, HttpServer, build_api
from pushmesh_node.app.doorkeeper import Doorkeeper
from pushmesh_node.delivery.consumers import Consumers
from pushmesh_node.delivery.messages import MessageForms
from pushmesh_node.delivery.routes import delivery_routes
from pushmesh_node.delivery.service import HttpLimits, NodeFacts, Service
from pushmesh_node.delivery.session import SessionLimits
from pushmesh_node.engine.answers import Denied, Level, Outcome, Permission, Principal
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.checks import check_item
from pushmesh_protocol.codec import Codec
from pushmesh_protocol.display import envelope_json, frame_from_json
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.frames import Part, encode_frame, open_publish
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account, EnvelopeId
from support.doors import a_door
from support.fake_inboxes import DAPP, NETWORK, FakeInboxes, a_principal
from support.fake_wallets import FakeSubscriptions, FakeWallets

NODE_ID = b"\x0d" * 32
HOST_FACTS = ("node.example.org",)
_private_item: Codec[ItemForm] = Codec(ItemForm)


def frame_of(*envelopes: Envelope) -> bytes:
    return encode_frame([Part((envelope,)) for envelope in envelopes])


def items_json(*envelopes: Envelope) -> dict[str, Any]:
    """The JSON form of a frame, in plain items."""
    form = {"items": [envelope_json(envelope) for envelope in envelopes]}
    assert frame_from_json(form) == frame_of(*envelopes)
    return form


@dataclass
class FakePublishing:
    """Opens frames for real; signatures are not judged. `gate`, once cleared, holds every batch back."""

    inboxes: FakeInboxes
    batches: list[int] = field(default_factory=list)
    known: dict[EnvelopeId, int] = field(default_factory=dict)
    private: list[tuple[Account, bytes]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    at_work: int = 0
    most_at_work: int = 0
    broken: Exception | None = None
    door: Doorkeeper = field(default_factory=a_door)

    async def publish(self, frames: Sequence[bytes], tickets: Sequence[Ticket] = ()) -> Sequence[Sequence[Outcome]]:
        assert len(tickets) == len(frames)
        self.batches.append(len(frames))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await self.gate.wait()
            if self.broken is not None:
                raise self.broken
            return [self._take(frame) for frame in frames]
        finally:
            self.at_work -= 1
            self.door.leave(tickets)

    async def publish_private(self, principal: Principal, item: bytes) -> Outcome:
        try:
            form = _private_item.decode(item)
            envelope = check_item(NETWORK, form.kind, form.author, form.body, form.auth, private=True)
            if envelope.author != principal.account:
                raise Denied(Reason.FORBIDDEN, "another wallet's envelope")
        except Refusal as refusal:
            return refused(refusal)
        self.private.append((principal.account, item))
        return Outcome(envelope.id, Level.DURABLE, Reason.OK, "", "", None)

    def _take(self, frame: bytes) -> list[Outcome]:
        try:
            opened = open_publish(NETWORK, frame)
        except Refusal as refusal:
            return [refused(refusal)]
        outcomes = []
        for part in opened.parts:
            if isinstance(part, Refusal):
                outcomes.append(refused(part))
            else:
                outcomes += [self._commit(envelope) for envelope in part.envelopes]
        return outcomes

    def _commit(self, envelope: Envelope) -> Outcome:
        held = self.known.get(envelope.id)
        if held is not None:
            return Outcome(envelope.id, Level.DURABLE, Reason.DUPLICATE, "7.6", "", held)
        (message,) = self.inboxes.commit(envelope)
        self.known[envelope.id] = message.commit_no
        return Outcome(envelope.id, Level.DURABLE, Reason.OK, "", "", message.commit_no)


def refused(refusal: Refusal) -> Outcome:
    return Outcome(None, Level.REFUSED, refusal.reason, refusal.rule, refusal.detail, None)


@dataclass
class FakeDirectory:
    """Look-ups over a few things that a test puts there."""

    topics: dict[Topic, Envelope] = field(default_factory=dict)
    subscriptions: dict[Account, list[Envelope]] = field(default_factory=dict)
    wallets: list[Account] = field(default_factory=list)
    opt_ins: dict[tuple[Account, Topic], bytes] = field(default_factory=dict)
    sealing: dict[Account, list[Envelope]] = field(default_factory=dict)
    granted: dict[bytes, Envelope] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    broken: Exception | None = None
    asked: list[Any] = field(default_factory=list)
    connected: list[dict[str, Any]] = field(default_factory=list)

    def peers(self) -> Sequence[dict[str, Any]]:
        return self.connected

    def sync(self) -> dict[str, Any]:
        return {"in_sync": True, "peers": self.connected}

    def topic(self, topic: Topic) -> Envelope | None:
        return self.topics.get(topic)

    def subscriptions_of(self, account: Account) -> Sequence[Envelope]:
        return self.subscriptions.get(account, ())

    def subscriber_count(self, topic: Topic) -> int:
        return len(self.wallets)

    def subscribers(self, topic: Topic, after: Account | None, limit: int) -> Sequence[Account]:
        return [wallet for wallet in sorted(self.wallets) if after is None or wallet > after][:limit]

    def opt_in(self, account: Account, topic: Topic) -> bytes | None:
        return self.opt_ins.get((account, topic))

    def grant(self, grant_id: bytes) -> Envelope | None:
        return self.granted.get(grant_id)

    def seal_grants(self, account: Account) -> Sequence[Envelope]:
        self.asked.append(account)
        return self.sealing.get(account, ())

    def grants_of(self, account: Account) -> Sequence[dict[str, Any]]:
        return [{"id": "00" * 32, "state": "live"}] if account == DAPP else []

    async def free_slots(self, account: Account, first_seq: int, end_seq: int, count: int) -> Sequence[int]:
        return list(range(first_seq, min(end_seq, first_seq + count)))

    async def explain(self, principal: Principal, id: EnvelopeId, issued_at: int | None) -> dict[str, Any]:
        self.asked.append((principal.account, id, issued_at))
        if id == b"\x00" * 32:
            raise Denied(Reason.NOT_FOUND, "no such message")
        return {"id": id.hex(), "verdict": "now"}

    async def points(self, epoch: int | None) -> dict[str, Any]:
        return {"epoch": epoch, "units": 0}

    def limits(self) -> dict[str, Any]:
        return {"network": NETWORK.display}

    def status(self) -> dict[str, Any]:
        if self.broken is not None:
            raise self.broken
        return {"node_id": NODE_ID.hex()}

    def not_ready(self) -> Sequence[str]:
        return self.reasons


@dataclass
class FakeTokens:
    """Tokens by digest; whoever asks is taken for their wallet. `revoked` holds what was revoked, in order."""

    forms: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    revoked: list[bytes] = field(default_factory=list)

    def tokens(self, principal: Principal) -> Sequence[dict[str, Any]]:
        if principal.token is not None:
            raise Denied(Reason.FORBIDDEN, "a token")
        return list(self.forms.values())

    async def revoke_token(self, principal: Principal, digest: bytes) -> dict[str, Any]:
        if principal.token is not None:
            raise Denied(Reason.FORBIDDEN, "a token")
        if digest not in self.forms:
            raise Denied(Reason.NOT_FOUND, "no such token")
        self.revoked.append(digest)
        return self.forms[digest]


@dataclass
class FakeNode:
    """Everything behind the edges, the server before it, and a client."""

    inboxes: FakeInboxes
    publishing: FakePublishing
    directory: FakeDirectory
    tokens: FakeTokens
    consumers: Consumers
    forms: MessageForms
    principals: dict[str, Principal]
    subscriptions: FakeSubscriptions = field(default_factory=FakeSubscriptions)
    reports: list[tuple[BaseException, str]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    refused: list[Reason] = field(default_factory=list)
    barred: list[tuple[str, str]] = field(default_factory=list)
    api: Api | None = None
    url: str = ""
    port: int = 0

    def __post_init__(self) -> None:
        self.wallets = FakeWallets(self.inboxes)

    async def authenticate(self, credential: str, address: str) -> Principal:
        self.addresses.append(address)
        principal = self.principals.get(credential)
        if principal is None:
            raise Denied(Reason.BAD_LOGIN, "signature", "11.2")
        return principal

    def refused_access(self, transport: str, reason: Reason) -> None:
        self.barred.append((transport, str(reason)))

    def report(self, error: BaseException, where: str) -> None:
        self.reports.append((error, where))


def bearer(name: str = "wallet") -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


READER = replace(a_principal(), permissions=frozenset([Permission.READ]))
WRITER = replace(a_principal(), permissions=frozenset([Permission.PUBLISH]))


def a_fake_node(per_account: int = 64, most_forms: int = 4_096) -> FakeNode:
    inboxes = FakeInboxes()
    node = FakeNode(
        inboxes,
        FakePublishing(inboxes),
        FakeDirectory(),
        FakeTokens(),
        Consumers(per_account),
        MessageForms(inboxes.incarnation(), most_forms),
        {
            "wallet": a_principal(),
            "dapp": a_principal(DAPP),
            "dapp's news": a_principal(DAPP, frozenset([Topic(DAPP, "news")])),
            "reader": READER,
            "writer": WRITER,
            "token": replace(a_principal(), token=b"\x01" * 32),
            "alerts": replace(a_principal(), topics=frozenset([Topic(DAPP, "alerts")])),
        },
    )
    node.publishing.gate.set()
    return node


def a_service(node: FakeNode, sessions: SessionLimits | None = None, http: HttpLimits | None = None) -> Service:
    """The node as its HTTP transports see it."""
    return Service(
        NodeFacts(NODE_ID, NETWORK.display, HOST_FACTS),
        node.inboxes,
        node.wallets,
        node.subscriptions,
        node.authenticate,
        node.publishing.publish,
        node.publishing.door,
        node.consumers,
        node.forms,
        lambda: 1_790_000_000_000,
        node.report,
        node.refused_access,
        sessions or SessionLimits(),
        http or HttpLimits(),
    )


@asynccontextmanager
async def serving(
    node: FakeNode,
    *,
    api: ApiLimits | None = None,
    sessions: SessionLimits | None = None,
    http: HttpLimits | None = None,
) -> AsyncIterator[aiohttp.ClientSession]:
    """The node listens on a free port; the client dials it by paths."""
    service = a_service(node, sessions, http)
    node.api = build_api(
        node.publishing,
        node.directory,
        node.tokens,
        node.authenticate,
        report=node.report,
        limits=api or ApiLimits(drain_s=2.0),
        metrics=lambda: b"pushmesh_up 1\n",
        other_routes=delivery_routes(service),
        drains=[node.consumers.drain],
        refused=node.refused.append,
        refused_access=node.refused_access,
    )
    async with HttpServer(node.api, "127.0.0.1", 0) as server:
        node.port, node.url = server.port, f"http://127.0.0.1:{server.port}"
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(node.url, timeout=timeout) as client:
            yield client
