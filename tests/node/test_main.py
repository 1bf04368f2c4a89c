"""What a shell and a terminal do to the command before and around its commands."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from support.commands import python_path

pytestmark = pytest.mark.integration


async def shell(script: str, cwd: Path, path: str = "") -> tuple[int | None, str]:
    """The code and stderr of a shell line in which `pm` is the command."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f'pm() {{ "{sys.executable}" -m pushmesh_node "$@"; }}; {script}'),
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path + python_path(), "HOME": str(cwd)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, err.decode()


async def test_ctrl_c_during_the_first_import_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    assert await shell("pm version", tmp_path, f"{tmp_path}:") == (130, "")


@pytest.mark.parametrize("command", ["version", "version --json", "key new", "key new --json"])
async def test_a_closed_standard_output_is_nowhere(tmp_path: Path, command: str) -> None:
    assert await shell(f"pm {command} >&- <&-", tmp_path) == (0, "")


async def test_a_closed_standard_input_is_empty(tmp_path: Path) -> None:
    code, err = await shell("pm publish prices --file - <&-", tmp_path)
    assert (code, err) == (2, "pushmesh: standard input holds no notification\n")


@pytest.mark.parametrize("command", ["key show", "key show --json", "version"])
async def test_a_reader_who_leaves_is_no_error(tmp_path: Path, command: str) -> None:
    script = f"(pm key new) && (pm {command}; echo $? >code) | true; exit $(cat code)"
    assert await shell(script, tmp_path) == (0, "")


@pytest.mark.parametrize("command", ["--help", "version", "key new --json"])
async def test_output_that_cannot_be_written_is_one_sentence(tmp_path: Path, command: str) -> None:
    code, err = await shell(f"pm {command} >/dev/full", tmp_path)
    assert (code, len(err.splitlines())) == (1, 1)
    assert "No space left on device" in err
