"""Looks up what retractions take back, before the engine decides about them."""

from collections.abc import Iterable

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind, Notification, Retraction

from ..engine.records import Target
from ..engine.targets import target_of
from ..storage.store import Store
from .opened import Opener


async def targets_of(store: Store, opener: Opener, envelopes: Iterable[Envelope]) -> dict[bytes, Target]:
    """By id the targets that are held of those among the envelopes that are retractions, but for those that had expired
    before any of them was signed: who makes targets up must not have years of hours searched. Raises StoreFailed."""
    taking = [envelope.body for envelope in envelopes if isinstance(envelope.body, Retraction)]
    if not taking:
        return {}
    since_ms = min([body.issued_at for body in taking]) - opener.network.longest_life_ms(Kind.NOTIFICATION)
    found: dict[bytes, Target] = {}
    for row in await store.find_all([body.target for body in taking], since_ms):
        part, index = opener.open(row)
        target = part.envelopes[index]
        if isinstance(target.body, Notification):
            found[target.id] = target_of(target)
    return found
