"""One real node process: its config file, its log, its life. Ends it by its own pid, whatever happens;
where this process itself is killed, the node ends too."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec

from . import leash
from .environment import child_environment
from .errors import LabError, NodeDied

POLL_S = 0.05
TAIL_LINES = 5
OWN_WORDS = "pushmesh: "
"""What the sentence of a command that failed begins with."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What a node is started with. `settings` are dotted configuration keys, written to `folder`/pushmesh.toml, and
    `bridges` the keys of each `[[bridge]]` there."""

    name: str
    folder: Path
    api_port: int
    settings: Mapping[str, object]
    bridges: Sequence[Mapping[str, object]] = ()
    module: str = "pushmesh_node"
    """Runs the command line; another one may put something in place of a part that is to be measured."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside those that every child of the laboratory is given."""

    @property
    def url(self) -> str:
        """Of its HTTP API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def log(self) -> Path:
        """Everything that the process writes."""
        return self.folder / "node.log"


def write_config(plan: NodePlan) -> Path:
    """The configuration file with exactly the plan's keys."""
    sections: dict[str, list[str]] = {}
    for dotted, value in plan.settings.items():
        section, _, key = dotted.partition(".")
        sections.setdefault(f"[{section}]", []).append(_line(key, value))
    tables = [*sections.items(), *(("[[bridge]]", [_line(*item) for item in each.items()]) for each in plan.bridges)]
    text = "\n".join(f"{head}\n" + "\n".join(lines) + "\n" for head, lines in tables)
    path = plan.folder / "pushmesh.toml"
    path.write_text(text)
    return path


def _line(key: str, value: object) -> str:
    return f"{key} = {msgspec.json.encode(value).decode()}"


class NodeProcess:
    """Start, wait for it, kill it, start it again."""

    def __init__(self, plan: NodePlan) -> None:
        self.plan = plan
        self.starts = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """Of the node's main process, while it lives."""
        return self._process.pid if self._process is not None and self.running else None

    async def start(self) -> None:
        """Raises LabError when it runs already."""
        if self.running:
            raise LabError(f"{self.plan.name} runs already")
        config = write_config(self.plan)
        with self.plan.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", leash.MODULE, self.plan.module, "run", "--config", str(config)),
                stdin=asyncio.subprocess.PIPE,  # what the leash hangs on
                stdout=log,
                stderr=log,
                env=child_environment() | dict(self.plan.environment),
                start_new_session=True,  # Ctrl-C is the laboratory's to handle
            )
        self.starts += 1

    async def wait_ready(self, http: aiohttp.ClientSession, timeout_s: float) -> None:
        """Until /readyz says so. Raises NodeDied with the log's last lines, or LabError after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await self._is_ready(http):
                    if not self.running:
                        raise NodeDied(f"{self.plan.name} ended while starting: {self.log_tail()}")
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise LabError(f"{self.plan.name} was not ready after {timeout_s:g} s: {self.log_tail()}") from error

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self.plan.url}/readyz") as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def kill(self) -> None:
        """SIGKILL: what a power cut does to a process."""
        self.kill_now()
        if self._process is not None:
            await self._process.wait()

    def kill_now(self) -> None:
        """SIGKILL without waiting for its end."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGKILL)

    async def stop(self, grace_s: float = 15.0) -> None:
        """SIGTERM, so that it drains; SIGKILL when it has not ended after `grace_s`. Idempotent."""
        if self._process is None or not self.running:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(grace_s):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    def log_tail(self) -> str:
        """The last lines of the log in one line; where the node said by itself why it ended, that alone."""
        if not self.plan.log.exists():
            return "(no log)"
        lines = self.plan.log.read_text(errors="replace").strip().splitlines()[-TAIL_LINES:]
        if lines and lines[-1].startswith(OWN_WORDS):
            return lines[-1].removeprefix(OWN_WORDS)
        return " | ".join(line.strip() for line in lines) or "(the log is empty)"
