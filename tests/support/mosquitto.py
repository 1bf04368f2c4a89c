"""A real Mosquitto on a free port of 127.0.0.1, which a test may end and start again."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path


def free_port() -> int:
    """A port that was free a moment ago: a broker that is to come back needs one that stays the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """`start` and `stop` as often as a test likes; what was queued survives an orderly stop."""

    def __init__(self, program: Path, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self._program = program
        self._file = folder / "mosquitto.conf"
        self._process: asyncio.subprocess.Process | None = None
        common = [
            f"listener {self.port} 127.0.0.1",
            "user root",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 0",
            "log_dest none",
        ]
        self._file.write_text("\n".join([*common, *(lines or ["allow_anonymous true"])]) + "\n")

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(self._program, "-c", self._file)
        async with asyncio.timeout(20):
            while not await self._answers():
                assert self._process.returncode is None, "the broker did not start"
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Orderly: what it confirmed is on disk. Idempotent."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            async with asyncio.timeout(20):
                await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL: it saves nothing and says nothing to anybody."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionError:
            return False
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return True


@contextlib.asynccontextmanager
async def running_broker(program: Path, folder: Path, *lines: str) -> AsyncIterator[Broker]:
    """A broker that has started and is ended in any case."""
    broker = Broker(program, folder, *lines)
    try:
        await broker.start()
        yield broker
    finally:
        await broker.stop()
