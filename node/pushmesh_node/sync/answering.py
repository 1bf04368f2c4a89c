"""The answers that memory alone can give (SPEC 9.7, 9.8, 9.15). Pure; keeps nothing of the asker but its floors."""

from collections.abc import Mapping, Sequence
from typing import Final

from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from .digests import digest_of
from .messages import a_word_of_ranges
from .node_sets import NodeSets
from .ports import Snapshot
from .words import (
    MAX_HEADS,
    MAX_IDS,
    MAX_WORD_BYTES,
    AskHashes,
    AskHeads,
    AskIds,
    BucketName,
    BucketStep,
    Compare,
    Differ,
    Hashes,
    Ids,
    Replies,
    Steps,
)

REPLIES_BYTES: Final = MAX_WORD_BYTES - 65_536
LEAST_REPLY_BYTES: Final = 4_096

SCAN_FACTOR: Final = 4
SCAN_SLACK: Final = 65_536
"""Records that a question for heads may make this node look through: so many for each id, and these."""


def differ(sets: NodeSets, floors: Sequence[int], asked: Compare) -> Differ:
    """The buckets that are not the same."""
    theirs = {(each.part, each.number): each.fingerprint for each in asked.buckets}
    mine = {(each.part, each.number): each.fingerprint for each in sets.prints(floors)}
    if len(theirs) != len(asked.buckets):
        raise Refusal(Reason.MALFORMED, "9.7", "a bucket stands twice")
    names = sorted({*theirs, *mine})
    return Differ([BucketName(*name) for name in names if theirs.get(name) != mine.get(name)])


def replies(sets: NodeSets, floors: Sequence[int], asked: Steps) -> Replies:
    """One for each step; all together fit into a word. Raises Refusal `malformed`."""
    limit = max(LEAST_REPLY_BYTES, REPLIES_BYTES // len(asked.steps))
    if limit * len(asked.steps) > MAX_WORD_BYTES:
        raise Refusal(Reason.MALFORMED, "9.8", "more buckets at once than a word can answer")
    numbers = a_word_of_ranges()
    messages = [
        sets.reply(BucketName(one.part, one.number), floors, one.message, limit, numbers) for one in asked.steps
    ]
    answered = zip(asked.steps, messages, strict=True)
    return Replies([BucketStep(one.part, one.number, message) for one, message in answered])


def snapshots(sets: NodeSets, floors: Sequence[int], asked: AskHashes) -> list[Snapshot]:
    """The asked buckets as they are now, for `hashes`. Raises Refusal `malformed`."""
    if len(set(asked.buckets)) != len(asked.buckets):
        raise Refusal(Reason.MALFORMED, "9.15", "a bucket stands twice")
    return [sets.snapshot(name, floors) for name in asked.buckets]


def hashes(found: Sequence[Snapshot]) -> Hashes:
    """Fingerprint and hash of each bucket. Takes as long as `digest_of`."""
    return Hashes([(each.fingerprint, digest_of(each.ids)) for each in found])


def ids(sets: NodeSets, floors: Sequence[int], asked: AskIds) -> Ids:
    """The next page of a bucket's ids."""
    found, upper = sets.ids(BucketName(asked.part, asked.number), floors, asked.lower, MAX_IDS)
    return Ids(upper, found)


def places(sets: NodeSets, asked: AskHeads) -> Mapping[int, int]:
    """For each asked id that is held, by its place in the question, its commit number. Raises Refusal `malformed` for
    bounds so wide that honest lists of ids have none such."""
    scanned = sum([sets.count(BucketName(one.part, one.number), one.lower, one.upper) for one in asked.ranges])
    total = sum([len(one.ids) for one in asked.ranges])
    if total > MAX_HEADS or scanned > SCAN_FACTOR * total + SCAN_SLACK:
        raise Refusal(Reason.MALFORMED, "9.9", "more than can be looked through")
    found: dict[int, int] = {}
    place = 0
    for one in asked.ranges:
        known = sets.places(BucketName(one.part, one.number), one.lower, one.upper)
        for id_ in one.ids:
            if (commit_no := known.get(id_)) is not None:
                found[place] = commit_no
            place += 1
    return found
