"""Writes a session's stream to a transport that a task of its own serves, until it ends. Knows no transport."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied
from .contract import Inboxes, WalletEvent
from .deadline import Deadline
from .session import Mark, Marker, Portion, Session


async def pump(
    session: Session, inboxes: Inboxes, transport: str, write: Callable[[Portion], Awaitable[None]]
) -> Marker:
    """Hand every batch but the last to `write` and count the delivered; returns ENDED, which is the caller's to tell.

    A write that takes longer than `write_s` ends with `slow-consumer`: cut the connection, its cursor resumes it. What
    `write` raises when the connection is lost is raised."""
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    writing = Deadline(task.cancel)
    cancelled = task.cancelling()
    with session, closing(writing):
        try:
            async with aclosing(session.batches()) as batches:
                async for batch in batches:
                    if isinstance(batch, Marker) and batch.mark is Mark.ENDED:
                        return batch
                    writing.set(session.limits.write_s)
                    await write(batch)
                    writing.clear()
                    if not isinstance(batch, Marker | WalletEvent):
                        inboxes.delivered(transport, session.principal.account, batch)
        except asyncio.CancelledError:
            if not writing.expired or task.uncancel() > cancelled:
                raise
            return Marker(Mark.ENDED, session.position, Reason.SLOW_CONSUMER, "a write took too long")
        except Denied as denied:
            return Marker(Mark.ENDED, session.position, denied.reason, denied.detail)
    raise AssertionError("batches() ends with the ENDED marker")
