"""A node without transports and mesh around a real store, and what tests of the composition root ask of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pushmesh_client.compose import signed_envelope
from pushmesh_client.session_key import SessionGrant
from pushmesh_client.wallet import Wallet
from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.compose import open_store
from pushmesh_node.app.node import Node
from pushmesh_node.config import load_config
from pushmesh_node.delivery.contract import Batch, Message, WalletEvent
from pushmesh_node.engine.answers import Outcome, Permission, Principal
from pushmesh_node.metrics import Metrics
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.auth.signing import sign_login
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.login import LogInWords, format_login
from pushmesh_protocol.network import Network
from pushmesh_protocol.tokens import TokenScope, TokenWords, format_token, sign_token
from pushmesh_protocol.types import Account, UnixMs
from support.bodies import a_body, a_network
from support.wallets import GENEROUS, a_session, a_signed_note

NETWORK = a_network(parameters=GENEROUS)
SEED = b"\x51" * 32
WAIT_S = 20.0
HOST = "127.0.0.1"


@asynccontextmanager
async def a_node(folder: Path, *, network: Network = NETWORK, **settings: Any) -> AsyncIterator[Node]:
    """A running node without gossip, MQTT and API; `settings` are configuration keys with __ for the dot."""
    flags = {"node.data_dir": str(folder), "gossip.enabled": False}
    flags |= {key.replace("__", "."): value for key, value in settings.items()}
    config = load_config(None, {}, flags)
    store = await open_store(config, network, public_key(SEED), new_incarnation=b"\x01" * 16)
    node = Node(config, network, SEED, store, Metrics())
    try:
        await node.restore()
        running = asyncio.create_task(node.run())
        yield node
        running.cancel()
        await asyncio.wait((running,))
    finally:
        await node.close()


async def publish(node: Node, *things: Envelope | Part) -> list[Outcome]:
    """All in one frame, the way a publisher does; the outcomes in its order."""
    parts = [thing if isinstance(thing, Part) else Part((thing,)) for thing in things]
    async with asyncio.timeout(WAIT_S):
        (outcomes,) = await node.publishing.publish([encode_frame(parts)])
    return list(outcomes)


def words(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    return [(str(outcome.level), str(outcome.reason)) for outcome in outcomes]


def count(node: Node, name: str, **labels: str) -> float:
    """A metric's value; 0 where nothing was counted yet."""
    return node.metrics.registry.get_sample_value(name, labels) or 0.0


def a_note_now(owner: Wallet, seq: int = 1, **changes: Any) -> Envelope:
    return a_signed_note(NETWORK, owner, now_ms(), seq, **changes)


def signed(owner: Wallet, kind: int, *, network: Network = NETWORK, private: bool = False, **changes: Any) -> Envelope:
    """A wallet-signed envelope of any kind, issued now."""
    issued_at = changes.pop("issued_at", now_ms())
    lives = {Kind.REVOCATION: 490, Kind.SUBSCRIPTION: 400}
    expires_at = changes.pop("expires_at", issued_at + lives.get(Kind(kind), 1) * 86_400_000)
    body = a_body(kind, owner.account, **({"issued_at": issued_at, "expires_at": expires_at} | changes))
    return signed_envelope(network, owner.key, owner.account, kind, body)


def a_subscription(wallet: Wallet, topic: Topic, seq: int = 50) -> Envelope:
    return signed(wallet, Kind.SUBSCRIPTION, topic=topic, seq=seq)


def a_revocation(wallet: Wallet, session: SessionGrant, seq: int = 60) -> Envelope:
    at = now_ms()
    return signed(
        wallet, Kind.REVOCATION, issued_at=at, seq=seq, grant_id=session.grant_id, cut_time=at - 1_000, cut_seq=0
    )


def a_grant_now(wallet: Wallet, scopes: tuple[int, ...] = (128, 129, 130)) -> SessionGrant:
    return a_session(NETWORK, wallet, now_ms() - 1_000, scopes)


def a_login(node: Node, wallet: Wallet, key: Any = None, **changes: Any) -> str:
    """A credential that is right, unless a change breaks it."""
    values: dict[str, Any] = {
        "node_id": node.node_id,
        "host": HOST,
        "account": wallet.account,
        "nonce": b"\x0f" * 32,
        "issued_at": now_ms(),
        "purpose": "test",
    }
    login = sign_login(wallet.key if key is None else key, NETWORK, LogInWords(**(values | changes)))
    return format_login(login)


async def a_session_at(node: Node, wallet: Wallet) -> SessionGrant:
    """A session key that may log in, sign tokens and vouch, and that the node knows."""
    session = a_grant_now(wallet, (128, 129, 130))
    (outcome,) = await publish(node, session.grant)
    assert outcome.level == "durable", outcome
    return session


def a_token_at(node: Node, session: SessionGrant, **changes: Any) -> str:
    """A token of scope read that is right, unless a change breaks it."""
    values: dict[str, Any] = {
        "node_id": node.node_id,
        "account": session.grant.author,
        "scopes": [int(TokenScope.READ)],
        "topics": None,
        "expires_at": now_ms() + 86_400_000,
        "random": b"\x0a" * 16,
    }
    return format_token(sign_token(session.seed, session.grant_id, NETWORK, TokenWords(**(values | changes))))


def a_principal(account: Account, grant_id: bytes | None = None, expires_at: int | None = None) -> Principal:
    return Principal(account, frozenset(Permission), None, grant_id, expires_at)  # type: ignore[arg-type]  # a plain int is a time


@dataclass(eq=False)
class Ear:
    """A listener that keeps what it is given."""

    principal: Principal
    heard: list[Message] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    news: list[WalletEvent] = field(default_factory=list)
    transport: str = "test"
    device: str | None = None

    def offer(self, batch: Batch) -> bool:
        self.heard += batch.messages
        return False

    def told(self, event: WalletEvent) -> None:
        self.news.append(event)

    def end(self, reason: str, detail: str) -> None:
        self.ended.append(reason)


class Clock:
    """A clock that a test sets ahead, in place of the node room's `now_ms` before the node is made."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> UnixMs:
        return UnixMs(now_ms() + self.ahead_ms)
