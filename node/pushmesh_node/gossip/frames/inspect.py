"""The frame validator of the gossip process: everything about a frame that bytes, clock and pushed tables decide
(SPEC 7.7, 8)."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from pushmesh_protocol.auth.verify import verify_one
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.examine import cheap_failures, claim_of
from pushmesh_protocol.frames import Part, open_frame
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.types import Account

from ...ipc import Allowances, ItemVerdict
from ..rotating import RotatingSet
from .allowances import AllowanceTables
from .budget import Budget
from .inspection import Inspection
from .outline import Outline, digests_of, outline

Shuffle = Callable[[list[int]], None]

Failures: TypeAlias = Mapping[int, Sequence[Refusal | None]]
"""By the place of a part, one for each of its envelopes; parts without any are left out."""

KNOWN_ITEMS = 65_536
"""Checked lately, up to twice as many: copies in other frames come within seconds, and whoever repeats older ones pays
for their checks with its budget."""


class FrameSense:
    """What is a pure function of bytes alone. A simulator of many nodes injects one that remembers its answers."""

    def outline(self, network: Network, data: bytes, topic: str) -> Outline:
        """Of the frame in these bytes. Raises Refusal as `open_frame` does."""
        return outline(network, open_frame(network, data, gossip_topic=topic), digests_of)

    def verify(self, network: Network, part: Part) -> Refusal | None:
        """The signature that a part rests on; see `verify_one`."""
        return verify_one(network, claim_of(network, part))


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
            frame = self._sense.outline(self._network, data, topic)
        except Refusal as refusal:
            return Inspection(refusal.verdict, refusal.reason, [])
        known = self._known.among(frame.hashes)
        if frame.parts and frame.is_whole and len(known) == len(frame.hashes):
            return Inspection(Verdict.IGNORE, Reason.DUPLICATE, [])
        failures = self._cheap_failures(frame, known, now_ms)
        due = self._due(frame, known, failures)
        if not self._budget.take(node_id, len(due), now_ms):
            return Inspection(Verdict.IGNORE, Reason.THROTTLED, [])
        unsigned: dict[int, Refusal] = {}
        rejected = self._check_signatures(frame, due, unsigned)
        if rejected is not None:
            return Inspection(Verdict.REJECT, rejected.reason, [])
        return Inspection(None, Reason.OK, _verdicts(frame, known, failures, unsigned))

    def _cheap_failures(self, frame: Outline, known: set[bytes], now_ms: int) -> Failures:
        if frame.passes(now_ms, self._allowance):
            return {}
        failures: dict[int, Sequence[Refusal | None]] = {}
        for place, part in enumerate(frame.parts):
            first = part.envelopes[0]
            allowance = self._allowance(first.author, self._network.epoch(first.body.issued_at))
            found = cheap_failures(self._network, part, now_ms, allowance=allowance)
            if found and not known.issuperset(frame.digests[place][0]):
                failures[place] = found
        return failures

    def _allowance(self, author: Account, epoch: int) -> int:
        pushed = self._allowances.of(author, epoch)
        return self._network.parameters.allowance(author) if pushed is None else pushed

    def _due(self, frame: Outline, known: set[bytes], failures: Failures) -> list[bytes]:
        """The signatures that need a check: of what is new and has passed what is cheaper (SPEC 7.7)."""
        checked = self._statements.among(frame.signed.keys())
        if not known and not failures:
            return [key for key in frame.signed if key not in checked]
        return [
            key
            for key, places in frame.signed.items()
            if key not in checked and any([_asks(frame, place, known, failures) for place in places])
        ]

    def _check_signatures(self, frame: Outline, due: Sequence[bytes], unsigned: dict[int, Refusal]) -> Refusal | None:
        """Notes in `unsigned` which parts rest on a signature that fails; stops at the first that REJECTs the frame,
        and returns it."""
        order = list(range(len(due)))
        self._shuffle(order)
        for turn in order:
            places = frame.signed[due[turn]]
            part = frame.parts[places[0]]
            refusal = self._sense.verify(self._network, part)
            if refusal is None:
                if part.statement is not None:
                    self._statements.update([due[turn]])
            elif refusal.verdict is Verdict.REJECT:
                return refusal
            else:
                unsigned.update(dict.fromkeys(places, refusal))
        return None


def _asks(frame: Outline, place: int, known: set[bytes], failures: Failures) -> bool:
    """Whether any envelope of the part is new and has passed."""
    hashes = frame.digests[place][0]
    failed = failures.get(place)
    if failed is None:
        return not known.issuperset(hashes)
    return any([failure is None and one not in known for one, failure in zip(hashes, failed, strict=True)])


def _verdicts(
    frame: Outline, known: set[bytes], failures: Failures, unsigned: Mapping[int, Refusal]
) -> list[ItemVerdict]:
    """One per envelope; what is known holds, whatever else is found."""
    found = []
    for place, part in enumerate(frame.parts):
        failed, refused = failures.get(place), unsigned.get(place)
        hashes, sizes = frame.digests[place]
        for index, envelope in enumerate(part.envelopes):
            is_known = hashes[index] in known
            failure = None if is_known else (failed and failed[index]) or refused
            verdict, reason = (Verdict.ACCEPT, Reason.OK) if failure is None else (failure.verdict, failure.reason)
            found.append(ItemVerdict(verdict, reason, envelope.id, hashes[index], is_known, sizes[index]))
    return found
