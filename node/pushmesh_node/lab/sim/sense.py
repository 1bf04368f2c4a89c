"""What is a pure function of bytes, found out once for a whole world: a thousand nodes that open one frame all get the
same answer. What depends on a node's own state is never kept here."""

from dataclasses import dataclass, field
from typing import TypeVar

from pushmesh_protocol.auth.schemes import Auth
from pushmesh_protocol.auth.verify import Claim, verify_one
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.examine import claim_of
from pushmesh_protocol.frames import OpenFrame, Part, encode_frame, open_frame
from pushmesh_protocol.network import Network

from ...gossip.frames.inspect import FrameSense
from ...gossip.frames.outline import Digests, Outline, digests_of, outline
from ...gossip.wire.message_id import message_id

K = TypeVar("K")
V = TypeVar("V")

MAX_ANSWERS, MAX_OUTLINES = 200_000, 4_096
"""Of one kind; then it begins anew, which costs time and changes no answer. The outline of a full frame is large."""


@dataclass(slots=True)
class SharedSense:
    """The memory of a world. Frames are told apart by their bytes, parts by being the very same object."""

    network: Network
    _parts: dict[tuple[bytes, Auth], Part] = field(default_factory=dict)
    _opened: dict[tuple[bytes, str | None], OpenFrame | Refusal] = field(default_factory=dict)
    _message_ids: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    _outlines: dict[tuple[bytes, str], Outline] = field(default_factory=dict)
    _digests: dict[int, tuple[Part, Digests]] = field(default_factory=dict)
    _alone: dict[int, tuple[Part, bytes]] = field(default_factory=dict)
    _verified: dict[tuple[object, ...], Refusal | None] = field(default_factory=dict)
    _rested: dict[int, tuple[Part, Refusal | None]] = field(default_factory=dict)

    def open(self, data: bytes, topic: str | None) -> OpenFrame:
        """See `open_frame`. Raises Refusal."""
        found = self._opened.get((data, topic))
        if found is None:
            try:
                found = self._shared(open_frame(self.network, data, gossip_topic=topic))
            except Refusal as refusal:
                found = refusal.alone()
            _bounded(self._opened)[data, topic] = found
        if isinstance(found, Refusal):
            raise found.alone()
        return found

    def outline(self, data: bytes, topic: str) -> Outline:
        """See `FrameSense`. Raises Refusal."""
        found = self._outlines.get((data, topic))
        if found is None:
            found = outline(self.network, self.open(data, topic), self.digests)
            _bounded(self._outlines, MAX_OUTLINES)[data, topic] = found
        return found

    def _shared(self, frame: OpenFrame) -> OpenFrame:
        """The same frame, with the objects of other frames for equal items: many are packed again and again."""
        parts = [self._one(part) if isinstance(part, Part) else part for part in frame.parts]
        return OpenFrame(frame.grants, tuple(parts))

    def _one(self, part: Part) -> Part:
        if part.statement is not None:
            return part
        envelope = part.envelopes[0]
        known = self._parts.get((envelope.id, envelope.auth))
        if known is None:
            known = _bounded(self._parts)[envelope.id, envelope.auth] = part
        return known if known == part else part

    def message_id(self, topic: str, data: bytes) -> bytes:
        """See `gossip.wire.message_id`."""
        found = self._message_ids.get((topic, data))
        if found is None:
            found = _bounded(self._message_ids)[topic, data] = message_id(topic, data)
        return found

    def digests(self, part: Part) -> Digests:
        """See `digests_of`."""
        found = self._digests.get(id(part))
        if found is None or found[0] is not part:
            found = _bounded(self._digests)[id(part)] = (part, digests_of(part))
        return found[1]

    def frame_alone(self, part: Part) -> bytes:
        """The self-contained frame of this part, as stores keep it."""
        found = self._alone.get(id(part))
        if found is None or found[0] is not part:
            found = _bounded(self._alone)[id(part)] = (part, encode_frame([part]))
        return found[1]

    def verify(self, claim: Claim) -> Refusal | None:
        """See `verify_one`."""
        key = (claim.author, claim.kind, claim.auth, claim.subject or claim.content)
        if key not in self._verified:
            _bounded(self._verified)[key] = verify_one(self.network, claim)
        return self._verified[key]

    def verify_part(self, part: Part) -> Refusal | None:
        """The signature that it rests on."""
        found = self._rested.get(id(part))
        if found is None or found[0] is not part:
            found = _bounded(self._rested)[id(part)] = (part, self.verify(claim_of(self.network, part)))
        return found[1]


class NodeSense(FrameSense):
    """One node's way to the shared memory; counts what it would have had to check itself."""

    def __init__(self, shared: SharedSense) -> None:
        self.checks = 0
        self._shared = shared

    def outline(self, network: Network, data: bytes, topic: str) -> Outline:
        """See `FrameSense`."""
        return self._shared.outline(data, topic)

    def verify(self, network: Network, part: Part) -> Refusal | None:
        """See `FrameSense`."""
        self.checks += 1
        return self._shared.verify_part(part)


def _bounded(answers: dict[K, V], most: int = MAX_ANSWERS) -> dict[K, V]:
    if len(answers) >= most:
        answers.clear()
    return answers
