"""A node around the MQTT endpoint for tests: real log-ins, tokens and signatures, an in-memory inbox, a raw client."""

import asyncio
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import mqtt5
import msgspec
from mqtt5 import ConnectPacket, Packet
from msgspec import structs

from pushmesh_node.admission import Ticket
from pushmesh_node.app.doorkeeper import Doorkeeper
from pushmesh_node.delivery.consumers import Consumers
from pushmesh_node.delivery.mqtt.endpoint import MqttEndpoint
from pushmesh_node.delivery.mqtt.limits import Limits, Redirect
from pushmesh_node.delivery.mqtt.ports import Ports
from pushmesh_node.delivery.session import SessionLimits
from pushmesh_node.engine.answers import Acknowledged, Denied, Level, Outcome, Permission, Principal, Wait
from pushmesh_protocol.accounts import Topic, display_account
from pushmesh_protocol.armor import from_text
from pushmesh_protocol.auth.signing import WalletKey, account_of, sign_login
from pushmesh_protocol.auth.verify import envelope_claim, login_claim, verify_one
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame, open_publish
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.login import LogInWords, check_login, format_login, parse_login
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.tokens import TokenWords, check_token, format_token, parse_token, sign_token
from pushmesh_protocol.types import Account, UnixMs
from support.bodies import ISSUED_AT
from support.doors import a_door
from support.fake_inboxes import NETWORK, FakeInboxes
from support.fake_wallets import FakeSubscriptions, FakeWallets

NODE_ID = b"\x0e" * 32
HOST = "node.example.org"
ALICE_KEY = WalletKey(b"\x61" * 32)
ALICE = account_of(ALICE_KEY)
MALLORY_KEY = WalletKey(b"\x6d" * 32)
MALLORY = account_of(MALLORY_KEY)
SESSION_SEED, GRANT_ID = b"\x62" * 32, b"\x63" * 32
QUICK = Limits(acknowledge_after_s=0.0)
STARTED = time.monotonic()


def now_ms() -> int:
    """Time at which the bodies of tests are fresh."""
    return ISSUED_AT + int((time.monotonic() - STARTED) * 1000)


def a_login(key: WalletKey = ALICE_KEY, host: str = HOST, node_id: bytes = NODE_ID) -> str:
    words = LogInWords(node_id, host, account_of(key), secrets.token_bytes(32), now_ms(), "mqtt")
    return format_login(sign_login(key, NETWORK, words))


def a_token(
    account: Account = ALICE,
    scopes: Sequence[int] = (1, 2),
    topics: list[Topic] | None = None,
    life_ms: int = 3_600_000,
) -> str:
    words = TokenWords(NODE_ID, account, list(scopes), topics, now_ms() + life_ms, secrets.token_bytes(16))
    return format_token(sign_token(SESSION_SEED, GRANT_ID, NETWORK, words))


def a_frame(*envelopes: Envelope) -> bytes:
    return encode_frame([Part((envelope,)) for envelope in envelopes])


