"""A Mosquitto of the laboratory's own, to be measured against: on a free port of this machine, with nothing on disk.
Ended by its own pid."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from .addresses import free_ports
from .errors import LabError

START_S: Final = 10.0
END_S: Final = 5.0
LINES: Final = (
    "allow_anonymous true",
    "set_tcp_nodelay true",
    "max_queued_messages 0",
    "max_inflight_messages 0",
    "log_dest none",
)


class Mosquitto(NamedTuple):
    """Where it listens, and its only process."""

    port: int
    pid: int


@asynccontextmanager
async def running_mosquitto(folder: Path) -> AsyncIterator[Mosquitto]:
    """One that answers. Raises LabError where it is not installed, or does not start."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise LabError("mosquitto is not installed, and this is measured against it")
    (port,) = free_ports(1)
    file = folder / "mosquitto.conf"
    file.write_text("\n".join((f"listener {port} 127.0.0.1", *LINES)) + "\n")
    process = await asyncio.create_subprocess_exec(program, "-c", str(file), start_new_session=True)
    try:
        await _answering(process, port)
        yield Mosquitto(port, process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(END_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _answering(process: asyncio.subprocess.Process, port: int) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                return
    raise LabError("mosquitto did not start")
