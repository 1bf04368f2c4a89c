import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pushmesh_node.cli.guard import CommandError
from pushmesh_node.cli.run import config_path, flags_of
from support.commands import check_one_sentence, pushmesh, python_path

pytestmark = pytest.mark.integration


@asynccontextmanager
async def a_running_node(tmp_path: Path, *settings: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """`pushmesh run --json` in a folder of its own, ended by the test; it must end well and without a traceback."""
    assert (await pushmesh("init", cwd=tmp_path)).code == 0
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pushmesh_node", "run", "--json"),
        *(part for setting in ("api.port=0", "mqtt.port=0", *settings) for part in ("--set", setting)),
        cwd=tmp_path,
        env={"PYTHONPATH": python_path(), "PUSHMESH_WALLET": "a variable of the other commands"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        **options,
    )
    try:
        async with asyncio.timeout(30):
            yield process
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert b"Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_node_says_where_it_listens_and_ends_well_when_it_is_asked_to(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with a_running_node(tmp_path, "gossip.enabled=false") as process:
        assert process.stdout is not None
        said = json.loads(await process.stdout.readline())
        assert said["api"].startswith("http://127.0.0.1:")
        assert said["mqtt"].startswith("mqtt://127.0.0.1:")
        process.send_signal(number)


async def test_ctrl_c_reaches_the_node_alone_and_the_node_ends_its_processes(tmp_path: Path) -> None:
    async with a_running_node(tmp_path, "gossip.listen=/ip4/127.0.0.1/tcp/0", start_new_session=True) as process:
        assert process.stdout is not None and await process.stdout.readline()
        while len(children := children_of(process.pid)) < 2:  # noqa: ASYNC110  # another process has no event for us
            await asyncio.sleep(0.02)
        assert {os.getpgid(child) for child in children}.isdisjoint({os.getpgid(process.pid)})
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    assert not any(map(os.path.exists, (f"/proc/{child}" for child in children)))


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["pushmesh init"]),
        (["--config", "absent.toml"], ["absent.toml"]),
        (["--config", "wrong.toml"], ["api.prot", "port"]),
        (["--set", "nonsense"], ["section.key=value"]),
        (["--config", "empty.toml", "--set", "api.prot=1"], ["api.prot"]),
        (["--config", "empty.toml", "--set", "api.port=many"], ["api.port"]),
        (["--config", "empty.toml"], ["node.key", "pushmesh init"]),
    ],
)
async def test_an_operators_mistake_is_one_sentence(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    (tmp_path / "wrong.toml").write_text("[api]\nprot = 1\n")
    (tmp_path / "empty.toml").write_text("")
    check_one_sentence(await pushmesh("run", *arguments, cwd=tmp_path), 2, *words)


async def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path, url: str) -> None:
    assert (await pushmesh("init", cwd=tmp_path)).code == 0
    port = url.rpartition(":")[2]
    ran = await pushmesh("run", "--set", f"api.port={port}", "--set", "gossip.enabled=false", cwd=tmp_path)
    assert ran.code == 2
    assert f"cannot listen on 127.0.0.1:{port}: " in ran.err
    assert ran.err.endswith("; change api.host or api.port\n")
    assert "Traceback" not in ran.err


def test_flags_are_texts_with_a_dot_and_an_equals_sign() -> None:
    assert flags_of(["api.port=1", "node.network=a=b"]) == {"api.port": "1", "node.network": "a=b"}
    for text in ("api.port", "port=1", ""):
        with pytest.raises(CommandError):
            flags_of([text])


def test_the_configuration_is_the_named_one_or_the_variables_or_the_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_path(Path("a"), {"PUSHMESH_CONFIG": "b"}) == Path("a")
    assert config_path(None, {"PUSHMESH_CONFIG": "b"}) == Path("b")
    with pytest.raises(CommandError):
        config_path(None, {})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pushmesh.toml").touch()
    assert config_path(None, {}) == Path("data/pushmesh.toml")
