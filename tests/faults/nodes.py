"""Real node processes under the shim, and ways to strike them from outside: signals to processes of their tree."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import aiohttp

from pushmesh_node.lab.process import NodePlan, NodeProcess
from support.processes import Running

from .control import Control
from .shim import environment

GOSSIP = b"pushmesh_node.peer"
VERIFYING = b"pushmesh_node.app.verify_worker"
READY_S = 60.0


class FaultyNode(Running):
    """A node whose files, sockets and clock obey `control`."""

    def __init__(self, plan: NodePlan, *, log: Path | None = None) -> None:
        self.control = Control(plan.folder / "faults.control")
        super().__init__(replace(plan, environment=environment(plan.folder, self.control.path, log)))
        self.starts_s: list[float] = []

    async def ready(self) -> None:
        """Start it and wait until it serves; how long that took is kept."""
        began_s = time.monotonic()
        await self.up()
        self.starts_s.append(time.monotonic() - began_s)

    async def start_or_die(self) -> bool:
        """Start it; True once it serves, False where it was struck first."""
        await self.start()
        async with aiohttp.ClientSession() as http:
            ready = asyncio.create_task(self.wait_ready(http, READY_S))
            dead = asyncio.create_task(self.dead())
            await asyncio.wait((ready, dead), return_when=asyncio.FIRST_COMPLETED)
            for task in (ready, dead):
                task.cancel()
            await asyncio.gather(ready, dead, return_exceptions=True)
        return self.running

    async def dead(self) -> None:
        """Returns when its main process has ended."""
        if self._process is not None:
            await self._process.wait()

    async def dies_within(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.dead()
        return not self.running

    def children(self, module: bytes = b"") -> list[int]:
        """Process ids of its children whose command line names the module."""
        pid = self.pid
        return [] if pid is None else [child for child in _children(pid) if module in _command(child)]

    async def child(self, module: bytes, but: int = 0) -> int | None:
        """One of them once there is one (and not the process `but`); None where there is none in ten seconds."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = [pid for pid in self.children(module) if pid != but]
            if found:
                return found[0]
            await asyncio.sleep(0.05)
        return None

    async def kill_tree(self) -> None:
        """See below."""
        await kill_tree(self)

    def close(self) -> None:
        """After its last process has ended."""
        self.control.close()


async def kill_tree(node: NodeProcess) -> None:
    """All processes of a node at one moment: none sees another one's end."""
    pid = node.pid
    pids = [] if pid is None else [pid, *_children(pid)]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for each in pids:
            signal_process(each, number)
    await node.kill()


def signal_process(pid: int, number: int) -> None:
    """To a process that may have ended meanwhile."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _children(pid: int) -> list[int]:
    """Direct and further ones."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(text) for text in (task / "children").read_text().split()]
    return [*found, *(each for child in found for each in _children(child))]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
