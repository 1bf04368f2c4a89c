"""What is to be done, as orders. The driver carries them out in order; what follows a Store waits until it is
durable."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.types import Account

from .answers import Outcome
from .records import Write


@dataclass(frozen=True, slots=True)
class Judge:
    """Tell the mesh about a frame; it waits. `new_bytes` is what the forwarding peer earned."""

    frame_no: int
    verdict: Verdict
    reason: Reason
    new_bytes: int


@dataclass(frozen=True, slots=True)
class Store:
    """Commit these in one transaction."""

    writes: Sequence[Write]


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The outcomes of a request, once everything that they call durable is."""

    request: int
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Relay:
    """Send these parts in this node's own next frames, with the grants that ride with them (SPEC 8.9)."""

    parts: Sequence[Part]
    grants: Sequence[Envelope]


class Group(msgspec.Struct, frozen=True, gc=False):
    """Connected wallets that get a message alike, and why. No wallet is in two groups of a message."""

    verdict: str
    reason: Reason
    accounts: Sequence[Account]


class Deliver(msgspec.Struct, frozen=True, gc=False):
    """Hand one committed envelope, envelope `index` of `part`, to connected wallets; `frame` is its own where that is
    at hand."""

    commit_no: int
    part: Part
    index: int
    groups: Sequence[Group]
    frame: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reoffer:
    """Parts that waited for something that is now known; look their slots up again and offer them as from this peer."""

    parts: Sequence[tuple[bytes, Part]]


@dataclass(frozen=True, slots=True)
class EndAccess:
    """End every connection and token that rests on these grants."""

    grant_ids: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Reload:
    """What memory holds may be ahead of the store: take no more offers, then restore from the store."""


@dataclass(frozen=True, slots=True)
class Tally:
    """So many envelopes from this kind of source got this answer."""

    source: str
    verdict: Verdict
    reason: Reason
    count: int


Effect = Judge | Store | Answer | Relay | Deliver | Reoffer | EndAccess | Reload | Tally
