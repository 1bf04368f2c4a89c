"""The engine is restored from the store while the node runs: after a failed commit, and where rows were lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import structlog

from ..storage.errors import StoreFailed

RETRY_S = 1.0

log = structlog.get_logger()


class Reloading:
    """One replay at a time: whoever asks while one is under way makes it start over.

    Nothing is decided inside `paused()`; `replay()` raises StoreFailed where the store cannot be read, which is tried
    again every second. `crashed` is told of any other error.
    """

    def __init__(
        self,
        paused: Callable[[], AbstractAsyncContextManager[object]],
        replay: Callable[[], Awaitable[None]],
        crashed: Callable[[BaseException], None],
        retry_s: float = RETRY_S,
    ) -> None:
        self._paused = paused
        self._replay = replay
        self._crashed = crashed
        self._retry_s = retry_s
        self._task: asyncio.Task[None] | None = None
        self._again = False

    @property
    def under_way(self) -> bool:
        """Whether the engine is older than what is to be decided by."""
        return self._task is not None

    def begin(self) -> None:
        """Returns at once."""
        self._again = True
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="reload")
            self._task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Give up what is under way. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        async with self._paused():
            while self._again:
                self._again = False
                try:
                    await self._replay()
                except StoreFailed as failure:
                    log.error("the store cannot be read; trying again", error=str(failure))
                    self._again = True
                    await asyncio.sleep(self._retry_s)
        log.warning("state was restored from the store")

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashed(error)
