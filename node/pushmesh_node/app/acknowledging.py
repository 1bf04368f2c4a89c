"""Publishing with an answer that says how far it got: waits for the level that the publisher asked for, and never names
one that was not reached (SPEC section 12)."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from msgspec.structs import replace

from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import open_publish
from pushmesh_protocol.levels import reaches
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason

from ..admission import Ticket
from ..engine.answers import Acknowledged, Denied, Level, Outcome, Wait
from .holds import Holds
from .outcome_desk import OutcomeDesk
from .publishing import Publishing
from .receipts import Held, Receipts
from .store_words import telling_of_the_store

DURABLE = Wait()


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """Of one node: waits at a time, and the longest of them."""

    waits: int = 4_096
    longest_s: float = 60.0


class Acknowledging:
    """What the API's edges publish through where somebody wants more than a word."""

    def __init__(
        self,
        network: Network,
        publishing: Publishing,
        receipts: Receipts,
        holds: Holds,
        outcomes: OutcomeDesk,
        limits: WaitLimits,
        crashed: Callable[[BaseException], None],
    ) -> None:
        self._network = network
        self._publishing = publishing
        self._receipts = receipts
        self._holds = holds
        self._outcomes = outcomes
        self._limits = limits
        self._crashed = crashed
        self._tasks: set[asyncio.Task[Sequence[Outcome]]] = set()
        self._waits = 0

    async def publish(
        self,
        frame: bytes,
        wait: Wait = DURABLE,
        tickets: Sequence[Ticket] = (),
        durable: Callable[[Sequence[Outcome]], None] = lambda _outcomes: None,
    ) -> Sequence[Acknowledged]:
        """Publish a frame with its ticket, and answer when each of its envelopes got as far as asked, or when the time
        is up with the level that each has reached. Raises Denied `queue-full`, `draining`, `too-many-connections` for
        too many waits, or `timeout` where nothing was decided yet: the same bytes may be sent again.

        `durable` is told of the outcomes once they are, which is before the answer but for who waits for less."""
        if self._waits >= self._limits.waits:
            self._publishing.door.leave(tickets)
            raise Denied(Reason.TOO_MANY_CONNECTIONS, "too many publishers wait here", retry_after_s=1)
        self._waits += 1
        try:
            return await self._publish(frame, wait, tickets, durable)
        finally:
            self._waits -= 1

    async def _publish(
        self, frame: bytes, wait: Wait, tickets: Sequence[Ticket], durable: Callable[[Sequence[Outcome]], None]
    ) -> Sequence[Acknowledged]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(wait.timeout_s, self._limits.longest_s)
        outcomes = await self._first_word(frame, tickets, durable, wait.level, deadline - loop.time())
        if wait.level is Level.ACCEPTED or any(outcome.level is Level.ACCEPTED for outcome in outcomes):
            return [Acknowledged(outcome, None, ()) for outcome in outcomes]
        receipts = await self._receipts_of(outcomes)
        counting = [outcome for outcome in outcomes if _counts(outcome)]
        if counting and reaches(wait.level, Level.PROPAGATED):
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._wait_for(frame, counting, wait)
        return [self._acknowledged(outcome, receipt, wait) for outcome, receipt in zip(outcomes, receipts, strict=True)]

    async def _first_word(
        self,
        frame: bytes,
        tickets: Sequence[Ticket],
        durable: Callable[[Sequence[Outcome]], None],
        level: Level,
        timeout_s: float,
    ) -> Sequence[Outcome]:
        """The outcomes: durable ones, or accepted ones where those are all that is asked for or the time is up."""
        accepted: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()

        def tell(outcomes: Sequence[Outcome]) -> None:
            if not accepted.done():
                accepted.set_result(outcomes)

        task = asyncio.create_task(self._durable(frame, tickets, tell, durable), name="publish")
        self._tasks.add(task)  # it goes on whoever waits for it
        task.add_done_callback(self._ended)
        awaited: set[asyncio.Future[Sequence[Outcome]]] = {task}
        if level is Level.ACCEPTED:
            awaited.add(accepted)
        await asyncio.wait(awaited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            outcomes = task.result()
            return [_at_most(outcome, level) for outcome in outcomes]
        if accepted.done():
            return accepted.result()
        raise Denied(Reason.TIMEOUT, "nothing was decided in this time; send the same bytes again", retry_after_s=1)

    async def _durable(
        self,
        frame: bytes,
        tickets: Sequence[Ticket],
        tell: Callable[[Sequence[Outcome]], None],
        durable: Callable[[Sequence[Outcome]], None],
    ) -> Sequence[Outcome]:
        (outcomes,) = await self._publishing.publish([frame], tickets, tell)
        durable(outcomes)
        return outcomes

    def _ended(self, task: "asyncio.Task[Sequence[Outcome]]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Denied):
            self._crashed(error)

    async def _receipts_of(self, outcomes: Sequence[Outcome]) -> list[bytes | None]:
        held = [
            Held(outcome.commit_no, outcome.id)
            for outcome in outcomes
            if outcome.commit_no is not None and outcome.id is not None
        ]
        made = iter(await self._receipts.of(held) if held else [])
        receipts: list[bytes | None] = []
        for outcome in outcomes:
            receipt = next(made) if outcome.commit_no is not None and outcome.id is not None else None
            receipts.append(None if receipt is None else pack(receipt))
        return receipts

    async def _wait_for(self, frame: bytes, outcomes: Sequence[Outcome], wait: Wait) -> None:
        asked = {outcome.id for outcome in outcomes}
        envelopes = [envelope for envelope in self._envelopes(frame) if envelope.id in asked]
        if wait.level is Level.PROPAGATED:
            await self._holds.wait([(each.id, each.body.issued_at) for each in envelopes], wait.count)
        else:  # of nothing else does anybody tell this node
            mine = {each.id for each in envelopes if self._outcomes.is_origin_of(each)}
            held = [
                Held(each.commit_no, each.id)
                for each in outcomes
                if each.commit_no is not None and each.id is not None and each.id in mine
            ]
            with telling_of_the_store():
                await self._outcomes.wait(held, wait.level, wait.count)

    def _envelopes(self, frame: bytes) -> Sequence[Envelope]:
        try:
            return list(open_publish(self._network, frame).envelopes())
        except Refusal:  # nothing in it was taken
            return ()

    def _acknowledged(self, outcome: Outcome, receipt: bytes | None, wait: Wait) -> Acknowledged:
        if not _counts(outcome) or outcome.id is None:
            return Acknowledged(outcome, receipt, ())
        proofs = self._holds.proofs(outcome.id)
        reached: Level | None = None
        if wait.level is Level.PROPAGATED and self._holds.count(outcome.id) >= wait.count:
            reached = Level.PROPAGATED
        elif reaches(wait.level, Level.DELIVERED):
            reached = self._outcomes.reached(outcome.id, wait)
        if reached is not None:
            outcome = replace(outcome, level=reached)
        return Acknowledged(outcome, receipt, tuple([pack(proof) for proof in proofs]))


def _counts(outcome: Outcome) -> bool:
    return outcome.level is Level.DURABLE and outcome.reason is not Reason.SLOT_VOID


def _at_most(outcome: Outcome, level: Level) -> Outcome:
    if level is Level.ACCEPTED and outcome.level is Level.DURABLE:
        return replace(outcome, level=Level.ACCEPTED)
    return outcome
