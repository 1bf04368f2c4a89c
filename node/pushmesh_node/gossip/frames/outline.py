"""What an open frame asks of its inspection, found out once: a pure function of the frame's bytes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope, item_bytes
from pushmesh_protocol.frames import OpenFrame, Part
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.judge import allowance_asked, clock_window
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import Account

Digests = tuple[Sequence[bytes], Sequence[int]]
"""Of each envelope of a part its item hash, and its encoded bytes in the frame."""

AllowanceOf = Callable[[Account, int], int]
"""Slots of an author in an epoch."""


@dataclass(frozen=True, slots=True)
class Outline:
    """`parts` has the grant table first; `digests` goes beside it."""

    parts: Sequence[Part]
    is_whole: bool  # no entry of the frame was refused on its own
    digests: Sequence[Digests]
    hashes: frozenset[bytes]  # of all envelopes
    signed: Mapping[bytes, Sequence[int]]  # places in `parts` by what a signature is remembered by: a batch has one
    from_ms: int  # no clock rule fails from here
    until_ms: int  # and before here (SPEC 7.2-7.4)
    asked: Mapping[tuple[Account, int], int]  # the most allowance that parts without work ask, by author and epoch
    carries_work: bool

    def passes(self, now_ms: int, allowance_of: AllowanceOf) -> bool:
        """Whether nothing fails that is cheaper than a signature; else each part has to be asked."""
        if self.carries_work or not self.from_ms <= now_ms < self.until_ms:
            return False
        return all([asked <= allowance_of(*whose) for whose, asked in self.asked.items()])


def outline(network: Network, frame: OpenFrame, digests_of: Callable[[Part], Digests]) -> Outline:
    """Everything but the digests, which `digests_of` knows, is made here."""
    parts = [Part((grant,)) for grant in frame.grants if isinstance(grant, Envelope)]
    parts += [part for part in frame.parts if isinstance(part, Part)]
    digests = [digests_of(part) for part in parts]
    signed: dict[bytes, list[int]] = {}
    asked: dict[tuple[Account, int], int] = {}
    from_ms, until_ms, carries_work = 0, 2**63, False
    for place, part in enumerate(parts):
        first = part.envelopes[0]
        key = digests[place][0][0] if part.statement is None else sha256(pack(part.statement))
        signed.setdefault(key, []).append(place)
        whose = (first.author, network.epoch(first.body.issued_at))
        asked[whose] = max(asked.get(whose, 0), allowance_asked(network, first))
        carries_work = carries_work or first.auth.work is not None
        for envelope in part.envelopes:
            begins_ms, ends_ms = clock_window(network, envelope)
            from_ms, until_ms = max(from_ms, begins_ms), min(until_ms, ends_ms)
    is_whole = len(parts) == len(frame.grants) + len(frame.parts)
    hashes = frozenset([one for found, _ in digests for one in found])
    return Outline(parts, is_whole, digests, hashes, signed, from_ms, until_ms, asked, carries_work)


def digests_of(part: Part) -> Digests:
    """See `Digests`."""
    packed = [item_bytes(envelope) for envelope in part.envelopes]
    sizes = [len(data) for data in packed] if part.statement is None else _leaf_sizes(part)
    return [sha256(data) for data in packed], sizes


def _leaf_sizes(part: Part) -> list[int]:
    return [len(pack(envelope.body_bytes)) for envelope in part.envelopes]
