"""What goes into the store and what comes out of it, as data. No behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.receipts import SealWords
from pushmesh_protocol.types import Account, EnvelopeId, Epoch, UnixMs

from ..ledger.records import VoucherRecord as VoucherRecord


class Record(msgspec.Struct, frozen=True, gc=False):
    """One item to commit: an envelope with its own auth (count 1), or a run of batch leaves (count n).

    Envelope i of the record has commit number `first_commit + i` and, for a run, slot `first_seq + i`; a single
    envelope covers the
    slots first_seq .. end_seq - 1. `data` is a self-contained frame of this one item: what sync sends and
    readers decode. `due_ats` is empty, or has one entry per envelope: until that time no inbox shows it.
    `expires_at` is when the last of it may go, `ends` when each envelope may (SPEC 9.2); empty where all are alike."""

    first_commit: int
    kind: int
    author: Account
    topic: Topic | None
    epoch: Epoch
    first_seq: int
    end_seq: int
    issued_at: UnixMs
    expires_at: UnixMs
    ids: tuple[EnvelopeId, ...]
    issued_ats: tuple[UnixMs, ...]
    audiences: tuple[tuple[Account, ...] | None, ...]
    sent: bool
    data: bytes
    due_ats: tuple[UnixMs | None, ...] = ()
    ends: tuple[int, ...] = ()
    collapsing: tuple[bool, ...] = ()
    """Whether each envelope has a collapse key; empty where none has."""
    published: bool = False
    """A publisher handed it in here and is owed a receipt."""

    @property
    def count(self) -> int:
        """Envelopes in the record."""
        return len(self.ids)


class DueRecord(msgspec.Struct, frozen=True, gc=False):
    """An envelope whose time has come shows up in inboxes, under a new commit number of its own: readers may have
    passed the one that it was stored under, `origin`. `data` is a frame of this envelope alone."""

    commit_no: int
    origin: int
    due_at: UnixMs
    audience: tuple[Account, ...] | None
    data: bytes


class Scheduled(msgspec.Struct, frozen=True, gc=False):
    """Tells that a stored envelope, which no inbox shows, is to be shown from a time on: what it waited for is there.
    An `Unscheduled` or a DueRecord of the same transaction does not undo it."""

    commit_no: int
    due_at: UnixMs


class Unscheduled(msgspec.Struct, frozen=True, gc=False):
    """Tells that an envelope is not shown when its time comes: it is over, gone, or void."""

    commit_no: int
    due_at: UnixMs


class SlotRange(msgspec.Struct, frozen=True, gc=False):
    """A question to the store: who holds the slots first_seq .. end_seq - 1 of an author in an epoch?"""

    author: Account
    epoch: Epoch
    first_seq: int
    end_seq: int


class Holder(msgspec.Struct, frozen=True, gc=False):
    """One envelope that holds some of the asked slots."""

    first_seq: int
    end_seq: int
    id: EnvelopeId
    commit_no: int
    sent: bool


class Target(msgspec.Struct, frozen=True, gc=False):
    """A notification as its retractions see it; an audience of None is all subscribers."""

    topic: Topic
    expires_at: int
    audience: tuple[Account, ...] | None


class ReceiptWish(msgspec.Struct, frozen=True, gc=False):
    """A publisher asks about a stored envelope that came another way: it gets a receipt now, if it has none."""

    commit_no: int
    id: EnvelopeId
    expires_at: UnixMs


class StoredSeal(msgspec.Struct, frozen=True, gc=False):
    """A seal of the receipt chain, unsigned, and the envelopes that it covers in the order of its tree: commit numbers
    and ids. `ends_at` is when the last of them expires."""

    words: SealWords
    commits: Sequence[int]
    ids: Sequence[bytes]
    ends_at: int


@dataclass(frozen=True, slots=True)
class StoredItem:
    """A committed record as read back; `data` is its frame, `count` its envelopes."""

    first_commit: int
    count: int
    kind: int
    data: bytes


class StoredDue(msgspec.Struct, frozen=True, gc=False):
    """A stored envelope whose time has come: envelope `index` of the frame `data`, None where that is gone."""

    commit_no: int
    due_at: UnixMs
    index: int
    data: bytes | None
    void: bool
    late: bool = False


@dataclass(frozen=True, slots=True)
class StoredEnvelope:
    """One committed envelope: envelope `index` of the frame `data`. Of what inboxes show `late` is told, and `listed`
    where it, or what it takes back, lists the wallet."""

    commit_no: int
    index: int
    kind: int
    data: bytes
    late: bool = False
    listed: bool = False


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A delivery verdict other than `now`, kept for explain: why this wallet did not get this message."""

    account: Account
    commit_no: int
    verdict: str
    reason: str
    rule: str
    decided_at: UnixMs
    policy_hash: bytes
    preferences_hash: bytes


@dataclass(frozen=True, slots=True)
class PrivateRecord:
    """The newest private envelope of a kind and wallet; `data` is the packed item."""

    account: Account
    kind: int
    issued_at: UnixMs
    expires_at: UnixMs
    data: bytes


