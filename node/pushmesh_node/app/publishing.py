"""The publishers' door: opens what they sent, sends it the common way in, and waits for the answers. Obeys
`api.contract.Publishing`."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from msgspec.structs import replace

from pushmesh_protocol.auth.verify import envelope_claim
from pushmesh_protocol.checks import check_item
from pushmesh_protocol.codec import Codec
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.frames import OpenFrame, Part, open_publish
from pushmesh_protocol.judge import check_clock
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import UnixMs

from ..admission import Ticket
from ..engine.answers import Denied, Level, Outcome, Principal
from ..engine.effects import Answer
from ..engine.events import PrivateShown, Published
from ..engine.parts import split_run
from ..metrics import Metrics
from .doorkeeper import Doorkeeper
from .driver import Driver
from .ingest import Ingest
from .lanes import Lane
from .offers import NOTHING, Finding, entry_of
from .verify import VerifyPool

_item: Codec[ItemForm] = Codec(ItemForm)


SHEAF_ENVELOPES = 64
"""Frames of one call go in together, up to so many envelopes (a larger frame alone): that spares each its own entry,
offer and answer, while the stages of the way in still overlap."""


Accepted = Callable[[Sequence[Outcome]], None]
"""Told what was decided before it is durable; nothing is promised yet."""


class _Sheaf:
    """Frames of one call from `place` on that go in together; `outcomes` is how many answers each of them has."""

    __slots__ = ("findings", "outcomes", "parts", "place", "total", "unreadable")

    def __init__(self, place: int) -> None:
        self.place = place
        self.parts: list[Part] = []
        self.findings: list[Finding] = []
        self.unreadable: list[tuple[int, Refusal]] = []
        self.outcomes: list[int] = []
        self.total = 0

    def add(
        self, parts: Sequence[Part], findings: Sequence[Finding], unreadable: Sequence[tuple[int, Refusal]]
    ) -> None:
        """One frame: its readable parts, and what could not be read with its place among both."""
        start = len(self.parts) + len(self.unreadable)
        self.parts += parts
        self.findings += findings
        self.unreadable += [(start + place, refusal) for place, refusal in unreadable]
        self.outcomes.append(_envelopes(parts) + len(unreadable))
        self.total += self.outcomes[-1]


class _Call:
    """One call of `publish`: the answers of its sheaves fall in, in any order."""

    __slots__ = ("accepted", "answers", "done", "missing")

    def __init__(self, frames: int, accepted: Accepted | None = None) -> None:
        self.accepted = accepted
        self.answers: list[Sequence[Outcome]] = [()] * frames
        self.missing = frames
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def put(self, place: int, counts: Sequence[int], outcomes: Sequence[Outcome]) -> None:
        """Answer the frames from `place` on, so many outcomes each; the last answer ends the call."""
        start = 0
        for number, length in enumerate(counts, place):
            self.answers[number] = outcomes[start : start + length]
            start += length
        self.missing -= len(counts)
        if not self.missing and not self.done.done():
            self.done.set_result(None)


class Publishing:
    """Numbers requests and remembers whose they are until the driver answers them."""

    def __init__(
        self,
        network: Network,
        ingest: Ingest,
        driver: Driver,
        verify: VerifyPool,
        door: Doorkeeper,
        clock: Callable[[], UnixMs],
        monotonic_s: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._network = network
        self._ingest = ingest
        self._driver = driver
        self._verify = verify
        self.door = door
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._metrics = metrics
        self._numbers = count(1)
        self._waiting: dict[int, tuple[_Call, int, Sequence[int], Sequence[Ticket]]] = {}
        self._early: dict[int, _Call] = {}
        self.draining = False

    async def publish(
        self, frames: Sequence[bytes], tickets: Sequence[Ticket] = (), accepted: Accepted | None = None
    ) -> Sequence[Sequence[Outcome]]:
        """One list of outcomes a frame, durable on return; `accepted` is told of one frame's before that. `tickets` of
        the door, one a frame or none at all, are given back when the frame is answered, whoever still waits. Raises
        Denied `queue-full` or `draining` for all of them."""
        try:
            self._check_room()
            if not frames:
                return []
            began_s = self._monotonic_s()
            call = _Call(len(frames), accepted)
            self._take_all(call, frames, tickets)
        except BaseException:
            self.door.leave(tickets)
            raise
        await call.done
        self._metrics.published(self._monotonic_s() - began_s)
        return call.answers

    def _check_room(self) -> None:
        if self.draining:
            raise Denied(Reason.DRAINING, "this node is about to stop; publish through another", retry_after_s=5)
        if not self._ingest.room(Lane.PUBLISHED):
            raise Denied(Reason.QUEUE_FULL, "this node has as much under way as it may; try again", retry_after_s=1)

    def _take_all(self, call: _Call, frames: Sequence[bytes], tickets: Sequence[Ticket]) -> None:
        sheaf = _Sheaf(0)
        for place, data in enumerate(frames):
            opened = self._open(data)
            if sheaf.total and sheaf.total + _envelopes(opened[0]) > SHEAF_ENVELOPES:
                self._take(call, sheaf, tickets[sheaf.place : place])
                sheaf = _Sheaf(place)
            sheaf.add(*opened)
        self._take(call, sheaf, tickets[sheaf.place :])

    def _open(self, data: bytes) -> tuple[Sequence[Part], Sequence[Finding], Sequence[tuple[int, Refusal]]]:
        """The parts of one frame, what is known of each, and what could not be read."""
        try:
            frame = open_publish(self._network, data)
        except Refusal as refusal:
            return (), (), [(0, refusal.alone())]
        parts, unreadable = _parts(self._network, frame)
        if len(parts) == 1 and not unreadable and not frame.grants and len(data) <= self._network.limits.frame_bytes:
            return parts, [Finding(data=data)], ()
        return parts, [NOTHING] * len(parts), unreadable

    def _take(self, call: _Call, sheaf: _Sheaf, tickets: Sequence[Ticket]) -> None:
        number = self._number(call, sheaf.place, sheaf.outcomes, tickets)
        due_s = tickets[0].due_s if tickets else 0.0
        self._ingest.take(entry_of(Published(number), sheaf.parts, sheaf.findings, sheaf.unreadable, due_s=due_s))

    def _number(self, call: _Call, place: int, counts: Sequence[int], tickets: Sequence[Ticket] = ()) -> int:
        number = next(self._numbers)
        self._waiting[number] = (call, place, counts, tickets)
        if call.accepted is not None:
            self._early[number] = call
        return number

    def _refused(self, refusal: Refusal) -> Outcome:
        """Of what never reaches the engine, which counts all other answers."""
        self._metrics.judged("published", refusal.verdict, refusal.reason)
        return Outcome(None, Level.REFUSED, refusal.reason, refusal.rule, refusal.detail, None)

    def decided(self, answers: Iterable[Answer]) -> None:
        """The driver's hand: these answers wait for the disk."""
        if not self._early:
            return
        for answer in answers:
            call = self._early.pop(answer.request, None)
            if call is not None and call.accepted is not None:
                call.accepted([_accepted(outcome) for outcome in answer.outcomes])

    def answer(self, request: int, outcomes: Sequence[Outcome]) -> None:
        """The driver's hand: give a request its outcomes."""
        self._early.pop(request, None)
        call, place, counts, tickets = self._waiting.pop(request)
        self.door.leave(tickets)
        call.put(place, counts, outcomes)

    async def publish_private(self, principal: Principal, item: bytes) -> Outcome:
        """Take a private envelope of the logged-in wallet (SPEC 4.19). Never raises for the wallet's fault."""
        try:
            envelope = await self._check_private(principal, item)
        except Refusal as refusal:
            return self._refused(refusal)
        await self._ingest.opened()  # an engine that is being replaced learns nothing more
        call = _Call(1)
        self._driver.handle(PrivateShown(self._number(call, 0, [1]), envelope))
        await call.done
        return call.answers[0][0]

    async def _check_private(self, principal: Principal, item: bytes) -> Envelope:
        form = _item.decode(item)
        envelope = check_item(self._network, form.kind, form.author, form.body, form.auth, private=True)
        if envelope.author != principal.account:
            raise Refusal(Reason.FORBIDDEN, "4.19", "a wallet hands in its own private envelopes only")
        check_clock(self._network, envelope, self._clock())
        claim = envelope_claim(envelope.author, envelope.kind, envelope.auth, envelope.body, envelope.id)
        (failure,) = await self._verify.verify([claim])
        if failure is not None:
            raise failure
        self._driver.engine.state.authority.check(envelope)
        return envelope


def _accepted(outcome: Outcome) -> Outcome:
    return outcome if outcome.level is Level.REFUSED else replace(outcome, level=Level.ACCEPTED, commit_no=None)


def _envelopes(parts: Sequence[Part]) -> int:
    return sum([len(part.envelopes) for part in parts])


def _parts(network: Network, frame: OpenFrame) -> tuple[list[Part], list[tuple[int, Refusal]]]:
    """The readable entries as parts, with runs split to what a frame may carry, and the unreadable with their
    places."""
    parts: list[Part] = []
    unreadable: list[tuple[int, Refusal]] = []
    for grant in frame.grants:
        if isinstance(grant, Refusal):
            unreadable.append((len(parts) + len(unreadable), grant))
        else:
            parts.append(Part((grant,)))
    for part in frame.parts:
        if isinstance(part, Refusal):
            unreadable.append((len(parts) + len(unreadable), part))
        else:
            parts += split_run(part, network.limits.run_bytes)
    return parts, unreadable