@dataclass
class World:
    """The node's side. `seen` holds what was observed, `refused` what clients were told that they may not, `faults`
    what was reported."""

    inboxes: FakeInboxes = field(default_factory=FakeInboxes)
    consumers: Consumers = field(default_factory=Consumers)
    wallets: FakeWallets = field(init=False)
    subscriptions: FakeSubscriptions = field(default_factory=FakeSubscriptions)
    seen: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)
    published: list[Envelope] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    nonces: set[bytes] = field(default_factory=set)
    addresses: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    denies: Denied | None = None
    waits: list[Wait] = field(default_factory=list)
    holders: asyncio.Event = field(default_factory=asyncio.Event)
    door: Doorkeeper = field(default_factory=a_door)

    def __post_init__(self) -> None:
        self.wallets = FakeWallets(self.inboxes)

    def ports(self) -> Ports:
        def observe(what: str, reason: str) -> None:
            self.seen.append((what, str(reason)))

        def refused_access(reason: Reason) -> None:
            self.refused.append(str(reason))

        def report(fault: BaseException, where: str) -> None:
            self.faults.append(fault)

        return Ports(
            inboxes=self.inboxes,
            publish=self.publish,
            publish_and_tell=self.publish_and_tell,
            door=self.door,
            authenticate=self.authenticate,
            consumers=self.consumers,
            wallets=self.wallets,
            subscriptions=self.subscriptions,
            now_ms=now_ms,
            random_id=lambda: secrets.token_hex(8),
            observe=observe,
            refused_access=refused_access,
            report=report,
            sessions=SessionLimits(),
        )

    def endpoint(self, limits: Limits | None = None, redirect: Redirect | None = None) -> MqttEndpoint:
        return MqttEndpoint(NODE_ID, NETWORK.id, self.ports(), limits, redirect, {HOST})

    async def authenticate(self, credential: str, address: str) -> Principal:
        self.addresses.append(address)
        await asyncio.sleep(0)
        try:
            return self._from_token(credential) if count_members(credential) == 10 else self._from_login(credential)
        except Refusal as refusal:
            raise Denied.from_refusal(refusal) from refusal

    def _from_token(self, text: str) -> Principal:
        token = parse_token(text)
        check_token(NETWORK, token, node_id=NODE_ID, now_ms=now_ms())
        permissions = frozenset(Permission(scope) for scope in token.scopes)
        topics = None if token.topics is None else frozenset(token.topics)
        digest = sha256(text.encode())
        return Principal(token.account, permissions, topics, token.grant_id, UnixMs(token.expires_at), digest)

    def _from_login(self, text: str) -> Principal:
        login = parse_login(text)
        check_login(login, node_id=NODE_ID, hosts={HOST}, now_ms=now_ms())
        refusal = verify_one(NETWORK, login_claim(NETWORK, login))
        if refusal is not None:
            raise refusal
        if login.nonce in self.nonces:
            raise Refusal(Reason.BAD_LOGIN, "11.2", "nonce")
        self.nonces.add(login.nonce)
        return Principal(login.account, frozenset(Permission), None, None, None)

    async def publish(self, frames: Sequence[bytes], tickets: Sequence[Ticket]) -> Sequence[Sequence[Outcome]]:
        assert len(tickets) == len(frames)
        self.calls.append(len(frames))
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.denies is not None:
                raise self.denies
            return [self._judge(frame) for frame in frames]
        finally:
            self.door.leave(tickets)

    async def publish_and_tell(
        self,
        frame: bytes,
        wait: Wait,
        tickets: Sequence[Ticket],
        durable: Callable[[Sequence[Outcome]], None],
    ) -> Sequence[Acknowledged]:
        """Like the node: durable first, then (once `holders` came) what peers hold."""
        (outcomes,) = await self.publish([frame], tickets)
        self.waits.append(wait)
        durable(outcomes)
        if wait.level is Level.PROPAGATED:
            await self.holders.wait()
            outcomes = [structs.replace(each, level=Level.PROPAGATED) for each in outcomes]
        return [Acknowledged(each, b"receipt of " + (each.id or b""), ()) for each in outcomes]

    def _judge(self, frame: bytes) -> list[Outcome]:
        try:
            opened = open_publish(NETWORK, frame)
        except Refusal as refusal:
            return [Outcome(None, Level.REFUSED, refusal.reason, refusal.rule, refusal.detail, None)]
        return [self._commit(each) for part in opened.parts if isinstance(part, Part) for each in part.envelopes]

    def _commit(self, envelope: Envelope) -> Outcome:
        claim = envelope_claim(envelope.author, envelope.kind, envelope.auth, envelope.body, envelope.id)
        refusal = verify_one(NETWORK, claim)
        if refusal is not None:
            return Outcome(envelope.id, Level.REFUSED, refusal.reason, refusal.rule, refusal.detail, None)
        self.published.append(envelope)
        (message,) = self.inboxes.commit(envelope)
        return Outcome(envelope.id, Level.DURABLE, Reason.OK, "", "", message.commit_no)


def count_members(text: str) -> int:
    """How many members a credential has: a log-in 9, a token 10."""
    try:
        members = msgspec.msgpack.decode(from_text(text))
    except msgspec.DecodeError as error:
        raise Refusal(Reason.MALFORMED, "11.3", "neither a log-in nor a token") from error
    if not isinstance(members, list):
        raise Refusal(Reason.MALFORMED, "11.3", "neither a log-in nor a token")
    return len(members)


_dialled: list["RawClient"] = []


@asynccontextmanager
async def running(
    world: World, limits: Limits = QUICK, redirect: Redirect | None = None
) -> AsyncIterator[MqttEndpoint]:
    """An endpoint that listens; at the end it drains, raw clients hang up, and no fault may have been reported."""
    endpoint = world.endpoint(limits, redirect)
    async with hanging_up():
        await endpoint.listen("127.0.0.1", 0)
        try:
            yield endpoint
        finally:
            await endpoint.close()
    assert world.faults == []


@asynccontextmanager
async def hanging_up() -> AsyncIterator[None]:
    """At the end every raw client that was dialled hangs up."""
    try:
        yield
    finally:
        while _dialled:
            await _dialled[-1].close()


class RawClient:
    """An MQTT client that says exactly what a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._held = b""

    @classmethod
    async def dial(cls, port: int, tls: ssl.SSLContext | None = None) -> "RawClient":
        client = cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))
        _dialled.append(client)
        return client

    async def send(self, *packets: Packet | bytes) -> None:
        for packet in packets:
            self._writer.write(packet if isinstance(packet, bytes) else packet.write())
        await self._writer.drain()

    async def read(self) -> Packet | None:
        """The next packet; None, and all is closed, when the server has closed."""
        async with asyncio.timeout(20):
            while True:
                try:
                    packet, size = mqtt5.read(memoryview(self._held))
                except IndexError:
                    data = await self._reader.read(65_536)
                    if not data:
                        await self.close()
                        return None
                    self._held += data
                else:
                    self._held = self._held[size:]
                    return packet

    async def raw(self) -> bytes:
        """All bytes until the server closes."""
        async with asyncio.timeout(20):
            try:
                return await self._reader.read()
            finally:
                await self.close()

    async def close(self) -> None:
        if self in _dialled:
            _dialled.remove(self)
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


def a_connect(client_id: str = "phone", **changes: Any) -> ConnectPacket:
    """Alice's token and a clean start, unless a change says otherwise."""
    name, token = display_account(ALICE), a_token().encode()
    values: dict[str, Any] = {"username": name, "password": token, "clean_start": True}
    return ConnectPacket(client_id, **(values | changes))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another task or process brings about."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what is waited for lies on the other side of a socket
            await asyncio.sleep(0.005)
