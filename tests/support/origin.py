"""A node that is an origin, two of its subscribers, and what a delivering node may tell it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pushmesh_node.app.clock import now_ms
from pushmesh_node.app.node import Node
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.outcomes import OutcomeRow, OutcomeStatement, OutcomeWords, Recipient, sign_outcome
from pushmesh_protocol.types import Account
from support.app_world import NETWORK, a_node, a_note_now, a_principal, count, publish, signed
from support.wallets import a_wallet

DAPP, OPEN, SHY, STRANGER = (a_wallet(number) for number in (1, 2, 3, 4))
SEED = b"\x61" * 32
PEER = public_key(SEED)


@asynccontextmanager
async def an_origin(folder: Path) -> AsyncIterator[Node]:
    async with a_node(folder) as node:
        topic = DAPP.topic("news")
        await publish(
            node,
            signed(OPEN, 4, topic=topic, seq=5, receipts=True),
            signed(SHY, 4, topic=topic, seq=6, receipts=False),
        )
        yield node


async def a_notification(node: Node, seq: int = 1, **changes: Any) -> Envelope:
    """Published here, with this node as its origin."""
    topic = DAPP.topic("news")
    note = a_note_now(DAPP, seq, **({"topic": topic, "origin": node.node_id, "audience": None} | changes))
    (outcome,) = await publish(node, note)
    assert outcome.reason == "ok", outcome
    return note


def delivered(note: Envelope, total: int, *names: Account) -> OutcomeRow:
    return OutcomeRow(
        note.id, note.body.issued_at, 4, total, [Recipient(name, now_ms(), None) for name in sorted(names)]
    )


def stated(node: Node, *rows: OutcomeRow, seed: bytes = SEED) -> OutcomeStatement:
    ordered = sorted(rows, key=lambda row: (row.id, row.level))
    return sign_outcome(seed, NETWORK, OutcomeWords(public_key(seed), node.node_id, now_ms(), ordered))


async def take(node: Node, statement: OutcomeStatement, signer: bytes = PEER) -> int:
    return await node.assurance._desk.take(statement, signer)


async def status(node: Node, note: Envelope) -> dict[str, Any]:
    return await node.assurance.statuses.status(a_principal(DAPP.account), note.id, None, b"", 100)


def heard(node: Node, reason: str) -> float:
    return count(node, "pushmesh_acknowledgements_total", what="outcome-heard", reason=reason)
