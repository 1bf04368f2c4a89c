"""The frame validator of the gossip process: everything about a frame that bytes, clock and pushed tables decide
(SPEC 7.7, 8)."""

from collections.abc import Callable, Sequence

from pushmesh_protocol.auth.verify import Claim, verify_one
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope, item_bytes
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.examine import cheap_failures, claim_of
from pushmesh_protocol.frames import OpenFrame, Part, open_frame
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason, Verdict

from ...ipc import Allowances, ItemVerdict
from ..rotating import RotatingSet
from .allowances import AllowanceTables
from .budget import Budget
from .inspection import Inspection

Shuffle = Callable[[list[int]], None]


KNOWN_ITEMS = 65_536
"""Checked lately, up to an eighth more: copies in other frames come within seconds, and whoever repeats older ones pays
for their checks with its budget."""


class FrameSense:
    """What is a pure function of bytes alone. A simulator of many nodes injects one that remembers its answers."""

    def open(self, network: Network, data: bytes, topic: str) -> OpenFrame:
        """See `open_frame`. Raises Refusal."""
        return open_frame(network, data, gossip_topic=topic)

    def digests(self, part: Part) -> tuple[Sequence[bytes], Sequence[int]]:
        """Of each envelope the item hash and the encoded bytes in its frame."""
        packed = [item_bytes(envelope) for envelope in part.envelopes]
        sizes = [len(data) for data in packed] if part.statement is None else _leaf_sizes(part)
        return [sha256(data) for data in packed], sizes

    def verify(self, network: Network, claim: Claim) -> Refusal | None:
        """See `verify_one`."""
        return verify_one(network, claim)


class FrameInspector:
    """Obeys `Inspector`. `shuffle` is the injected randomness of the order in which signatures are checked (SPEC
    7.7)."""

    def __init__(
        self,
        network: Network,
        *,
        checks_per_peer_per_s: int,
        shuffle: Shuffle,
        known_capacity: int = KNOWN_ITEMS,
        sense: FrameSense | None = None,
    ) -> None:
        self._network = network
        self._sense = sense or FrameSense()
        self._shuffle = shuffle
        self._known = RotatingSet(known_capacity)
        self._statements = RotatingSet(8_192)
        self._budget = Budget(checks_per_peer_per_s, least=network.limits.frame_items)
        self._allowances = AllowanceTables()

    def remember(self, item_hashes: Sequence[bytes]) -> None:
        """These items need no second check."""
        self._known.update(item_hashes)

    def allow(self, allowances: Allowances) -> None:
        """A pushed table replaces the allowances of the network file from its first epoch on."""
        self._allowances.push(allowances)

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        """REJECT where bytes decide it, IGNORE where the frame brings nothing or its peer is over budget, else one
        verdict per envelope in the order of `open_frame`: grant table, then items and leaves."""
        try:
            frame = self._sense.open(self._network, data, topic)
        except Refusal as refusal:
            return Inspection(refusal.verdict, refusal.reason, [])
        looks = [self._look(part, now_ms) for part in _parts(frame)]
        if looks and all(all(look.known) for look in looks) and not _has_refusal(frame):
            return Inspection(Verdict.IGNORE, Reason.DUPLICATE, [])
        due = self._due(looks)
        if not self._budget.take(node_id, len(due), now_ms):
            return Inspection(Verdict.IGNORE, Reason.THROTTLED, [])
        rejected = self._check_signatures(looks, due)
        if rejected is not None:
            return Inspection(Verdict.REJECT, rejected.reason, [])
        return Inspection(None, Reason.OK, [verdict for look in looks for verdict in look.verdicts()])

    def _look(self, part: Part, now_ms: int) -> "_Look":
        first = part.envelopes[0]
        allowance = self._allowances.of(first.author, self._network.epoch(first.body.issued_at))
        hashes, sizes = self._sense.digests(part)
        known = [digest in self._known for digest in hashes]
        failures = () if all(known) else cheap_failures(self._network, part, now_ms, allowance=allowance)
        return _Look(part, hashes, sizes, known, failures)

    def _due(self, looks: "Sequence[_Look]") -> dict[bytes, "list[_Look]"]:
        """What needs a signature check, by what it rests on: the runs of one batch have one signature."""
        due: dict[bytes, list[_Look]] = {}
        for look in looks:
            if look.needs_check():
                statement = look.part.statement
                key = look.hashes[0] if statement is None else sha256(pack(statement))
                if key not in self._statements:
                    due.setdefault(key, []).append(look)
        return due

    def _check_signatures(self, looks: "Sequence[_Look]", due: "dict[bytes, list[_Look]]") -> Refusal | None:
        """Notes each failure with what it is of; stops at the first that REJECTs the frame, and returns it."""
        order = list(range(len(due)))
        self._shuffle(order)
        entries = list(due.items())
        for place in order:
            key, resting = entries[place]
            part = resting[0].part
            refusal = self._sense.verify(self._network, claim_of(self._network, part))
            if refusal is not None and refusal.verdict is Verdict.REJECT:
                return refusal
            if refusal is not None:
                for look in resting:
                    look.signature_failure = refusal
            elif part.statement is not None:
                self._statements.update([key])
        return None


class _Look:
    """What is found out about one part of a frame, envelope by envelope."""

    __slots__ = ("failures", "hashes", "known", "part", "signature_failure", "sizes")

    def __init__(
        self,
        part: Part,
        hashes: Sequence[bytes],
        sizes: Sequence[int],
        known: Sequence[bool],
        failures: Sequence[Refusal | None],
    ) -> None:
        self.part = part
        self.hashes = hashes
        self.sizes = sizes
        self.known = known
        self.failures = failures or [None] * len(hashes)
        self.signature_failure: Refusal | None = None

    def needs_check(self) -> bool:
        """Whether any envelope is new and has passed what is cheaper than its signature (SPEC 7.7)."""
        return any(not known and failure is None for known, failure in zip(self.known, self.failures, strict=True))

    def verdicts(self) -> list[ItemVerdict]:
        """One per envelope; what is known holds, whatever else is found."""
        found = []
        for index, envelope in enumerate(self.part.envelopes):
            failure = None if self.known[index] else self.failures[index] or self.signature_failure
            verdict, reason = (Verdict.ACCEPT, Reason.OK) if failure is None else (failure.verdict, failure.reason)
            found.append(
                ItemVerdict(verdict, reason, envelope.id, self.hashes[index], self.known[index], self.sizes[index])
            )
        return found


def _parts(frame: OpenFrame) -> list[Part]:
    grants = [Part((grant,)) for grant in frame.grants if isinstance(grant, Envelope)]
    return grants + [part for part in frame.parts if isinstance(part, Part)]


def _has_refusal(frame: OpenFrame) -> bool:
    return any(isinstance(entry, Refusal) for entry in (*frame.grants, *frame.parts))


def _leaf_sizes(part: Part) -> list[int]:
    return [len(pack(envelope.body_bytes)) for envelope in part.envelopes]
