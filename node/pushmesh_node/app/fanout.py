"""From what became durable to who listens: every wallet that gets the same shares one batch, and a commit to very many
is handed over in slices, so that nobody else waits for it. Knows nothing of the store."""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from ..delivery.contract import Batch, Listener, Message
from ..engine.effects import Deliver

OWN_FAULT = "this is the node's own fault; it has been logged"
SLICE_S = 0.002
LOOK_EVERY = 32
"""Wallets between two looks at the clock."""
MOST_WAITING = 256
"""Batches that wait for their slices. One more, and all are handed over at once: commits then wait, not memory."""


@dataclass(frozen=True, slots=True)
class Counting:
    """Who counts: (verdict, reason, wallets) that was decided, a batch that (transport, wallets) took, and our own
    faults."""

    decided: Callable[[str, Reason, int], None]
    delivered: Callable[[str, Sequence[Account], Batch], None]
    crashed: Callable[[BaseException], None]


@dataclass(slots=True)
class _Job:
    """A batch for wallets, of which those before `at` have been offered it."""

    messages: Sequence[Message]
    accounts: Sequence[Account]
    at: int = 0
    batch: Batch | None = None


class Fanout:
    """`outdated(message, now in ms)` says what must not be shown any more, however late its turn comes."""

    def __init__(self, counting: Counting, outdated: Callable[[Message, int], bool], now_ms: Callable[[], int]) -> None:
        self._counting = counting
        self._outdated = outdated
        self._now_ms = now_ms
        self._listeners: dict[Account, tuple[tuple[Listener, int], ...]] = {}
        self._jobs: deque[_Job] = deque()
        self._slice: asyncio.Handle | None = None

    def come(self, listener: Listener, seam: int) -> None:
        """It is offered what has a commit number above the seam."""
        account = listener.principal.account
        self._listeners[account] = (*self._listeners.get(account, ()), (listener, seam))

    def go(self, listener: Listener) -> bool:
        """It is offered nothing more; False where it was not there."""
        account = listener.principal.account
        held = self._listeners.get(account, ())
        left = tuple([each for each in held if each[0] is not listener])
        if left:
            self._listeners[account] = left
        else:
            self._listeners.pop(account, None)
        return len(left) < len(held)

    def accounts(self) -> Iterator[Account]:
        """The wallet of every listener, as often as it has one."""
        for account, listeners in self._listeners.items():
            for _ in listeners:
                yield account

    def listeners(self, account: Account) -> list[Listener]:
        """Those of a wallet."""
        return [listener for listener, _ in self._listeners.get(account, ())]

    def deliver(self, orders: Sequence[Deliver], frames: Sequence[bytes]) -> None:
        """Offer committed messages, of which each has its own frame, to the wallets that the engine named. Each
        listener gets what is in one call together, and everything in the order of the calls."""
        decided: Counter[tuple[str, Reason]] = Counter()
        for order in orders:
            for group in order.groups:
                decided[group.verdict, group.reason] += len(group.accounts)
        for (verdict, reason), count in decided.items():
            self._counting.decided(verdict, reason, count)
        self._jobs += divide(orders, frames)
        if self._slice is None:
            self._run()
        elif len(self._jobs) > MOST_WAITING:
            while self._jobs:
                self._work_off(self._jobs[0], None)

    def _run(self) -> None:
        """One slice; the next one comes after what else waits on the loop."""
        self._slice = None
        ends_s = time.monotonic() + SLICE_S
        while self._jobs:
            if not self._work_off(self._jobs[0], ends_s):
                self._slice = asyncio.get_running_loop().call_soon(self._run)
                return

    def _work_off(self, job: _Job, ends_s: float | None) -> bool:
        """Offer until the time is over; whether nothing is left of the job, which then has gone."""
        batch = self._batch(job)
        if batch is not None:
            accounts, first = job.accounts, min([message.commit_no for message in batch.messages])
            taken: defaultdict[str, list[Account]] = defaultdict(list)
            while job.at < len(accounts):
                self._offer(batch, first, accounts[job.at : job.at + LOOK_EVERY], taken)
                batch.flush()
                job.at += LOOK_EVERY
                if ends_s is not None and time.monotonic() >= ends_s:
                    break
            for transport, wallets in taken.items():
                self._counting.delivered(transport, wallets, batch)
            if job.at < len(accounts):
                return False
        self._jobs.popleft()
        return True

    def _batch(self, job: _Job) -> Batch | None:
        """What is still to be shown: time went by in the commit, and between slices."""
        now_ms, outdated = self._now_ms(), self._outdated
        shown = [message for message in job.messages if not outdated(message, now_ms)]
        if not shown:
            return None
        if job.batch is None or len(shown) < len(job.messages):
            job.messages, job.batch = shown, Batch(shown)
        return job.batch

    def _offer(
        self, batch: Batch, first: int, accounts: Sequence[Account], taken: defaultdict[str, list[Account]]
    ) -> None:
        listeners = self._listeners
        for account in accounts:
            for listener, seam in listeners.get(account, ()):
                try:
                    if seam < first:
                        if listener.offer(batch):
                            taken[listener.transport].append(account)
                    elif seam < batch.commit_no:
                        self._offer_part(listener, seam, batch)
                except Exception as error:  # our own fault, in one stream: it ends, so that it misses nothing unsaid
                    self._counting.crashed(error)
                    listener.end(Reason.INTERNAL, OWN_FAULT)

    def _offer_part(self, listener: Listener, seam: int, batch: Batch) -> None:
        """What it does not read from the store."""
        part = Batch([message for message in batch.messages if seam < message.commit_no])
        taken = listener.offer(part)
        part.flush()
        if taken:
            self._counting.delivered(listener.transport, [listener.principal.account], part)


def divide(orders: Sequence[Deliver], frames: Sequence[bytes]) -> list[_Job]:
    """Who gets what, in commit order, with each wallet in one job only."""
    columns = [
        [
            Message(order.commit_no, order.part.envelopes[order.index], frame, group.verdict, group.reason)
            for group in order.groups
        ]
        for order, frame in zip(orders, frames, strict=True)
    ]
    wallets = [group.accounts for group in orders[0].groups]
    if all([[group.accounts for group in order.groups] == wallets for order in orders[1:]]):
        return [_Job([messages[place] for messages in columns], accounts) for place, accounts in enumerate(wallets)]
    wanted: defaultdict[Account, list[Message]] = defaultdict(list)
    for order, messages in zip(orders, columns, strict=True):
        for group, message in zip(order.groups, messages, strict=True):
            for account in group.accounts:
                wanted[account].append(message)
    alike: dict[tuple[int, ...], tuple[list[Message], list[Account]]] = {}
    for account, given in wanted.items():
        alike.setdefault(tuple(map(id, given)), (given, []))[1].append(account)
    return [_Job(messages, accounts) for messages, accounts in alike.values()]
