"""A Mosquitto of our own, to be measured against: a process on a free port of loopback, ended by its pid."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from .addresses import free_ports
from .errors import LabError

PROGRAM = "mosquitto"
STANDARD_PLACE = "/usr/sbin"
"""Where Debian puts it, and not everybody looks."""
START_TIMEOUT_S = 20.0
POLL_S = 0.02
SETTINGS = ("user root", "allow_anonymous true", "set_tcp_nodelay true", "max_queued_messages 0", "log_dest none")
"""Nothing is kept on disk, and nobody is asked who he is. The user counts only where root starts it."""


class Broker:
    """One that runs."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    @property
    def pid(self) -> int:
        """Of its only process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.returncode is None

    async def stop(self, grace_s: float = 5.0) -> None:
        """Idempotent."""
        if not self.running:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(grace_s):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@contextlib.asynccontextmanager
async def running_broker(folder: Path, lines: Sequence[str] = ()) -> AsyncIterator[Broker]:
    """A broker that answers; `lines` go into its configuration. Raises LabError."""
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=STANDARD_PLACE)
    if program is None:
        raise LabError(f"there is no program {PROGRAM} here to measure against; install it first")
    (port,) = free_ports(1)
    config = folder / "mosquitto.conf"
    config.write_text("\n".join((f"listener {port} 127.0.0.1", *SETTINGS, *lines)) + "\n")
    process = await asyncio.create_subprocess_exec(program, "-c", str(config), start_new_session=True)
    broker = Broker(process, port)
    try:
        await _wait_ready(broker)
        yield broker
    finally:
        await broker.stop()


async def _wait_ready(broker: Broker) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await _answers(broker.port):
                if not broker.running:
                    raise LabError(f"{PROGRAM} ended while starting")
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise LabError(f"{PROGRAM} did not answer within {START_TIMEOUT_S:g} s") from error


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return True
