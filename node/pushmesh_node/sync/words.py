"""What two nodes say to each other in sync (SPEC section 9): every word as data, with its bounds. Knows no stream."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from pushmesh_protocol.codec import Codec
from pushmesh_protocol.kinds.fields import Bin16, Bin32

PROTOCOL: Final = "/pushmesh/sync/1"

MAX_WORD_BYTES: Final = 1024 * 1024
"""Of one word, encoded (SPEC 9.5)."""

MAX_BUCKETS: Final = 16_384
MAX_STEPS: Final = 1_024
MAX_HEADS: Final = 8_192
"""Ids of one question for heads."""

MAX_WANTED: Final = 1_024
"""Items of one want."""

MAX_FRAMES: Final = 4_096
MAX_IDS: Final = 16_384
"""Ids of one page of a whole list."""

Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Part = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Bound = Annotated[bytes, msgspec.Meta(min_length=8, max_length=40)]
"""A place in the order of records: 8 bytes big-endian of the timestamp and up to 32 of the id; it stands before every
record that is not below it."""


class _Value(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of what words are made of."""


class _Word(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all words: `[tag, fields...]`."""


class BucketPrint(_Value, frozen=True):
    """One bucket that is not empty, from the floor up: its part, its number, its fingerprint."""

    part: Part
    number: Natural
    fingerprint: Bin16


class BucketName(_Value, frozen=True):
    """One bucket."""

    part: Part
    number: Natural


class BucketStep(_Value, frozen=True):
    """One bucket's next message of range-based reconciliation."""

    part: Part
    number: Natural
    message: Annotated[bytes, msgspec.Meta(max_length=MAX_WORD_BYTES)]


class IdRange(_Value, frozen=True):
    """Some ids that stand in a bucket between two bounds, the upper one exclusive."""

    part: Part
    number: Natural
    lower: Bound
    upper: Bound
    ids: Annotated[list[Bin32], msgspec.Meta(min_length=1, max_length=MAX_HEADS)]


class Head(_Value, frozen=True):
    """What a stored item is, for whoever decides what to ask for first: its number at the answering node, issued-at of
    its first envelope, the tag of its topic (0 where it has none), encoded bytes, envelopes. `places` are where asked
    ids stood in the question, `indexes` which envelopes of the item these are."""

    item_no: Natural
    issued_at: Natural
    tag: Natural
    size_bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_WORD_BYTES)]
    count: Annotated[int, msgspec.Meta(ge=1, le=1_024)]
    places: Annotated[list[U32], msgspec.Meta(min_length=1, max_length=MAX_HEADS)]
    indexes: Annotated[list[U32], msgspec.Meta(min_length=1, max_length=MAX_HEADS)]


class WantedItem(_Value, frozen=True):
    """An item, whole (`indexes` nil) or some of its envelopes, each by itself."""

    item_no: Natural
    indexes: Annotated[list[U32], msgspec.Meta(min_length=1, max_length=1_024)] | None


class Hello(_Word, frozen=True, tag=1):
    """Who I am, what my clock says, and from which timestamp up each of my sets is whole. With `ask` it wants the
    same in return."""

    network_id: Bin32
    incarnation: Bin16
    now_ms: Natural
    floors: Annotated[list[Natural], msgspec.Meta(min_length=2, max_length=257)]
    ask: bool


class Compare(_Word, frozen=True, tag=2):
    """All my buckets at and above the common floors. Which differ?"""

    buckets: Annotated[list[BucketPrint], msgspec.Meta(max_length=MAX_BUCKETS)]


class Differ(_Word, frozen=True, tag=3):
    """These differ, or are missing on one side."""

    buckets: Annotated[list[BucketName], msgspec.Meta(max_length=MAX_BUCKETS)]


class Steps(_Word, frozen=True, tag=4):
    """The asker's next messages."""

    steps: Annotated[list[BucketStep], msgspec.Meta(min_length=1, max_length=MAX_STEPS)]


class Replies(_Word, frozen=True, tag=5):
    """The answers to as many steps, in their order."""

    steps: Annotated[list[BucketStep], msgspec.Meta(min_length=1, max_length=MAX_STEPS)]


class AskHeads(_Word, frozen=True, tag=6):
    """Under which items do you hold these ids?"""

    ranges: Annotated[list[IdRange], msgspec.Meta(min_length=1, max_length=MAX_HEADS)]


class Heads(_Word, frozen=True, tag=7):
    """Under these; ids that stand nowhere here are not held (any more)."""

    heads: Annotated[list[Head], msgspec.Meta(max_length=MAX_HEADS)]


class Want(_Word, frozen=True, tag=8):
    """Send these items."""

    want_no: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
    items: Annotated[list[WantedItem], msgspec.Meta(min_length=1, max_length=MAX_WANTED)]


class Frames(_Word, frozen=True, tag=9):
    """Frames that answer a want; with number 0, from the side that asks, what the other should know of slots that it
    holds half of."""

    want_no: U32
    more: bool
    frames: Annotated[list[bytes], msgspec.Meta(max_length=MAX_FRAMES)]


class AskHashes(_Word, frozen=True, tag=10):
    """What are the SHA-256 of the sorted ids of these buckets?"""

    buckets: Annotated[list[BucketName], msgspec.Meta(min_length=1, max_length=MAX_BUCKETS)]


class Hashes(_Word, frozen=True, tag=11):
    """They are these, in the order of the question, each beside the bucket's fingerprint at the same moment."""

    hashes: Annotated[list[tuple[Bin16, Bin32]], msgspec.Meta(min_length=1, max_length=MAX_BUCKETS)]


class AskIds(_Word, frozen=True, tag=12):
    """Which ids stand in this bucket from this bound up?"""

    part: Part
    number: Natural
    lower: Bound


class Ids(_Word, frozen=True, tag=13):
    """These, in order, up to the bound; eight bytes of 0xff are the bucket's end."""

    upper: Bound
    ids: Annotated[list[Bin32], msgspec.Meta(max_length=MAX_IDS)]


class Sorry(_Word, frozen=True, tag=14):
    """The stream ends, for this reason."""

    reason: Annotated[str, msgspec.Meta(max_length=64)]


Question = Compare | Steps | AskHeads | Want | AskHashes | AskIds
"""To each there is one answer, but for frames, which may come in several words."""

Answer = Differ | Replies | Heads | Frames | Hashes | Ids
Word = Hello | Question | Answer | Sorry

words: Final = Codec[Word](Word)


def ids_of(ranges: Sequence[IdRange]) -> list[bytes]:
    """All asked ids in the order that `Head.places` counts in."""
    return [each for one in ranges for each in one.ids]
