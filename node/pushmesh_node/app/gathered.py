"""Small writes of many wallets that share commits: the newest of each key, soon, or at once where somebody waits."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

from pushmesh_protocol.reasons import Reason

from ..engine.answers import Denied

Key = TypeVar("Key")
Value = TypeVar("Value")

GATHER_S: Final = 0.05
"""So long a write waits for others where nobody waits for it."""

RETRY_S: Final = 2.0
"""After the store has failed."""

MANY: Final = 512
"""So many go at once, whoever waits."""

MOST: Final = 65_536
"""That the store has not taken yet; beyond it no new key is taken."""


class _Sheet(Generic[Key, Value]):
    """What is written together; `done` gives why it was not, or None, and so hear those of `told`."""

    __slots__ = ("done", "hurry", "told", "values")

    def __init__(self) -> None:
        self.values: dict[Key, Value] = {}
        self.hurry = asyncio.Event()
        self.told: list[Callable[[Denied | None], None]] = []
        self.done: asyncio.Future[Denied | None] = asyncio.get_running_loop().create_future()


class Gathered(Generic[Key, Value]):
    """`write` makes values durable or raises Denied, and is called by one task; `crashed` takes our own faults.

    What the store did not take, or a fault of ours kept from it, stays and is tried again."""

    def __init__(
        self, write: Callable[[Mapping[Key, Value]], Awaitable[None]], crashed: Callable[[BaseException], None]
    ) -> None:
        self._write = write
        self._crashed = crashed
        self._next: _Sheet[Key, Value] = _Sheet()
        self._current: _Sheet[Key, Value] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def __contains__(self, key: Key) -> bool:
        """Whether something of this key is not durable yet."""
        return key in self._next.values or (self._current is not None and key in self._current.values)

    def put(self, key: Key, value: Value) -> None:
        """Take the newest value of a key. Raises Denied `queue-full` for a new key where too many wait."""
        values = self._next.values
        if len(values) >= MOST and key not in values:
            raise Denied(Reason.QUEUE_FULL, "the store takes no acknowledgements now", retry_after_s=RETRY_S)
        values[key] = value
        if len(values) >= MANY:
            self._next.hurry.set()
        if self._writer is None:
            self._writer = asyncio.create_task(self._work(), name="gathered")
            self._writer.add_done_callback(self._done)

    async def settled(self, key: Key) -> None:
        """Wait until what was put last is durable. Raises Denied where the store did not take it this time."""
        sheet = self._next
        if key in sheet.values:
            sheet.hurry.set()
        elif self._current is not None and key in self._current.values:
            sheet = self._current
        else:
            return
        denied = await asyncio.shield(sheet.done)
        if denied is not None:
            raise again(denied)

    def when_settled(self, key: Key, done: Callable[[Denied | None], None]) -> None:
        """The same without a task: `done` is called in a later turn of the loop, with why it was not taken, or None."""
        sheet = self._next
        if key in sheet.values:
            sheet.hurry.set()
        elif self._current is not None and key in self._current.values:
            sheet = self._current
        else:
            asyncio.get_running_loop().call_soon(done, None)
            return
        if not sheet.told:
            sheet.done.add_done_callback(lambda settled: self._tell(sheet.told, settled.result()))
        sheet.told.append(done)

    def _tell(self, waiting: list[Callable[[Denied | None], None]], denied: Denied | None) -> None:
        for done in waiting:
            try:
                done(denied)
            except Exception as error:  # our own fault, with one of those who waited
                self._crashed(error)

    async def close(self) -> None:
        """Write what is left, if the store takes it. Idempotent."""
        self._closing.set()
        if self._writer is not None:
            self._next.hurry.set()
            await asyncio.wait((self._writer,))

    async def _work(self) -> None:
        while self._next.values:
            await _either(self._next.hurry, GATHER_S)
            self._current, self._next = self._next, _Sheet()
            if not await self._write_current(self._current):
                if self._closing.is_set():
                    return
                await _either(self._closing, RETRY_S)

    async def _write_current(self, sheet: _Sheet[Key, Value]) -> bool:
        told = Denied(Reason.INTERNAL, "the node failed to store it; its log says why")
        try:
            await self._write(sheet.values)
        except Denied as denied:
            told = denied
        except Exception as error:  # our own fault: loud, and nobody may wait or be told that it is durable for it
            self._crashed(error)
        else:
            sheet.done.set_result(None)
            return True
        finally:
            self._current = None
            if not sheet.done.done():
                sheet.done.set_result(told)
        self._next.values = {**sheet.values, **self._next.values}
        return False

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._writer = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashed(error)


def again(denied: Denied) -> Denied:
    """A copy for each who waited: one object raised in many tasks would collect all their tracebacks."""
    return Denied(denied.reason, denied.detail, denied.rule, denied.retry_after_s)


async def _either(event: asyncio.Event, longest_s: float) -> None:
    """Until the event, or so long."""
    try:
        async with asyncio.timeout(longest_s):
            await event.wait()
    except TimeoutError:
        pass
