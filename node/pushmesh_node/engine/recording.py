"""Parts as records for the store: what goes with them, and when inboxes may show them."""

from dataclasses import replace

from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind, Notification, Retraction
from pushmesh_protocol.network import Network
from pushmesh_protocol.timestamps import timestamp_of
from pushmesh_protocol.types import Account, Epoch, UnixMs

from .records import PrivateRecord, PrivateTopicRecord, Record, SentMark, VoidMark, Write


def record_of(
    network: Network,
    part: Part,
    first_commit: int,
    epoch: Epoch,
    *,
    sent: bool,
    data: bytes | None,
    now_ms: int,
    published: bool = False,
    audiences: tuple[tuple[Account, ...] | None, ...] | None = None,
) -> Record:
    """A part as the store takes it; `data` is its frame where that is there already, `published` says that a publisher
    is owed a receipt. `audiences` are whom inboxes show it to where its own bytes do not say so."""
    first = part.envelopes[0]
    last = part.envelopes[-1]
    ends = tuple([timestamp_of(network, envelope) for envelope in part.envelopes])
    end = max(ends)
    return Record(
        first_commit=first_commit,
        kind=first.kind,
        author=first.author,
        topic=first.body.topic,
        epoch=epoch,
        first_seq=first.body.seq,
        end_seq=last.body.seq + last.cost,
        issued_at=UnixMs(first.body.issued_at),
        expires_at=UnixMs(end),
        ids=tuple([envelope.id for envelope in part.envelopes]),
        issued_ats=tuple([UnixMs(envelope.body.issued_at) for envelope in part.envelopes]),
        audiences=tuple([audience_of(envelope) for envelope in part.envelopes]) if audiences is None else audiences,
        sent=sent,
        data=encode_frame([part]) if data is None else data,
        due_ats=_due_ats(part, now_ms),
        ends=() if min(ends) == end else ends,
        collapsing=_collapsing(part),
        published=published,
    )


def private_record_of(envelope: Envelope) -> PrivateRecord | PrivateTopicRecord:
    """A private envelope as the store takes it: the newest of a wallet's kind, or of its words on a topic."""
    account, body, data = envelope.author, envelope.body, encode_frame([Part((envelope,))])
    issued_at, expires_at = UnixMs(body.issued_at), UnixMs(body.expires_at)
    if envelope.kind == Kind.PRIVATE_SUBSCRIPTION:
        return PrivateTopicRecord(account, pack(envelope.topic), issued_at, expires_at, data)
    return PrivateRecord(account, envelope.kind, issued_at, expires_at, data)


def word_let_go(word: Envelope) -> PrivateTopicRecord:
    """A private word that made room for another: its record ends at once."""
    record = private_record_of(word)
    assert isinstance(record, PrivateTopicRecord)  # the kind says so
    return replace(record, expires_at=UnixMs(0))


def _collapsing(part: Part) -> tuple[bool, ...]:
    """Empty where none has a collapse key, which is mostly so."""
    keyed = [isinstance(e.body, Notification) and e.body.collapse is not None for e in part.envelopes]
    return tuple(keyed) if any(keyed) else ()


def _due_ats(part: Part, now_ms: int) -> tuple[UnixMs | None, ...]:
    """Empty where everything may be shown at once, which is nearly always."""
    times = [not_before(envelope) for envelope in part.envelopes]
    if max(times) <= now_ms:
        return ()
    return tuple([UnixMs(time) if time > now_ms else None for time in times])


def not_before(envelope: Envelope) -> int:
    """When an envelope may be shown at the earliest, Unix ms; 0 for at once (SPEC 4.15)."""
    body = envelope.body
    return (body.not_before or 0) if isinstance(body, Notification) else 0


def audience_of(envelope: Envelope) -> tuple[Account, ...] | None:
    """Whom an envelope lists; None is all subscribers, or nobody in particular. A retraction lists nobody: its target
    says who gets it."""
    body = envelope.body
    if isinstance(body, Retraction):
        return ()
    if isinstance(body, Notification) and body.audience is not None:
        return tuple([Account(account) for account in body.audience])
    return None


def changes_state(write: Write) -> bool:
    """Whether what the engine holds follows from it: where it was not stored after all, that is to be restored."""
    if isinstance(write, Record):
        return write.kind != Kind.NOTIFICATION
    return isinstance(write, PrivateRecord | PrivateTopicRecord | VoidMark | SentMark)
