"""What happened, as facts in the past: the only way anything enters the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part
from pushmesh_protocol.types import Account, UnixMs

from .records import Holder, Target, Write


class Published(msgspec.Struct, frozen=True, gc=False):
    """A publisher handed it in; `request` is the number under which the answer goes out."""

    request: int


class Gossiped(msgspec.Struct, frozen=True, gc=False):
    """A peer forwarded it in a frame of `frame_bytes`; the mesh waits for the judgement of `frame_no`."""

    node_id: bytes
    frame_no: int
    frame_bytes: int


class CaughtUp(msgspec.Struct, frozen=True, gc=False):
    """A peer handed it over in sync, or it waited for a grant since. The answer goes out under the number `request`,
    where that is not 0."""

    node_id: bytes
    request: int = 0


Source = Published | Gossiped | CaughtUp


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One part of a frame with all that the world found out about it.

    `failures` is empty where clock, work and signature hold for every envelope, else it has one entry per
    envelope: its Refusal or None.
    `holders` are the envelopes in the store that hold any of its slots. `known` tells, per envelope, that the
    gossip process has seen
    its item hash as authorised before; `sizes` are the encoded bytes of each envelope in the gossiped frame.
    `data` is the self-contained frame of this part
    where one exists already."""

    part: Part
    failures: Sequence[Refusal | None] = ()
    holders: Sequence[Holder] = ()
    known: Sequence[bool] = ()
    sizes: Sequence[int] = ()
    data: bytes | None = None


class Offer(msgspec.Struct, frozen=True, gc=False):
    """What one source handed in at once: the candidates of one frame, grants of its table first.

    `unreadable` are the Refusals of entries that could not be read, with their place among the candidates."""

    source: Source
    candidates: Sequence[Candidate]
    unreadable: Sequence[tuple[int, Refusal]] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """Offers, decided in order. When their holders were looked up all up to `seen_commit` was durable; it never
    falls from one to the next. `targets` are those notifications that were held then of which there are retractions
    here, by id."""

    offers: Sequence[Offer]
    seen_commit: int = 0
    targets: Mapping[bytes, Target] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListenerCame:
    """A wallet's connection wants live messages."""

    account: Account


@dataclass(frozen=True, slots=True)
class ListenerLeft:
    """One of a wallet's connections is gone."""

    account: Account


@dataclass(frozen=True, slots=True)
class PrivateShown:
    """A logged-in wallet handed in its verified private envelope under this request number."""

    request: int
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """A Store effect was not carried out: nothing of it is known."""

    writes: Sequence[Write]


@dataclass(frozen=True, slots=True)
class Restored:
    """Committed state, replayed at start in commit order: (commit number, envelope, whether its slot is void). With
    `more` to come nothing is asked of the engine before that."""

    entries: Sequence[tuple[int, Envelope, bool]]
    more: bool = False


Due = tuple[int, UnixMs, tuple[Part, int] | None, bool]


@dataclass(frozen=True, slots=True)
class DueCame:
    """The time of these scheduled envelopes has come: (commit number, due time, part and place in it; None where it is
    gone or void, whether it is late). `targets` are those of the retractions among them that are held, by id."""

    entries: Sequence[Due]
    targets: Mapping[bytes, Target] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time went on; comes about once a second."""


@dataclass(frozen=True, slots=True)
class WasInSync:
    """At this time this node held all that its peers hold (SPEC 9.14)."""

    at_ms: UnixMs


Event = Offered | ListenerCame | ListenerLeft | PrivateShown | StoreFailed | Restored | DueCame | WasInSync | Ticked
