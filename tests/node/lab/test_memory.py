import asyncio
import os
import sys

import pytest

from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.memory import resident_mb


async def test_what_a_process_takes_is_resident_and_told_in_megabytes() -> None:
    before = resident_mb(os.getpid())
    taken = bytearray(b"x" * 30_000_000)
    assert 25 < resident_mb(os.getpid()) - before < 60
    assert len(taken) == 30_000_000


async def test_a_process_that_is_gone_has_none() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await process.wait()
    with pytest.raises(LabError, match=str(process.pid)):
        resident_mb(process.pid)
