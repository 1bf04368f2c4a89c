"""Signature checks off the event loop. Long lists go to processes: beside a busy loop a thread gets the interpreter
lock so rarely that it hardly overlaps with it. The shortest are checked at once, since any hand-over costs more."""

import asyncio
from collections.abc import Callable, Sequence

from pushmesh_protocol.auth.verify import Claim, verify_claims
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.network import Network, dump_network

from .verify_process import VerifyProcess, WorkerLost
from .verify_wire import pack_claims, read_answers

AT_ONCE = 3
"""A list up to this long is checked on the loop itself."""

PIECE = 8
"""A list is shared among the processes in pieces of at least this many."""


class VerifyPool:
    """`processes` workers; the caller bounds how much is under way. `observe` is told the size of every list.

    While no process is ready a thread does the work, so that a node without them is slow and not stuck."""

    def __init__(self, network: Network, processes: int, observe: Callable[[int], None]) -> None:
        self._network = network
        self._observe = observe
        self.workers = [VerifyProcess(dump_network(network)) for _ in range(processes)]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the processes; what comes before they are ready is checked all the same."""
        self._tasks = [asyncio.create_task(worker.run(), name="verify") for worker in self.workers]

    async def verify(self, claims: Sequence[Claim]) -> list[Refusal | None]:
        """One answer per claim, in order."""
        if not claims:
            return []
        self._observe(len(claims))
        if len(claims) <= AT_ONCE:
            return verify_claims(self._network, claims)
        ready = sorted((worker for worker in self.workers if worker.is_ready), key=lambda worker: worker.waiting)
        if not ready:
            return await asyncio.to_thread(verify_claims, self._network, claims)
        size = max(PIECE, -(-len(claims) // len(ready)))
        pieces = [claims[start : start + size] for start in range(0, len(claims), size)]
        if len(pieces) == 1:
            return await self._ask(ready[0], claims)
        answers = await asyncio.gather(*map(self._ask, ready, pieces))
        return [answer for piece in answers for answer in piece]

    async def _ask(self, worker: VerifyProcess, claims: Sequence[Claim]) -> list[Refusal | None]:
        try:
            return read_answers(await worker.ask(pack_claims(claims)))
        except WorkerLost:
            return await asyncio.to_thread(verify_claims, self._network, claims)

    async def close(self) -> None:
        """End the processes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
