"""Which of two words of one signer's author on one matter is chosen (SPEC 4.14). Pure."""

from .envelope import Envelope
from .kinds.subscription import Subscription


def newer(one: Envelope, other: Envelope) -> bool:
    """Whether `one` is chosen over `other`: later issued-at; at a tie off beats on; then the lower id."""
    if one.body.issued_at != other.body.issued_at:
        return one.body.issued_at > other.body.issued_at
    one_off, other_off = _is_off(one), _is_off(other)
    if one_off != other_off:
        return one_off
    return one.id < other.id


def _is_off(envelope: Envelope) -> bool:
    return isinstance(envelope.body, Subscription) and not envelope.body.on
