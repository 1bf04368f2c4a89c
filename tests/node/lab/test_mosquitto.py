"""The laboratory's Mosquitto: it answers, ends with its block, and its absence is one sentence."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import pytest

from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.mosquitto import running_mosquitto


@pytest.mark.integration
async def test_it_takes_publishes_and_is_gone_afterwards(requires: Callable[[str], Path], tmp_path: Path) -> None:
    requires("mosquitto")
    async with running_mosquitto(tmp_path) as (port, pid):
        os.kill(pid, 0)
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.publish("a", b"b", qos=1)
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_without_it_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_given, **_named: None)
    with pytest.raises(LabError, match="not installed"):
        async with running_mosquitto(tmp_path):
            pass


async def test_one_that_ends_at_once_did_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_given, **_named: "/bin/false")
    with pytest.raises(LabError, match="did not start"):
        async with running_mosquitto(tmp_path):
            pass
