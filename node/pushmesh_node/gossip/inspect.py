"""The frame validator of the gossip process: everything about a frame that bytes, clock and pushed tables decide
(SPEC 7.7, 8)."""

from collections.abc import Callable, Sequence

from pushmesh_protocol.auth.verify import verify_one
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope, item_hash
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.examine import cheap_failures, claim_of
from pushmesh_protocol.frames import OpenFrame, Part, open_frame
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason, Verdict

from ..ipc import Allowances, ItemVerdict
from .budget import Budget
from .inspection import Inspection
from .rotating import RotatingSet

Shuffle = Callable[[list[int]], None]


class FrameInspector:
    """Obeys `Inspector`. `shuffle` is the injected randomness of the order in which signatures are checked (SPEC
    7.7)."""

    def __init__(
        self, network: Network, *, checks_per_peer_per_s: int, shuffle: Shuffle, known_capacity: int = 262_144
    ) -> None:
        self._network = network
        self._shuffle = shuffle
        self._known = RotatingSet(known_capacity)
        self._statements = RotatingSet(8_192)
        self._budget = Budget(checks_per_peer_per_s)

    def remember(self, item_hashes: Sequence[bytes]) -> None:
        """These items need no second check."""
        self._known.update(item_hashes)

    def allow(self, allowances: Allowances) -> None:
        """The parameters in force come with the network file; a pushed table replaces its allowances for authors
        it lists."""
        self._network.parameters.allowances.update(dict(allowances.table))  # type: ignore[arg-type]  # plain bytes are accounts

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        """REJECT where bytes decide it, IGNORE where the frame brings nothing or its peer is over budget, else one
        verdict per envelope."""
        try:
            frame = open_frame(self._network, data, gossip_topic=topic)
        except Refusal as refusal:
            return Inspection(refusal.verdict, refusal.reason, [])
        parts = _parts(frame)
        hashes = [[item_hash(envelope) for envelope in part.envelopes] for part in parts]
        known = [[digest in self._known for digest in digests] for digests in hashes]
        if parts and all(all(flags) for flags in known) and not _has_refusal(frame):
            return Inspection(Verdict.IGNORE, Reason.DUPLICATE, [])
        failures = [
            () if all(known[i]) else cheap_failures(self._network, part, now_ms) for i, part in enumerate(parts)
        ]
        due = [i for i, part in enumerate(parts) if self._needs_check(part, known[i], failures[i])]
        if not self._budget.take(node_id, len(due), now_ms):
            return Inspection(Verdict.IGNORE, Reason.THROTTLED, [])
        signature_failures = self._check_signatures(parts, due)
        for failure in signature_failures.values():
            if failure.verdict is Verdict.REJECT:
                return Inspection(Verdict.REJECT, failure.reason, [])
        items = [
            verdict
            for i, part in enumerate(parts)
            for verdict in _verdicts(part, hashes[i], known[i], failures[i], signature_failures.get(i))
        ]
        return Inspection(None, Reason.OK, items)

    def _needs_check(self, part: Part, known: Sequence[bool], failures: Sequence[Refusal | None]) -> bool:
        if all(known) or (failures and all(failures)):
            return False
        return part.statement is None or sha256(pack(part.statement)) not in self._statements

    def _check_signatures(self, parts: Sequence[Part], due: list[int]) -> dict[int, Refusal]:
        """Failures by part; stops at the first that REJECTs the frame."""
        self._shuffle(due)
        failures: dict[int, Refusal] = {}
        for place in due:
            part = parts[place]
            refusal = verify_one(self._network, claim_of(self._network, part))
            if refusal is not None:
                failures[place] = refusal
                if refusal.verdict is Verdict.REJECT:
                    break
            elif part.statement is not None:
                self._statements.update([sha256(pack(part.statement))])
        return failures


def _parts(frame: OpenFrame) -> list[Part]:
    grants = [Part((grant,)) for grant in frame.grants if isinstance(grant, Envelope)]
    return grants + [part for part in frame.parts if isinstance(part, Part)]


def _has_refusal(frame: OpenFrame) -> bool:
    return any(isinstance(entry, Refusal) for entry in (*frame.grants, *frame.parts))


def _verdicts(
    part: Part,
    hashes: Sequence[bytes],
    known: Sequence[bool],
    failures: Sequence[Refusal | None],
    signature_failure: Refusal | None,
) -> list[ItemVerdict]:
    verdicts = []
    for index, envelope in enumerate(part.envelopes):
        failure = signature_failure or (failures[index] if failures else None)
        verdict = Verdict.ACCEPT if failure is None or known[index] else failure.verdict
        reason = Reason.OK if failure is None else failure.reason
        size = len(envelope.body_bytes) + 5 if part.statement is not None else _item_bytes(envelope)
        verdicts.append(ItemVerdict(verdict, reason, envelope.id, hashes[index], known[index], size))
    return verdicts


def _item_bytes(envelope: Envelope) -> int:
    return len(pack([0, envelope.kind, envelope.author, envelope.body_bytes, envelope.auth]))
