"""Whoever signs and publishes: takes a free slot, keeps the bytes, signs, sends, and does it again where a slot was
void.

The order matters: bytes and slot are on disk before a signature exists, so that no crash and no retry can make two
envelopes for one slot (SPEC section 6). A retry repeats the bytes.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from msgspec import structs

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import Key
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import AnyBody, Kind, Notification, Retraction, decode_body
from pushmesh_protocol.kinds.retraction import CANCEL
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import Account, Epoch

from .book import Reservation, SlotBook, free_of
from .compose import (
    SEQ_PLACEHOLDER,
    Draft,
    Fill,
    body_cost,
    check_before_signing,
    check_leaf_before_signing,
    frames_of_batch,
    notification_of,
    seq_range,
    signed_batch,
    signed_envelope,
)
from .errors import BadAnswer, ClientError, NoFreeSlot, Refused, TimedOut, Unreachable
from .node import Node
from .outcomes import Outcome
from .receipts import Wait

ATTEMPTS = 5
SLOTS_AT_ONCE = 128
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 2.0
"""Between two tries where a node told no time: doubled from the one to the other."""
TRY_AGAIN = frozenset(
    {
        *("queue-full", "store-failed", "throttled", "rate-limited", "draining", "not-ready"),
        *("timeout", "too-many-connections"),
    }
)
"""Answers that say: the same bytes, a little later."""


def unix_ms() -> int:
    """The time of this machine in Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Signer:
    """A key, the account that it signs for, and for a session key its seq range and the grant that travels along."""

    key: Key
    account: Account
    session_range: tuple[int, int] | None = None
    grants: tuple[Envelope, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """An envelope and the node's answer to it."""

    envelope: Envelope
    outcome: Outcome

    @property
    def id(self) -> bytes:
        """32 bytes."""
        return self.envelope.id

    @property
    def ok(self) -> bool:
        """See Outcome.ok."""
        return self.outcome.ok


class Author:
    """Publishes for one signer through one node. Calls may overlap."""

    def __init__(
        self,
        node: Node,
        signer: Signer,
        book: SlotBook,
        *,
        now_ms: Callable[[], int] = unix_ms,
        patience_s: float = 20.0,
    ) -> None:
        """`patience_s` is how long the same bytes are tried again where the node is away or busy."""
        self.node = node
        self.signer = signer
        self._book = book
        self._now_ms = now_ms
        self._patience_s = patience_s
        self._lock = asyncio.Lock()
        self._offered: dict[Epoch, list[int]] = {}

    async def publish(self, kind: int, fill: Fill, wait: Wait | None = None) -> Published:
        """Sign and publish one envelope; with `wait` the outcome says how far it got in that time.

        Raises Refusal where the body breaks a rule, ClientError where it got no answer. A refusal by the node is in the
        outcome, not raised."""
        network = await self.node.network()
        account = self.signer.account
        for _ in range(ATTEMPTS):
            issued_at = self._now_ms()
            check_before_signing(network, kind, account, fill(issued_at, SEQ_PLACEHOLDER))
            cost = body_cost(network, kind, account, fill, issued_at)
            reservation = await self._reserve(
                network,
                kind,
                issued_at,
                cost,
                lambda first: (pack(fill(issued_at, first)),),  # noqa: B023  # called within this turn
            )
            published = await self._publish_reserved(network, reservation, wait)
            if not await self._must_sign_again(network, published):
                break
        return published

    async def publish_batch(self, topic: Topic, drafts: Sequence[Draft], wait: Wait | None = None) -> list[Published]:
        """Publish up to 1,024 notifications of one topic, each to its own recipients, under one signature.

        `wait` as for `publish`, each frame by itself. Raises like `publish`; leaves whose slot was void are signed
        again, one by one."""
        network = await self.node.network()
        issued_at = self._now_ms()

        def bodies(first: int) -> tuple[bytes, ...]:
            return tuple(
                pack(notification_of(draft, topic, issued_at, first + index)) for index, draft in enumerate(drafts)
            )

        for draft in drafts:
            check_leaf_before_signing(network, self.signer.account, topic, draft, issued_at)
        reservation = await self._reserve(network, Kind.NOTIFICATION, issued_at, len(drafts), bodies)
        published = await self._publish_reserved_batch(network, reservation, wait)
        for index, leaf in enumerate(published):
            if await self._must_sign_again(network, leaf):
                draft = drafts[index]
                published[index] = await self.publish(
                    Kind.NOTIFICATION,
                    lambda at, seq: notification_of(draft, topic, at, seq),  # noqa: B023  # called within this turn
                )
        return published

    async def check_leaf(self, topic: Topic, draft: Draft) -> None:
        """Raise Refusal where `publish_batch` would, before anything is signed."""
        check_leaf_before_signing(await self.node.network(), self.signer.account, topic, draft, self._now_ms())

    async def resume(self) -> list[Published]:
        """Send again what an earlier run reserved and got no answer for: the same bytes; what is too old is cancelled
        and signed anew."""
        network = await self.node.network()
        answers: list[Published] = []
        for reservation in self._book.unsettled():
            if reservation.account != self.signer.account:
                continue
            if len(reservation.bodies) > 1:
                again = await self._publish_reserved_batch(network, reservation)
            else:
                again = [await self._publish_reserved(network, reservation)]
            answers += [await self._replaced(network, published) for published in again]
        return answers

    async def _replaced(self, network: Network, published: Published) -> Published:
        """Sealed content cannot be signed anew: it is tied to its slot, and its key is gone. It stays refused."""
        body = published.envelope.body
        must = await self._must_sign_again(network, published)
        if not must or (isinstance(body, Notification) and body.sealed is not None):
            return published
        life_ms = body.expires_at - body.issued_at

        def fill(issued_at: int, seq: int) -> AnyBody:
            return structs.replace(body, issued_at=issued_at, seq=seq, expires_at=issued_at + life_ms)

        return await self.publish(published.envelope.kind, fill)

    async def _publish_reserved(
        self, network: Network, reservation: Reservation, wait: Wait | None = None
    ) -> Published:
        body = decode_body(reservation.kind, reservation.bodies[0])
        signer = self.signer
        envelope = await asyncio.to_thread(signed_envelope, network, signer.key, signer.account, reservation.kind, body)
        outcomes = await self.send(encode_frame([Part((envelope,))], signer.grants), 1 + len(signer.grants), wait)
        self._settle(reservation, outcomes)
        return Published(envelope, outcomes[-1])

    async def _publish_reserved_batch(
        self, network: Network, reservation: Reservation, wait: Wait | None = None
    ) -> list[Published]:
        bodies = [decode_body(reservation.kind, data) for data in reservation.bodies]
        signer = self.signer
        leaves = [body for body in bodies if isinstance(body, Notification)]
        batch = await asyncio.to_thread(signed_batch, network, signer.key, signer.account, leaves)
        outcomes: list[Outcome] = []
        grants = len(signer.grants)
        limits = network.limits
        for frame in frames_of_batch(batch, limits.api_batch_bytes, limits.run_bytes, signer.grants):
            outcomes += (await self.send(frame, None, wait))[grants:]
        if len(outcomes) != len(batch.envelopes):
            raise BadAnswer(f"{self.node.url} gave {len(outcomes)} outcomes for {len(batch.envelopes)} notifications")
        self._settle(reservation, outcomes)
        return [Published(leaf, outcome) for leaf, outcome in zip(batch.envelopes, outcomes, strict=True)]

    def _settle(self, reservation: Reservation, outcomes: Sequence[Outcome]) -> None:
        """What was accepted only may be lost yet: `resume` sends it again."""
        if all(outcome.level != "accepted" for outcome in outcomes):
            self._book.settle(reservation)

    async def send(self, frame: bytes, expected: int | None, wait: Wait | None = None) -> list[Outcome]:
        """Give the frame's bytes to the node until it answers, for as long as patience lasts; never before the time
        that it told. Raises the last error."""
        deadline = time.monotonic() + self._patience_s
        delay_s = FIRST_DELAY_S
        while True:
            told_s = 0.0
            try:
                outcomes = await self.node.publish_frame(frame, wait)
                if expected is not None and len(outcomes) != expected:
                    raise BadAnswer(f"{self.node.url} gave {len(outcomes)} outcomes for {expected} envelopes")
                told_s = max([outcome.retry_after_s or 0.0 for outcome in outcomes], default=0.0)
                if not any(outcome.reason in TRY_AGAIN for outcome in outcomes) or _is_over(deadline, told_s):
                    return outcomes
            except (Unreachable, TimedOut):
                if _is_over(deadline):
                    raise
            except Refused as refusal:
                told_s = refusal.retry_after_s or 0.0
                if refusal.reason not in TRY_AGAIN or _is_over(deadline, told_s):
                    raise
            await asyncio.sleep(max(delay_s * random.uniform(0.7, 1.3), told_s * random.uniform(1.0, 1.3)))
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    async def _must_sign_again(self, network: Network, published: Published) -> bool:
        """Whether another slot is needed; a notification that was too old is cancelled first, so that no late copy
        counts (SPEC 7.3)."""
        outcome, envelope = published.outcome, published.envelope
        if outcome.reason == "slot-void":
            return True
        if outcome.reason != "too-old":
            return False
        if envelope.kind == Kind.NOTIFICATION and envelope.body.topic is not None:
            await self.retract(envelope.body.topic, envelope.id, CANCEL, envelope.body.expires_at)
        return True

    async def retract(
        self, topic: Topic, target: bytes, mode: int, expires_at_ms: int, replacement: bytes | None = None
    ) -> Published:
        """Take back, cancel or replace a notification; `expires_at_ms` is the target's (SPEC 4.17)."""

        def fill(issued_at: int, seq: int) -> Retraction:
            return Retraction(issued_at, seq, max(expires_at_ms, issued_at + 60_000), topic, target, mode, replacement)

        return await self.publish(Kind.RETRACTION, fill)

    async def _reserve(
        self, network: Network, kind: int, issued_at: int, covered: int, bodies: Callable[[int], tuple[bytes, ...]]
    ) -> Reservation:
        account, epoch = self.signer.account, network.epoch(issued_at)
        async with self._lock:
            first = await self._choose(network, epoch, covered)
            reservation = Reservation(account, epoch, first, covered, kind, bodies(first))
            await asyncio.to_thread(self._book.reserve, reservation)
        return reservation

    async def _choose(self, network: Network, epoch: Epoch, covered: int) -> int:
        account = self.signer.account
        low, high = seq_range(network, account, session=self.signer.session_range)
        if covered == 1:
            offered = await self._offers(account, epoch, low, high)
            if offered:
                return offered.pop()
        for _ in range(ATTEMPTS):
            first = self._book.choose(account, epoch, low, high, covered)
            free = await _or_none(self.node.free_slots(account, first, first + covered, covered))
            if free is None or len(set(free)) == covered:  # a node that is away cannot advise; the book is what binds
                return first
        raise NoFreeSlot(
            f"the node knows no {covered} consecutive free slots in this epoch; the next epoch has new ones"
        )

    async def _offers(self, account: Account, epoch: Epoch, low: int, high: int) -> list[int]:
        offered = free_of(self._book, account, epoch, self._offered.get(epoch, ()))
        if not offered:
            count = min(SLOTS_AT_ONCE, high - low)
            seqs = await _or_none(self.node.free_slots(account, low, high, count)) or ()
            offered = free_of(self._book, account, epoch, dict.fromkeys(seqs))
        self._offered = {epoch: offered}
        return offered


def _is_over(deadline: float, wait_s: float = 0.0) -> bool:
    """Whether patience has ended, or will before it makes sense to try again."""
    return time.monotonic() + wait_s > deadline


async def _or_none(asked: Awaitable[list[int]]) -> list[int] | None:
    try:
        return await asked
    except ClientError:
        return None
