"""The `pushmesh` command as a process of its own, as programs and people call it."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Its last line of stdout."""
        document: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return document


async def pushmesh(
    *arguments: str, cwd: Path, stdin: bytes = b"", timeout_s: float = TIMEOUT_S, **environment: str
) -> Ran:
    """Run it to its end, in `cwd`, which is its home too."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pushmesh_node", *arguments),
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": python_path(), "HOME": str(cwd), "COLUMNS": "200"} | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(stdin)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return Ran(process.returncode or 0, out.decode(), err.decode())


def python_path() -> str:
    """Where this test run finds the packages."""
    return os.pathsep.join(path for path in sys.path if path)


def check_one_sentence(ran: Ran, code: int, *words: str) -> None:
    """It failed with this code and one line on stderr that says these words; no traceback, nothing on stdout."""
    assert ran.code == code, ran
    assert len(ran.err.strip().splitlines()) == 1, ran.err
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.err, ran.err
