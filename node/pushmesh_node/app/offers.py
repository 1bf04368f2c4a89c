"""What comes in, with all that is known of it, on its way to the engine: pure steps that the node and the simulator
share. Never waits and asks nobody."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from pushmesh_protocol.auth.verify import Claim
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.examine import cheap_failures, claim_of
from pushmesh_protocol.frames import OpenFrame, Part
from pushmesh_protocol.limits import MAX_AUTHS_PER_ID
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.types import Account, UnixMs

from ..engine.events import Candidate, CaughtUp, Offer, Offered, Source
from ..engine.records import Holder, SlotRange, Target
from ..gossip.rotating import RotatingCounter
from ..ipc import ItemVerdict


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What is already known of a part when it comes in: the gossip process verified it (`verified`), with its own
    failures."""

    verified: bool = False
    failures: Sequence[Refusal | None] = ()
    known: Sequence[bool] = ()
    sizes: Sequence[int] = ()
    data: bytes | None = None


NOTHING = Finding()


class Entry(msgspec.Struct, frozen=True):
    """One frame, request or page on its way in; `envelopes` is how many envelopes it carries, at least 1."""

    source: Source
    parts: Sequence[Part]
    findings: Sequence[Finding]
    envelopes: int
    unreadable: Sequence[tuple[int, Refusal]] = ()
    decided: "asyncio.Future[None] | None" = None
    due_s: float = 0.0
    """Of a lane, what is due first comes first; at ties what came first."""


def entry_of(
    source: Source,
    parts: Sequence[Part],
    findings: Sequence[Finding] | None = None,
    unreadable: Sequence[tuple[int, Refusal]] = (),
    decided: "asyncio.Future[None] | None" = None,
    due_s: float = 0.0,
) -> Entry:
    """An entry; without `findings` nothing is known of its parts yet."""
    envelopes = sum([len(part.envelopes) for part in parts]) or 1
    return Entry(
        source,
        parts,
        findings if findings is not None else [NOTHING] * len(parts),
        envelopes,
        unreadable,
        decided,
        due_s,
    )


def parts_of(opened: OpenFrame) -> tuple[list[Part], list[tuple[int, Refusal]]]:
    """All that can be judged, the grants of the table first, and what cannot be read, with its place."""
    parts: list[Part] = []
    unreadable: list[tuple[int, Refusal]] = []
    for entry in (*opened.grants, *opened.parts):
        if isinstance(entry, Refusal):
            unreadable.append((len(parts), entry))
        else:
            parts.append(entry if isinstance(entry, Part) else Part((entry,)))
    return parts, unreadable


def findings_of(parts: Sequence[Part], items: Sequence[ItemVerdict]) -> list[Finding] | None:
    """The gossip process's verdicts on a frame, part by part; None where the two do not match."""
    findings: list[Finding] = []
    place = 0
    for part in parts:
        mine = items[place : place + len(part.envelopes)]
        if [item.id for item in mine] != [envelope.id for envelope in part.envelopes]:
            return None
        findings.append(_finding(mine))
        place += len(mine)
    return findings if place == len(items) else None


def _finding(items: Sequence[ItemVerdict]) -> Finding:
    known = [item.known for item in items]
    sizes = [item.size_bytes for item in items]
    if any(item.verdict is None for item in items):  # the gossip process could not tell, so it is checked here
        return Finding(known=known, sizes=sizes)
    failures = [
        None if item.verdict == Verdict.ACCEPT else Refusal(Reason(item.reason), "7.7", "the gossip process says so")
        for item in items
    ]
    return Finding(verified=True, failures=failures if any(failures) else (), known=known, sizes=sizes)


def hashes_to_remember(
    items: Iterable[ItemVerdict],
    envelopes: Iterable[Envelope],
    authorised: Callable[[Envelope], bool],
    auths: RotatingCounter,
) -> list[bytes]:
    """Of a frame that was decided: what is authorised, and only that, needs no second check (SPEC 7.5); of one id at
    most so many auths (SPEC 7.6), so that nobody fills the cache with one envelope."""
    return [
        item.item_hash
        for item, envelope in zip(items, envelopes, strict=True)
        if item.verdict == Verdict.ACCEPT
        and not item.known
        and authorised(envelope)
        and auths.add(item.id) <= MAX_AUTHS_PER_ID
    ]


def failures_of(
    network: Network, source: Source, part: Part, finding: Finding, now_ms: UnixMs
) -> Sequence[Refusal | None]:
    """Clock, slot and work of a part, beside what the gossip process found."""
    if finding.verified and not any(finding.known):
        return finding.failures
    by_sync = isinstance(source, CaughtUp)
    return join_failures(finding.failures, cheap_failures(network, part, now_ms, by_sync=by_sync))


def join_failures(failures: Sequence[Refusal | None], more: Sequence[Refusal | None]) -> Sequence[Refusal | None]:
    """Both lists as one. The gossip process passes a known item whatever the clock says, though this node may not
    hold it any more; without this everybody could bring what is over back as new."""
    if not failures or not more:
        return failures or more
    return [one or other for one, other in zip(failures, more, strict=True)]


def claims_of(network: Network, parts: Sequence[Part]) -> tuple[list[Claim], list[int]]:
    """What is to be verified, and for each part the place of its claim: runs of one batch in a frame share
    their statement, and so its check."""
    claims: list[Claim] = []
    numbers: list[int] = []
    first_seen: dict[int, int] = {}
    for part in parts:
        number = len(claims)
        if part.statement is not None:
            number = first_seen.setdefault(id(part.statement), number)
        if number == len(claims):
            claims.append(claim_of(network, part))
        numbers.append(number)
    return claims, numbers


def slots_of(network: Network, part: Part) -> SlotRange:
    """The slots whose holders must be known before a part is decided."""
    first, last = part.envelopes[0], part.envelopes[-1]
    epoch = network.epoch(first.body.issued_at)
    return SlotRange(Account(first.author), epoch, first.body.seq, last.body.seq + last.cost)


def all_held(part: Part, holders: Sequence[Holder]) -> bool:
    """What sync brings again needs no signature check: it changes nothing."""
    held = {holder.id for holder in holders}
    return all(envelope.id in held for envelope in part.envelopes)


def offered_of(
    batch: Sequence[Entry],
    failures: Sequence[Sequence[Refusal | None]],
    held: Sequence[Sequence[Holder]],
    seen_commit: int,
    targets: Mapping[bytes, Target] | None = None,
) -> Offered:
    """What the engine is told of a batch: `failures` and `held` have one entry for each part, in order."""
    place = 0
    offers = []
    for entry in batch:
        candidates = []
        for part, finding in zip(entry.parts, entry.findings, strict=True):
            candidates.append(Candidate(part, failures[place], held[place], finding.known, finding.sizes, finding.data))
            place += 1
        offers.append(Offer(entry.source, candidates, entry.unreadable))
    return Offered(offers, seen_commit, targets or {})
