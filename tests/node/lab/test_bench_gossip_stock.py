import pytest

from pushmesh_node.lab.bench_gossip_stock import WINDOW, StockPair

pytestmark = pytest.mark.integration


async def test_two_processes_of_plain_libp2p_carry_every_message() -> None:
    pair = await StockPair.start()
    try:
        assert await pair.cpu_us(4 * WINDOW, 300) > 0  # raises where one was lost
        assert await pair.cpu_us(WINDOW, 1000) > 0
    finally:
        await pair.stop()
