"""Envelopes, batches and grants with real signatures, and frames of them, for tests of what opens and verifies."""

from typing import Any

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import Key, SessionKey, SolanaKey, WalletKey, account_of, sign_batch, sign_envelope
from pushmesh_protocol.auth.statement import Batch
from pushmesh_protocol.checks import check_item, check_leaf
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind, Scope
from pushmesh_protocol.network import Network
from pushmesh_protocol.tree import audit_path, root_of
from pushmesh_protocol.types import Account
from pushmesh_protocol.work import find_work
from support.bodies import ISSUED_AT, WALLET_RANGE, a_body, envelope_id

WALLET = WalletKey(b"\x01" * 32)
PHONE = SolanaKey(b"\x02" * 32)
DAPP_SEED = b"\x03" * 32
OWNER = account_of(WALLET)
HOLDER = account_of(PHONE)
ALERTS = Topic(OWNER, "alerts")


def signed(
    network: Network,
    kind: int,
    *,
    by: Key = WALLET,
    author: Account = OWNER,
    work_bits: int | None = None,
    **changes: Any,
) -> Envelope:
    body = a_body(kind, author, **changes)
    subject = envelope_id(network, author, kind, body)
    work = None if work_bits is None else find_work(subject, work_bits)
    auth = sign_envelope(by, network, kind, body, subject, work=work)
    return check_item(network, kind, author, pack(body), auth)


def a_signed_note(network: Network, seq: int = 1, **changes: Any) -> Envelope:
    return signed(network, Kind.NOTIFICATION, seq=seq, **changes)


def a_signed_grant(network: Network, **changes: Any) -> Envelope:
    """Of OWNER, for DAPP_SEED's key and notifications."""
    public = account_of(SolanaKey(DAPP_SEED))[1:]
    plain: dict[str, Any] = {"seq": 9, "key": public, "scopes": [int(Scope.NOTIFICATION)]}
    return signed(network, Kind.GRANT, **(plain | changes))


def by_session(grant: Envelope) -> SessionKey:
    return SessionKey(DAPP_SEED, grant.id)


def a_signed_run(
    network: Network,
    count: int = 4,
    *,
    first: int = 0,
    size: int | None = None,
    first_seq: int = 10,
    by: Key = WALLET,
    work_bits: int | None = None,
    **changes: Any,
) -> Part:
    """Leaves first .. first + size - 1 (all, unless told) of a batch of notifications by OWNER."""
    bodies = [
        a_body(Kind.NOTIFICATION, OWNER, **({"seq": first_seq + i, "body": f"leaf {i}"} | changes))
        for i in range(count)
    ]
    ids = [envelope_id(network, OWNER, Kind.NOTIFICATION, body) for body in bodies]
    expires_at, epoch = max(body.expires_at for body in bodies), network.epoch(ISSUED_AT)
    batch = Batch(OWNER, Kind.NOTIFICATION, ALERTS, epoch, first_seq, count, expires_at, root_of(ids))
    work = None if work_bits is None else find_work(batch.root, work_bits)
    statement = sign_batch(by, network, batch, work=work)
    end = count if size is None else first + size
    leaves = [check_leaf(network, statement, i, pack(bodies[i])) for i in range(first, end)]
    return Part(tuple(leaves), statement, first, tuple(audit_path(ids, first, end - first)))


def parts_of(*envelopes: Envelope) -> list[Part]:
    return [Part((envelope,)) for envelope in envelopes]


__all__ = [
    "ALERTS",
    "DAPP_SEED",
    "HOLDER",
    "ISSUED_AT",
    "OWNER",
    "PHONE",
    "WALLET",
    "WALLET_RANGE",
    "a_signed_grant",
    "a_signed_note",
    "a_signed_run",
    "by_session",
    "parts_of",
    "signed",
]
