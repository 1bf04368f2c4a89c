"""May a gossiped frame be forwarded unchanged? (SPEC 8.10, 8.11)"""

from collections.abc import Sequence

from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason, Verdict

from ..gossip.rotating import RotatingSet
from .answers import Level, Outcome
from .effects import Judge
from .events import Candidate, Gossiped, Offer
from .parts import run_overhead_bytes


def first_reject(offer: Offer) -> Refusal | None:
    """The first Refusal that REJECTs the whole frame."""
    for _, refusal in offer.unreadable:
        if refusal.verdict is Verdict.REJECT:
            return refusal
    for candidate in offer.candidates:
        for failure in candidate.failures:
            if failure is not None and failure.verdict is Verdict.REJECT:
                return failure
    return None


def judge(source: Gossiped, offer: Offer, answers: Sequence[Sequence[Outcome]], ridden: RotatingSet) -> Judge:
    """ACCEPT where every item is accepted now or has a known item hash, and new items are at least half of the
    bytes. `ridden` are ids of grants that this node has sent in a grant table before."""
    new_bytes = 0
    blocking: Reason | None = offer.unreadable[0][1].reason if offer.unreadable else None
    for candidate, outcomes in zip(offer.candidates, answers, strict=True):
        for index, outcome in enumerate(outcomes):
            if is_new(outcome):
                new_bytes += candidate.sizes[index] if candidate.sizes else 0
            elif not _is_known(candidate, index, outcome):
                blocking = blocking or outcome.reason
    if blocking is not None:
        return Judge(source.frame_no, Verdict.IGNORE, blocking, new_bytes)
    if new_bytes == 0:
        return Judge(source.frame_no, Verdict.IGNORE, Reason.DUPLICATE, 0)
    if 2 * _known_bytes(offer, answers, ridden) > source.frame_bytes:
        return Judge(source.frame_no, Verdict.IGNORE, Reason.STALE_FRAME, new_bytes)
    return Judge(source.frame_no, Verdict.ACCEPT, Reason.OK, new_bytes)


def is_new(outcome: Outcome) -> bool:
    """Accepted now: stored, or held and never sent before."""
    return outcome.level is Level.DURABLE and outcome.reason is not Reason.DUPLICATE


def _is_known(candidate: Candidate, index: int, outcome: Outcome) -> bool:
    """Its item hash was known, or its id was and this auth is authorised too (SPEC 7.6)."""
    return outcome.level is Level.DURABLE or bool(candidate.known and candidate.known[index])


def riders(offer: Offer) -> list[bytes]:
    """The ids of the grants in a frame's table: those that items beside them refer to."""
    envelopes = [candidate.part.envelopes[0] for candidate in offer.candidates]
    named = {envelope.session.grant_id for envelope in envelopes if envelope.session is not None}
    return [envelope.id for envelope in envelopes if envelope.id in named]


def _known_bytes(offer: Offer, answers: Sequence[Sequence[Outcome]], ridden: RotatingSet) -> int:
    """Encoded bytes of what no new item is or refers to: items, grants, run headers and paths, statements."""
    pairs = list(zip(offer.candidates, answers, strict=True))
    sessions = (candidate.part.envelopes[0].session for candidate, outcomes in pairs if any(map(is_new, outcomes)))
    needed = {session.grant_id for session in sessions if session is not None}
    known_bytes = 0
    statements: dict[bytes, bool] = {}
    for candidate, outcomes in pairs:
        part = candidate.part
        fresh = any(map(is_new, outcomes))
        if not fresh and part.envelopes[0].id in needed and part.envelopes[0].id not in ridden:
            continue  # the grant of a new item, which may have come by itself before
        for index, outcome in enumerate(outcomes):
            if not is_new(outcome) and candidate.sizes:
                known_bytes += candidate.sizes[index]
        if part.statement is not None:
            known_bytes += 0 if fresh else run_overhead_bytes(part)
            packed = pack(part.statement)
            statements[packed] = fresh or statements.get(packed, False)
    return known_bytes + sum(len(packed) for packed, fresh in statements.items() if not fresh)
