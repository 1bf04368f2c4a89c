"""A child process of the laboratory that is told what to do in JSON lines and answers each with one. Ended by its
pid."""

import asyncio
import json
import sys
from typing import Any, Self

from .environment import child_environment
from .errors import LabError

ANSWER_LIMIT_BYTES = 64 * 1024 * 1024
GRACE_S = 5.0


class Worker:
    """`python -m <module> <arguments>`; what it writes to stderr is shown when it dies."""

    def __init__(self, process: asyncio.subprocess.Process, module: str) -> None:
        self._process = process
        self._module = module

    @classmethod
    async def start(cls, module: str, *arguments: str) -> Self:
        """Start it; `ask` or `answer` then waits for its first line."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=child_environment(),
            limit=ANSWER_LIMIT_BYTES,
            start_new_session=True,
        )
        return cls(process, module)

    async def ask(self, order: dict[str, Any], timeout_s: float = 120.0) -> dict[str, Any]:
        """Give an order, wait for its answer. Raises LabError when it dies or takes too long."""
        await self.tell(order)
        return await self.answer(timeout_s)

    async def tell(self, order: dict[str, Any]) -> None:
        """Give an order whose answer is asked for later."""
        assert self._process.stdin is not None  # a pipe, by start
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError as error:
            raise LabError(await self._why()) from error

    async def answer(self, timeout_s: float = 120.0) -> dict[str, Any]:
        """The next line. Raises LabError."""
        assert self._process.stdout is not None  # a pipe, by start
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise LabError(f"{self._module} did not answer within {timeout_s:g} s") from error
        if not line:
            raise LabError(await self._why())
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def stop(self) -> None:
        """End its input, then itself. Idempotent."""
        process = self._process
        if process.returncode is None and process.stdin is not None:
            process.stdin.close()
            try:
                async with asyncio.timeout(GRACE_S):
                    await process.communicate()
            except TimeoutError:
                process.kill()
                await process.communicate()

    async def _why(self) -> str:
        assert self._process.stderr is not None  # a pipe, by start
        text = (await self._process.stderr.read()).decode(errors="replace").strip().splitlines()
        return f"{self._module} ended: {text[-1] if text else 'without a word'}"
