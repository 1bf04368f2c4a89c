"""The checks of one part of a frame in the order of SPEC 7.7, up to the signature: what is cheap comes first."""

from collections.abc import Sequence

from .auth.verify import Claim, envelope_claim, statement_claim
from .envelope import Envelope
from .errors import Refusal
from .frames import Part
from .judge import check_clock, check_slot
from .network import Network


def cheap_failures(
    network: Network, part: Part, now_ms: int, *, by_sync: bool = False, allowance: int | None = None
) -> Sequence[Refusal | None]:
    """Clock, slot and work of every envelope: one Refusal or None each, or nothing at all where all hold.

    `allowance` is the author's where the caller knows better than the network's parameters."""
    first = part.envelopes[0]
    if allowance is None:
        allowance = network.parameters.allowance(first.author)
    slot = _slot_failure(network, first, allowance)  # a batch is judged as a whole, so its first leaf speaks for all
    failures = [_clock_failure(network, envelope, now_ms, by_sync) or slot for envelope in part.envelopes]
    return failures if any(failures) else ()


def _slot_failure(network: Network, envelope: Envelope, allowance: int) -> Refusal | None:
    try:
        check_slot(network, envelope, allowance)
    except Refusal as refusal:
        return refusal.alone()
    return None


def _clock_failure(network: Network, envelope: Envelope, now_ms: int, by_sync: bool) -> Refusal | None:
    try:
        check_clock(network, envelope, now_ms, by_sync=by_sync)
    except Refusal as refusal:
        return refusal.alone()
    return None


def claim_of(network: Network, part: Part) -> Claim:
    """The one signature that a part rests on: the envelope's own, or its batch statement's."""
    if part.statement is not None:
        return statement_claim(network, part.statement)
    envelope = part.envelopes[0]
    return envelope_claim(envelope.author, envelope.kind, envelope.auth, envelope.body, envelope.id)
