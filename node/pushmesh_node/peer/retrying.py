"""Asks a source of peers again and again: after its own pause when it answered, with back-off when it failed."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from .errors import SourceError

BACKOFF_MIN_S: Final = 5.0
BACKOFF_MAX_S: Final = 600.0

log = structlog.get_logger()


async def keep_asking(
    source: str,
    ask: Callable[[], Awaitable[float]],
    count: Callable[[str, str, int], None],
    jitter: Callable[[], float],
    backoff_min_s: float = BACKOFF_MIN_S,
) -> None:
    """Until cancelled. `ask` gives the seconds to the next question; a failure is logged when it begins and when it is
    over, and counted each time. `jitter` is from 0 to 1."""
    failures = 0
    while True:
        try:
            pause_s = await ask()
        except SourceError as error:
            if not failures:
                log.warning("a source of peers failed and is tried again", source=source, error=str(error))
            count("source_failures", source, 1)
            pause_s = min(BACKOFF_MAX_S, backoff_min_s * 2 ** min(failures, 20))
            failures += 1
        else:
            if failures:
                log.info("a source of peers answers again", source=source, failures=failures)
            failures = 0
        await trio.sleep(pause_s * (0.75 + jitter() / 2))
