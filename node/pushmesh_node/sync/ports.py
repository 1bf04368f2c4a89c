"""What the pure session is told, what it orders, and what it needs of the sets. Data and interfaces only."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from pushmesh_protocol.reasons import Reason

from .words import Answer, BucketName, BucketPrint, Hello, Sorry, Word

Outcomes = Sequence[tuple[bytes, Reason]]
"""(id, what became of it) for each envelope of some frames."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Ids that the other side has in a bucket between two bounds and this side has not."""

    name: BucketName
    lower: bytes
    upper: bytes
    ids: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A bucket as it is at one moment: its fingerprint, and its ids one behind the other."""

    fingerprint: bytes
    ids: bytes


class Reconciliation(Protocol):
    """One bucket's, as the side that asks."""

    def begin(self) -> bytes:
        """The first message."""
        ...

    def take(self, message: bytes, numbers: Iterator[int]) -> tuple[bytes | None, Sequence[Needs]]:
        """The next message (None: nothing is left), and what this one showed; `numbers` count the ranges of all
        messages of one word. Raises Refusal `malformed`."""
        ...


class Sets(Protocol):
    """This node's sets in memory."""

    def prints(self, floors: Sequence[int]) -> Sequence[BucketPrint]:
        """All buckets that have records from the floors up, ascending by (part, number)."""
        ...

    def reconcile(self, name: BucketName, floors: Sequence[int], limit_bytes: int) -> Reconciliation:
        """Begin with a bucket; no message of it is longer than the limit."""
        ...

    def snapshot(self, name: BucketName, floors: Sequence[int]) -> Snapshot:
        """A bucket from the floor up."""
        ...

    def ids(self, name: BucketName, floors: Sequence[int], lower: bytes, most: int) -> tuple[Sequence[bytes], bytes]:
        """At most so many ids from the bound (and the floor) up, and the bound up to which they are all."""
        ...

    def between(self, name: BucketName, lower: bytes, upper: bytes) -> Collection[bytes]:
        """All ids between two bounds."""
        ...


# What happens


@dataclass(frozen=True, slots=True)
class Due:
    """Time for a round."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class Heard:
    """The peer's next word that is no question."""

    word: Hello | Answer | Sorry


@dataclass(frozen=True, slots=True)
class Probed:
    """The answer to a Probe: which of these ids the store holds all the same, with their commit numbers."""

    held: Mapping[bytes, int]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the frames of one Take."""

    want_no: int
    outcomes: Outcomes


@dataclass(frozen=True, slots=True)
class Digested:
    """The answer to a Digest: the hash of each."""

    hashes: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Settled:
    """The time that a Settle asked for is over."""


Event = Due | Heard | Probed | Taken | Digested | Settled


# What is to be done


@dataclass(frozen=True, slots=True)
class Say:
    """Send a word; an answer to it is waited for."""

    word: Word


@dataclass(frozen=True, slots=True)
class Probe:
    """Which of these (issued-at, id) does the store hold?"""

    asked: Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Take:
    """Send these frames the common way in and tell with Taken what became of them."""

    want_no: int
    frames: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Show:
    """The peer shows these, which this node holds (commit numbers) though they are not in its set: where their slot is
    void, send it the other half (SPEC 9.11)."""

    commit_nos: Sequence[int]


@dataclass(frozen=True, slots=True)
class Digest:
    """Make the hash of each (`digests.digest_of`), which takes long enough to be done beside everything else."""

    snapshots: Sequence[Snapshot]


@dataclass(frozen=True, slots=True)
class Settle:
    """Wait a moment: gossip may bring it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The round is over; so much is still missing here of what the peer has, and so much others are asked for."""

    missing: int
    elsewhere: int


@dataclass(frozen=True, slots=True)
class End:
    """End the stream for this reason."""

    reason: str


Effect = Say | Probe | Take | Show | Digest | Settle | Finished | End

OwnTags = Callable[[], Set[int]]
"""The tags of the topics that wallets of this node follow: the same object until one is added."""
