"""Runs what a command does so that SIGTERM ends it like Ctrl-C: whatever it started is ended too."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


def run_to_end(work: Coroutine[Any, Any, None]) -> None:
    """Like asyncio.run. Raises KeyboardInterrupt after the work has cleaned up where a signal ended it."""
    asked = False

    async def supervise() -> None:
        nonlocal asked
        task = asyncio.ensure_future(work)

        def end() -> None:
            nonlocal asked
            asked = True
            task.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, end)
        await task

    try:
        asyncio.run(supervise())
    except asyncio.CancelledError:
        if not asked:
            raise
        raise KeyboardInterrupt from None
