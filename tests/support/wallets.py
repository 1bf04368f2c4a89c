"""Wallets, signed frames and grants for tests of the client and the laboratory."""

from typing import Any

from pushmesh_client.compose import signed_batch, signed_envelope
from pushmesh_client.session_key import SessionGrant, grant_body
from pushmesh_client.wallet import Wallet, wallet_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import WalletKey
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind, Notification
from pushmesh_protocol.network import Network, Parameters

LATER_MS = 86_400_000
GENEROUS = Parameters(0, 0, 2**16, {}, {})
"""Nobody works for the slots of these tests."""


def a_wallet(number: int = 1) -> Wallet:
    return wallet_of(WalletKey(bytes([number]) * 32))


def a_note(owner: Wallet, issued_at: int, seq: int, **changes: Any) -> Notification:
    members: dict[str, Any] = {
        "issued_at": issued_at,
        "seq": seq,
        "expires_at": issued_at + LATER_MS,
        "topic": Topic(owner.account, "alerts"),
        "audience": None,
        "title": "Price",
        "body": "It moved.",
        "url": None,
        "actions": None,
        "category": None,
        "priority": 3,
        "collapse": None,
        "not_before": None,
        "language": None,
        "thread": None,
        "origin": None,
        "sealed": None,
    }
    return Notification(**members | changes)


def a_signed_note(network: Network, owner: Wallet, issued_at: int, seq: int = 7, **changes: Any) -> Envelope:
    body = a_note(owner, issued_at, seq, **changes)
    return signed_envelope(network, owner.key, owner.account, Kind.NOTIFICATION, body)


def a_signed_batch(network: Network, owner: Wallet, issued_at: int, count: int, first: int = 100) -> Part:
    bodies = [a_note(owner, issued_at, first + index, body=f"number {index}") for index in range(count)]
    return signed_batch(network, owner.key, owner.account, bodies)


def a_session(network: Network, owner: Wallet, issued_at: int, scopes: tuple[int, ...] = (128, 130)) -> SessionGrant:
    seed = b"\x05" * 32
    body = grant_body(seed, scopes, (2**31, 2**31 + 4096), issued_at, 3)
    return SessionGrant(seed, signed_envelope(network, owner.key, owner.account, Kind.GRANT, body))