@dataclass(frozen=True, slots=True)
class PrivateTopicRecord:
    """A wallet's newest private word on a topic (its packed form); `data` is the packed item. One that had to make room
    for another's ends at 0."""

    account: Account
    topic: bytes
    issued_at: UnixMs
    expires_at: UnixMs
    data: bytes


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A node-bound token that was shown here; `digest` is SHA-256 of its text, `expires_at` the earlier of its own
    end and its grant's. Of the token itself nothing is kept that would open anything."""

    digest: bytes
    account: Account
    grant_id: bytes
    scopes: tuple[int, ...]
    topics: tuple[Topic, ...] | None
    expires_at: UnixMs
    first_seen: UnixMs
    revoked: bool


@dataclass(frozen=True, slots=True)
class GuestRecord:
    """A wallet that asked for its inbox to go to a bridge's broker, and what its wish rests on: a grant, and a token of
    it; neither for the wallet's own signature. It ends at `expires_at`, 0 where it was taken back."""

    bridge: str
    account: Account
    grant_id: bytes | None
    token: bytes | None
    expires_at: UnixMs


OWN_DEVICES: Final = "bridge:"
"""In front of the node's own devices, its bridges: no client's device is called so."""

APART = "\x1f"
"""In no device's own name, since it is not printable."""


class CursorRecord(msgspec.Struct, frozen=True, gc=False):
    """How far a wallet's device has acknowledged: `commit_no` inclusive.

    The devices of a token that is limited to some topics stand apart from the wallet's own: their names begin with
    `APART`, what stands for the topics, and `APART` again."""

    account: Account
    device: str
    commit_no: int
    at: UnixMs


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """What a wallet has read: everything up to `commit_no`, and `marks` above it, ascending.

    `restriction` stands for the topics that a token is limited to, empty for the wallet itself."""

    account: Account
    restriction: str
    commit_no: int
    marks: tuple[int, ...]
    at: UnixMs


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Lets go of so many devices, and of what so many wallets have read: those that were silent for longest."""

    cursors: int = 0
    reads: int = 0


@dataclass(frozen=True, slots=True)
class PeerEntry:
    """What is worth keeping of a peer between two lives of the gossip process: where it can be dialled, when it was
    connected last, its score in thousandths, whether this node ever reached it, and its bans."""

    node_id: bytes
    addresses: tuple[str, ...]
    last_seen: UnixMs
    score_milli: int
    proven: bool
    banned_until: UnixMs
    bans: int


class HandedRecord(msgspec.Struct, frozen=True, gc=False):
    """A notification that names an origin got to a wallet here: the origin is owed the outcome. `level` is 4 delivered
    or 5 acknowledged, a higher one replaces a lower; `named` that the wallet's subscription lets it be named;
    `evidence` the packed acknowledgement of level 5."""

    id: EnvelopeId
    account: Account
    issued_at: UnixMs
    origin: bytes
    level: int
    named: bool
    at: UnixMs
    ends_at: UnixMs
    evidence: bytes | None


class Owed(msgspec.Struct, frozen=True, gc=False):
    """An outcome that its origin was not told yet. `delivered` and `acknowledged` are the totals of its
    notification here."""

    handed: HandedRecord
    delivered: int
    acknowledged: int


class ToldMark(msgspec.Struct, frozen=True, gc=False):
    """The origin has taken the outcome of this level."""

    id: EnvelopeId
    account: Account
    level: int


class ReachedRecord(msgspec.Struct, frozen=True, gc=False):
    """What a delivering node told this one, the origin: a wallet by name, or with `account` empty a total. What is
    kept of (notification, node, account, level for a total) only grows."""

    commit_no: int
    node_id: bytes
    account: Account | None
    level: int
    count: int
    at: UnixMs
    ends_at: UnixMs
    evidence: bytes | None


@dataclass(frozen=True, slots=True)
class SentMark:
    """Tells that a stored envelope has now been sent in a frame (SPEC 8.11)."""

    commit_no: int


@dataclass(frozen=True, slots=True)
class VoidMark:
    """Tells that an envelope turned out to share a slot and is void (SPEC 6.5)."""

    commit_no: int


@dataclass(frozen=True, slots=True)
class LateMark:
    """Tells that a message came by sync after this node had thought that it held all of its time (SPEC 7.9)."""

    commit_no: int


@dataclass(frozen=True, slots=True)
class InSyncMark:
    """This node was in sync then; the last such time is kept."""

    at: UnixMs


Write = (
    Record
    | DueRecord
    | Scheduled
    | Unscheduled
    | ReceiptWish
    | HandedRecord
    | ToldMark
    | ReachedRecord
    | VoucherRecord
    | DecisionRecord
    | PrivateRecord
    | PrivateTopicRecord
    | TokenRecord
    | GuestRecord
    | CursorRecord
    | ReadRecord
    | LeftBehind
    | PeerEntry
    | SentMark
    | VoidMark
    | LateMark
    | InSyncMark
)
