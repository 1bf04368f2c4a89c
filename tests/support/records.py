"""Builders of store records with telling defaults. The `data` is no real frame: the store never looks into it."""

import hashlib
from collections.abc import Sequence

from pushmesh_node.engine.records import Record
from pushmesh_protocol.accounts import Topic, evm_account
from pushmesh_protocol.types import Account, EnvelopeId, Epoch, UnixMs

HOUR_MS = 3_600_000
NOW = 1_700_000_000_000
SHOP = evm_account(b"shop" + bytes(16))
ALICE = evm_account(b"alice" + bytes(15))
BOB = evm_account(b"bob" + bytes(17))
NEWS = Topic(SHOP, "news")
OFFERS = Topic(SHOP, "offers")
EVERYBODY = None
HASHES = (b"policy" + bytes(26), b"preferences" + bytes(21))

NOTIFICATION = 5
GRANT = 2


def id_of(commit_no: int) -> EnvelopeId:
    """The id that `record` gives the envelope with this commit number."""
    return EnvelopeId(hashlib.sha256(b"id %d" % commit_no).digest())


def record(
    first_commit: int,
    *audiences: Sequence[Account] | None,
    kind: int = NOTIFICATION,
    topic: Topic | None = NEWS,
    epoch: int = 7,
    first_seq: int | None = None,
    width: int | None = None,
    issued_at: int = NOW,
    expires_at: int = NOW + 24 * HOUR_MS,
    sent: bool = True,
    data: bytes | None = None,
    due_ats: tuple[UnixMs | None, ...] = (),
    collapsing: tuple[bool, ...] = (),
) -> Record:
    """A record of as many envelopes as there are audiences; none given means one envelope for everybody."""
    leaves = audiences or (EVERYBODY,)
    first = first_commit if first_seq is None else first_seq
    return Record(
        first_commit=first_commit,
        kind=kind,
        author=SHOP,
        topic=topic,
        epoch=Epoch(epoch),
        first_seq=first,
        end_seq=first + (width or len(leaves)),
        issued_at=UnixMs(issued_at),
        expires_at=UnixMs(expires_at),
        ids=tuple(id_of(first_commit + i) for i in range(len(leaves))),
        issued_ats=(UnixMs(issued_at),) * len(leaves),
        audiences=tuple(None if audience is None else tuple(audience) for audience in leaves),
        sent=sent,
        data=b"frame %d" % first_commit if data is None else data,
        due_ats=due_ats,
        collapsing=collapsing,
    )
