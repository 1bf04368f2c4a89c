"""The wire: every byte both ways, until it is cut at the one that was chosen, or held."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from faults.outages.wire import Wire


@asynccontextmanager
async def an_echo(**keys: object) -> AsyncIterator[tuple[Wire, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A wire before a server that says what it hears, and a client of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with asyncio.timeout(20), Wire(server.sockets[0].getsockname()[1], **keys) as wire:  # type: ignore[arg-type]  # keys of Wire
        reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
        yield wire, reader, writer
        writer.close()
        server.close()


async def test_bytes_go_both_ways_and_so_does_the_end() -> None:
    async with an_echo() as (_, reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.write_eof()
        assert await reader.read() == b""


@pytest.mark.parametrize("count", [0, 1, 4, 5])
async def test_it_is_cut_after_as_many_bytes_as_were_chosen(count: int) -> None:
    async with an_echo() as (wire, reader, writer):
        wire.cut_after(count)
        writer.write(b"hello")
        assert await reader.read(count) == b"hello"[:count]
        assert await reader.read() == b""
        assert wire.cuts == 1


async def test_a_cut_that_was_taken_back_cuts_nothing() -> None:
    async with an_echo() as (wire, reader, writer):
        wire.cut_after(2)
        wire.cut_after(None)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_what_was_held_comes_when_it_is_released() -> None:
    async with an_echo(narrow=True) as (wire, reader, writer):
        writer.write(b"one")
        await reader.readexactly(3)
        wire.hold()
        writer.write(b"two" * 100_000)
        waiting = asyncio.create_task(reader.readexactly(300_000))
        await asyncio.sleep(0.05)  # it may be slow, but nothing comes out of a held wire
        assert not waiting.done()
        wire.release()
        assert await waiting == b"two" * 100_000


async def test_words_are_found_though_they_come_in_pieces() -> None:
    async with an_echo(look_for=b"slow") as (wire, reader, writer):
        for piece in (b"slo", b"w and sl", b"ow", b" slow"):
            writer.write(piece)
            await reader.readexactly(len(piece))
        assert wire.found == 3
