import asyncio
import os
import sys

import pytest

from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.memory import descriptors, resident_mb


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


def test_open_files_are_counted() -> None:
    before = descriptors(os.getpid())
    ends = os.pipe()
    assert descriptors(os.getpid()) == before + 2
    for end in ends:
        os.close(end)
    with pytest.raises(LabError, match="not there"):
        descriptors(2**22 + 1)
