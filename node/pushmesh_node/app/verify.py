"""Signature checks off the event loop: lists go to threads, since the elliptic-curve work releases the interpreter
lock."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pushmesh_protocol.auth.verify import Claim, verify_claims
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.network import Network

SPLIT_FROM = 16
"""A list this long is shared among the threads; below it the hand-over costs more than it wins."""


class VerifyPool:
    """`threads` workers; the caller bounds how much is under way. `observe` is told the size of every list."""

    def __init__(self, network: Network, threads: int, observe: Callable[[int], None]) -> None:
        self._network = network
        self._threads = threads
        self._observe = observe
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="verify")

    async def verify(self, claims: Sequence[Claim]) -> list[Refusal | None]:
        """One answer per claim, in order."""
        if not claims:
            return []
        self._observe(len(claims))
        loop = asyncio.get_running_loop()
        pieces = self._threads if len(claims) >= SPLIT_FROM else 1
        size = -(-len(claims) // pieces)
        jobs = [
            loop.run_in_executor(self._pool, verify_claims, self._network, claims[start : start + size])
            for start in range(0, len(claims), size)
        ]
        return [answer for job in await asyncio.gather(*jobs) for answer in job]

    def close(self) -> None:
        """Waits for what is under way."""
        self._pool.shutdown(wait=True)
