"""Looks up what retractions take back, before the engine decides about them."""

from collections.abc import Iterable

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Notification, Retraction

from ..engine.records import Target
from ..engine.targets import target_of
from ..storage.store import Store
from .opened import Opener


async def targets_of(store: Store, opener: Opener, envelopes: Iterable[Envelope]) -> dict[bytes, Target]:
    """By id the targets that are held of those among the envelopes that are retractions. Raises StoreFailed."""
    wanted = [envelope.body.target for envelope in envelopes if isinstance(envelope.body, Retraction)]
    found: dict[bytes, Target] = {}
    for row in await store.find_all(wanted):
        part, index = opener.open(row)
        target = part.envelopes[index]
        if isinstance(target.body, Notification):
            found[target.id] = target_of(target)
    return found
