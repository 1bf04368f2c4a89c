"""Pieces of a frame's parts: leaves of a run by themselves, runs cut to a size, and what a part weighs."""

from collections.abc import Sequence

from pushmesh_protocol.codec import pack
from pushmesh_protocol.frames import Part
from pushmesh_protocol.tree import levels_of, path_in


def leaf_part(part: Part, index: int) -> Part:
    """Envelope `index` of a part as a part of its own; for a run with its own audit path (SPEC 8.3)."""
    if part.statement is None or len(part.envelopes) == 1:
        return part
    return leaf_parts(part, [index])[0]


def leaf_parts(part: Part, indexes: Sequence[int]) -> list[Part]:
    """Several envelopes of a part, each by itself; the run's tree is built once."""
    if part.statement is None or len(part.envelopes) == 1:
        return [part for _ in indexes]
    levels = levels_of([leaf.id for leaf in part.envelopes])
    return [
        Part((part.envelopes[index],), part.statement, part.first + index, (*path_in(levels, index), *part.path))
        for index in indexes
    ]


def pieces(part: Part, indexes: Sequence[int]) -> list[Part]:
    """These envelopes of a part, in ascending order: the part itself where it is all of them, else each by itself."""
    if len(indexes) == len(part.envelopes):
        return [part]
    return leaf_parts(part, indexes) if indexes else []


def split_run(part: Part, max_bytes: int) -> list[Part]:
    """The part itself, or a run that is too large for a frame cut into runs of 2^k leaves that fit (SPEC 8.3).

    A single leaf is never cut, whatever its size."""
    if part.statement is None or _run_bytes(part) <= max_bytes:
        return [part]
    levels = levels_of([leaf.id for leaf in part.envelopes])
    runs = [part]
    for height in range(len(levels) - 2, -1, -1):
        runs = [_subtree(part, levels, height, place) for place in range(len(levels[height]))]
        if all(_run_bytes(run) <= max_bytes for run in runs):
            break
    return runs


def _subtree(part: Part, levels: Sequence[Sequence[bytes]], height: int, place: int) -> Part:
    """The run of the leaves under one node of a run's tree."""
    start = place << height
    leaves = part.envelopes[start : start + (1 << height)]
    path = path_in(levels[height:], place)
    return Part(leaves, part.statement, part.first + start, (*path, *part.path))


def _run_bytes(part: Part) -> int:
    return sum(len(leaf.body_bytes) + 5 for leaf in part.envelopes) + 34 * len(part.path) + 1_024


def run_overhead_bytes(part: Part) -> int:
    """Encoded bytes of a run beside its bodies: its header and path, with the shortest statement index. 0 for an
    envelope with its own auth."""
    if part.statement is None:
        return 0
    return len(pack((1, 0, part.first, part.path, [None] * len(part.envelopes)))) - len(part.envelopes)
