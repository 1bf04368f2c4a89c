import asyncio
from pathlib import Path

import pytest

from pushmesh_node.lab.bench_heal_live import FRAMES, LiveLoad
from pushmesh_node.lab.devnet import Devnet
from pushmesh_node.lab.narrator import Narrator


@pytest.mark.integration
async def test_all_that_is_published_is_delivered_and_both_are_timed_from_the_same_moment(tmp_path: Path) -> None:
    live = LiveLoad("bench")
    await live.sign(0.5, Narrator(1))
    async with Devnet(tmp_path, 1, network="bench") as net:
        running = asyncio.create_task(live.run(net.url(0)))
        async with asyncio.timeout(30):
            while len(live._arrived) < 5 * FRAMES:  # what is waited for has no event of its own
                assert not running.done()
                await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    live.end()
    assert len(live.publish_ms) == len(live.delivered_ms) == 5 * FRAMES
    assert min(live.publish_ms) > 0 and min(live.delivered_ms) > 0
