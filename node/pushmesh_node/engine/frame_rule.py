"""May a gossiped frame be forwarded unchanged? (SPEC 8.10, 8.11)"""

from collections.abc import Sequence

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.reasons import Reason, Verdict

from .answers import Level, Outcome
from .effects import Judge
from .events import Gossiped, Offer
from .parts import run_overhead_bytes, statement_bytes


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


def judge(source: Gossiped, offer: Offer, answers: Sequence[Sequence[Outcome]]) -> Judge:
    """ACCEPT where every item is accepted now or has a known item hash, and new items are at least half of the
    bytes."""
    new_bytes = 0
    known_bytes = 0
    statements: dict[int, tuple[int, bool]] = {}
    blocking: Reason | None = offer.unreadable[0][1].reason if offer.unreadable else None
    for candidate, outcomes in zip(offer.candidates, answers, strict=True):
        fresh = False
        for index, outcome in enumerate(outcomes):
            size = candidate.sizes[index] if candidate.sizes else 0
            if outcome.level is Level.DURABLE and outcome.reason is not Reason.DUPLICATE:
                new_bytes += size
                fresh = True
            elif candidate.known and candidate.known[index]:
                known_bytes += size
            else:
                blocking = blocking or outcome.reason
        known_bytes += 0 if fresh else run_overhead_bytes(candidate.part)
        _note_statement(statements, candidate.part, fresh)
    known_bytes += sum(size for size, fresh in statements.values() if not fresh)
    if blocking is not None:
        return Judge(source.frame_no, Verdict.IGNORE, blocking, new_bytes)
    if new_bytes == 0:
        return Judge(source.frame_no, Verdict.IGNORE, Reason.DUPLICATE, 0)
    if 2 * (source.frame_bytes - known_bytes) < source.frame_bytes:
        return Judge(source.frame_no, Verdict.IGNORE, Reason.STALE_FRAME, new_bytes)
    return Judge(source.frame_no, Verdict.ACCEPT, Reason.OK, new_bytes)


def _note_statement(statements: dict[int, tuple[int, bool]], part: Part, fresh: bool) -> None:
    if part.statement is not None:
        size, was_fresh = statements.get(id(part.statement), (statement_bytes(part), False))
        statements[id(part.statement)] = (size, was_fresh or fresh)
