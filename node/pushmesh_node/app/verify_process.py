"""One verifying process from the node's side: started, asked in order, started again when it ends."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from contextlib import suppress
from typing import Final

from .verify_wire import LENGTH_BYTES, frame

COMMAND: Final = (sys.executable, "-m", "pushmesh_node.app.verify_worker")
READ_LIMIT_BYTES: Final = 1 << 20
BACKOFF_MIN_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0
TERM_TIMEOUT_S: Final = 2.0

ANSWER_TIMEOUT_S: Final = 10.0
"""A process that lets its oldest question wait so long hangs and is killed; it may be killed from half of it on."""


class WorkerLost(Exception):
    """The process ended or hung before it answered; the question is to be put elsewhere."""


class VerifyProcess:
    """`run` supervises until it is cancelled; `ask` works while `is_ready`."""

    def __init__(self, network_text: str, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._look_again_s = answer_timeout_s / 2
        self._hello = frame(network_text.encode())
        self._process: Process | None = None
        self._waiting: deque[asyncio.Future[bytes]] = deque()

    @property
    def is_ready(self) -> bool:
        """Whether a question can be put now."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._process is None else self._process.pid

    @property
    def waiting(self) -> int:
        """Questions without an answer."""
        return len(self._waiting)

    def ask(self, question: bytes) -> "asyncio.Future[bytes]":
        """The answer to a list of claims; raises WorkerLost where the process ended or hung first."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if self._process is None or self._process.stdin is None:
            future.set_exception(WorkerLost())
            return future
        self._waiting.append(future)
        self._process.stdin.write(frame(question))
        return future

    async def run(self) -> None:
        """Start the process, and start it again with growing pauses when it ends."""
        pause_s = BACKOFF_MIN_S
        while True:
            answered = await self._live()
            pause_s = BACKOFF_MIN_S if answered else min(BACKOFF_MAX_S, pause_s * 2)
            await asyncio.sleep(pause_s)

    async def _live(self) -> bool:
        """One process from start to end; whether it answered anything."""
        answered = False
        try:
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                stdin=PIPE,
                stdout=PIPE,
                limit=READ_LIMIT_BYTES,
                start_new_session=True,  # Ctrl-C is the node's to handle
            )
        except OSError:
            return False
        assert process.stdin is not None and process.stdout is not None
        watching = asyncio.create_task(self._watch(process), name="verify-watch")
        try:
            process.stdin.write(self._hello)
            self._process = process
            while True:
                length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
                answer = await process.stdout.readexactly(length)
                answered = True
                future = self._waiting.popleft()
                if not future.done():  # its asker may have been cancelled
                    future.set_result(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return answered
        finally:
            watching.cancel()
            self._process = None
            self._give_up()
            await _end(process)

    async def _watch(self, process: Process) -> None:
        """Kill the process when one question is found the oldest twice; `_live` sees its output end. One timer for all
        questions, and a process that still answers is never killed, however many wait."""
        oldest: asyncio.Future[bytes] | None = None
        while oldest is None or not self._waiting or self._waiting[0] is not oldest:
            oldest = self._waiting[0] if self._waiting else None
            await asyncio.sleep(self._look_again_s)
        with suppress(ProcessLookupError):  # it ended by itself meanwhile
            process.kill()  # a stopped process does not hear TERM

    def _give_up(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_exception(WorkerLost())
        self._waiting.clear()


async def _end(process: Process) -> None:
    """By its own handle only: the end of its input, then TERM, then KILL; each waits a bounded time."""
    if process.stdin is not None:
        process.stdin.close()
    for end in (process.terminate, process.kill, None):
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), TERM_TIMEOUT_S)
            return
        if end is not None:
            with suppress(ProcessLookupError):
                end()
