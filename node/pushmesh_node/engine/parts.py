"""Pieces of a frame's parts: leaves of a run by themselves, runs cut to a size, and what a part weighs."""

from pushmesh_protocol.codec import pack
from pushmesh_protocol.frames import Part
from pushmesh_protocol.tree import audit_path, levels_of, path_in


def leaf_part(part: Part, index: int) -> Part:
    """Envelope `index` of a part as a part of its own; for a run with its own audit path (SPEC 8.3)."""
    if part.statement is None or len(part.envelopes) == 1:
        return part
    return leaf_parts(part, [index])[0]


def leaf_parts(part: Part, indexes: "list[int] | range") -> list[Part]:
    """Several envelopes of a part, each by itself; the run's tree is built once."""
    if part.statement is None or len(part.envelopes) == 1:
        return [part for _ in indexes]
    levels = levels_of([leaf.id for leaf in part.envelopes])
    return [
        Part((part.envelopes[index],), part.statement, part.first + index, (*path_in(levels, index), *part.path))
        for index in indexes
    ]


def split_run(part: Part, max_bytes: int) -> list[Part]:
    """The part itself, or a run that is too large for a frame cut into runs of 2^k leaves that fit (SPEC 8.3)."""
    if part.statement is None or _run_bytes(part) <= max_bytes:
        return [part]
    ids = [leaf.id for leaf in part.envelopes]
    size = 1 << (len(ids) - 1).bit_length()
    while True:
        size //= 2
        pieces = [
            Part(
                part.envelopes[start : start + size],
                part.statement,
                part.first + start,
                (*audit_path(ids, start, min(size, len(ids) - start)), *part.path),
            )
            for start in range(0, len(ids), size)
        ]
        if size == 1 or all(_run_bytes(piece) <= max_bytes for piece in pieces):
            return pieces


def _run_bytes(part: Part) -> int:
    return sum(len(leaf.body_bytes) + 5 for leaf in part.envelopes) + 34 * len(part.path) + 1_024


def run_overhead_bytes(part: Part) -> int:
    """Encoded bytes of a run beside its bodies: header and path. 0 for an envelope with its own auth."""
    if part.statement is None:
        return 0
    return len(pack([1, 0, part.first, list(part.path), []])) + 2


def statement_bytes(part: Part) -> int:
    """Encoded bytes of the run's statement, 0 where there is none."""
    return 0 if part.statement is None else len(pack(part.statement))
