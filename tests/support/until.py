"""Waiting for a state, never for a time: the one place where tests look again and again at what has no event of its
own."""

import asyncio
from collections.abc import Callable
from typing import Final

WAIT_S: Final = 20.0
AGAIN_S: Final = 0.005


async def until(condition: Callable[..., object]) -> None:
    """Called without arguments, until it holds; TimeoutError where it never does."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110  # it lies behind a socket, in a thread or in another task
            await asyncio.sleep(AGAIN_S)
