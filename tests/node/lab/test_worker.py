import pytest

from pushmesh_node.lab.errors import LabError
from pushmesh_node.lab.worker import Worker

pytestmark = pytest.mark.integration


async def test_a_worker_that_dies_says_its_last_word() -> None:
    worker = await Worker.start("pushmesh_node.lab.load", "127.0.0.1", "1")
    with pytest.raises(LabError, match="refused"):
        await worker.answer()
    await worker.stop()
    await worker.stop()


async def test_a_worker_that_says_nothing_is_not_waited_for_for_ever() -> None:
    worker = await Worker.start("pushmesh_node.lab.receiver", "127.0.0.1", "1")  # it waits for its credential
    try:
        with pytest.raises(LabError, match=r"did not answer within 0\.1 s"):
            await worker.answer(timeout_s=0.1)
    finally:
        await worker.stop()
