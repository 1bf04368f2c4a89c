import asyncio
import os
import signal

import pytest

from pushmesh_node.cli.loop import run_to_end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_work_clean_up(number: signal.Signals) -> None:
    cleaned = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_to_end(work())
    assert cleaned == [True]


def test_work_that_ends_or_fails_by_itself_does_so() -> None:
    async def work(fail: bool) -> None:
        if fail:
            raise ValueError("on purpose")

    run_to_end(work(False))
    with pytest.raises(ValueError, match="on purpose"):
        run_to_end(work(True))
