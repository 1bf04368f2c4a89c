import asyncio

from pushmesh_node.lab.bare_fanout import Bare, a_frame
from pushmesh_node.lab.framing import TEXT, FrameReader


def test_a_frame_has_the_size_that_was_asked_for() -> None:
    for size in (200, 1_349, 60_000):
        frame = a_frame(size)
        assert len(frame) == size
        ((opcode, _),) = FrameReader().feed(frame)
        assert opcode == TEXT


async def test_a_line_writes_a_frame_to_every_subscriber_and_to_nobody_who_left() -> None:
    subscribers: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Bare(subscribers), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    links = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    for _, writer in links[:2]:
        writer.write(b"+")
    async with asyncio.timeout(10):
        while len(subscribers) < 2:  # noqa: ASYNC110  # the server knows nothing of this test
            await asyncio.sleep(0.005)
        links[2][1].write(b"150 1\n30")
        links[2][1].write(b"0 2\n")
        for reader, _ in links[:2]:
            assert await reader.readexactly(750) == a_frame(150) + 2 * a_frame(300)
        links[0][1].close()
        while len(subscribers) > 1:  # noqa: ASYNC110  # the server knows nothing of this test
            await asyncio.sleep(0.005)
    for _, writer in links[1:]:
        writer.close()
    server.close()
    await server.wait_closed()
