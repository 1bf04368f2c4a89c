"""The outcomes of what is refused, and those of a request in the order of its frame."""

from collections.abc import Sequence

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal

from .answers import Level, Outcome
from .events import Offer


def refused(envelope: Envelope | None, refusal: Refusal) -> Outcome:
    """The outcome of an envelope that is not taken, None for one that could not be read."""
    envelope_id = None if envelope is None else envelope.id
    return Outcome(envelope_id, Level.REFUSED, refusal.reason, refusal.rule, refusal.detail, None)


def in_order(offer: Offer, answers: Sequence[Sequence[Outcome]]) -> list[Outcome]:
    """Of a request's candidates, with the unreadable entries in their places."""
    groups = list(answers)
    for place, refusal in offer.unreadable:
        groups.insert(place, [refused(None, refusal)])
    return [outcome for group in groups for outcome in group]
