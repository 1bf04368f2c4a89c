"""Checked envelopes and parts for tests of what stands behind the signature check: their auths are well-formed,
not verified."""

from typing import Any

from pushmesh_protocol.accounts import Topic, evm_account
from pushmesh_protocol.auth.schemes import Auth, Eip712, Session
from pushmesh_protocol.auth.statement import Statement
from pushmesh_protocol.checks import check_item, check_leaf
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import Network
from pushmesh_protocol.tree import audit_path, root_of
from pushmesh_protocol.types import Account, UnixMs
from support.bodies import ISSUED_AT, WALLET_RANGE, a_body, envelope_id

ALICE = evm_account(b"\xa1" * 20)
BOB = evm_account(b"\xb2" * 20)
CAROL = evm_account(b"\xc3" * 20)
TOPIC = Topic(ALICE, "alerts")
NOW = UnixMs(ISSUED_AT + 1_000)
WALLET_AUTH = Eip712(None, b"\x01" * 65, None)


def an_envelope(
    network: Network,
    kind: int,
    author: Account = ALICE,
    *,
    auth: Auth = WALLET_AUTH,
    private: bool = False,
    **changes: Any,
) -> Envelope:
    return check_item(network, kind, author, pack(a_body(kind, author, **changes)), auth, private=private)


def a_note(
    network: Network, seq: int = 1, author: Account = ALICE, *, auth: Auth = WALLET_AUTH, **changes: Any
) -> Part:
    return Part((an_envelope(network, Kind.NOTIFICATION, author, auth=auth, seq=seq, **changes),))


def a_session(grant: Envelope) -> Session:
    return Session(grant.body.key, grant.id, b"\x02" * 64, None)  # type: ignore[union-attr]  # callers pass grants


def a_run(network: Network, count: int = 4, first_seq: int = 1, *, auth: Auth = WALLET_AUTH, **changes: Any) -> Part:
    """A whole batch of notifications by ALICE, one run."""
    bodies = [
        a_body(Kind.NOTIFICATION, ALICE, seq=first_seq + index, **({"body": f"leaf {index}"} | changes))
        for index in range(count)
    ]
    ids = [envelope_id(network, ALICE, Kind.NOTIFICATION, body) for body in bodies]
    expires_at = max(body.expires_at for body in bodies)
    epoch = network.epoch(bodies[0].issued_at)
    statement = Statement(ALICE, Kind.NOTIFICATION, TOPIC, epoch, first_seq, count, expires_at, root_of(ids), auth)
    leaves = tuple(check_leaf(network, statement, index, pack(body)) for index, body in enumerate(bodies))
    return Part(leaves, statement, 0, tuple(audit_path(ids, 0, count)))


__all__ = [
    "ALICE",
    "BOB",
    "CAROL",
    "ISSUED_AT",
    "NOW",
    "TOPIC",
    "WALLET_AUTH",
    "WALLET_RANGE",
    "a_note",
    "a_run",
    "a_session",
    "an_envelope",
]
