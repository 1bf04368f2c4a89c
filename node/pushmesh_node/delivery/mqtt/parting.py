"""How a connection ends so that its last words are heard. Never waits."""

import asyncio


def part(transport: asyncio.Transport, *, is_behind: bool) -> None:
    """Close when everything is written. The connection of a client that is behind stays open for reading until it
    hangs up, and the caller cuts it when that takes too long: where a connection is closed while something came in that
    nobody reads, the system drops what the client has not taken yet."""
    if not is_behind:
        transport.close()
        return
    if transport.can_write_eof():
        transport.write_eof()
    transport.resume_reading()
