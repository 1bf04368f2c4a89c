"""What stands in the sets of sync, by what the engine knows (SPEC 9.3), and where."""

from collections.abc import Iterable
from typing import NamedTuple

from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import SHARD_KINDS, Kind
from pushmesh_protocol.network import Network
from pushmesh_protocol.timestamps import timestamp_of

from ..sync.parts import part_of
from .state import ACTING_KINDS, State

REPLACED_KINDS = frozenset({Kind.SUBSCRIPTION, Kind.TOPIC})


class Member(NamedTuple):
    """A record of a set."""

    part: int
    timestamp: int
    id: bytes


def member_of(network: Network, envelope: Envelope) -> Member:
    """Where an envelope stands, if it does."""
    shard = network.shard(pack(envelope.topic)) if envelope.kind in SHARD_KINDS else None
    return Member(
        part_of(envelope.kind, shard, network.shard_count), timestamp_of(network, envelope), bytes(envelope.id)
    )


def belongs(state: State, envelope: Envelope, void: bool) -> bool:
    """Whether a stored envelope stands in its set."""
    if void and envelope.kind not in ACTING_KINDS:
        return False
    try:
        state.authority.check(envelope)
    except Refusal:
        return False
    if envelope.kind == Kind.SUBSCRIPTION:
        return not state.subscriptions.is_outdone(envelope)
    if envelope.kind == Kind.TOPIC and envelope.topic is not None:
        return not state.topics.is_outdone(envelope.topic, envelope)
    return True


def siblings(state: State, envelope: Envelope) -> Iterable[Envelope]:
    """The other versions of a subscription or a topic that are held and not void: what becomes of the one may change
    whether they belong."""
    if envelope.kind == Kind.SUBSCRIPTION:
        versions = state.subscriptions.versions(envelope)
    elif envelope.kind == Kind.TOPIC and envelope.topic is not None:
        versions = state.topics.versions(envelope.topic)
    else:
        return []
    return [other for other in versions if other.id != envelope.id]
