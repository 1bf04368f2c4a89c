"""A raw WebSocket client for tests: bytes out as they are, server frames in."""

import asyncio
import json
from typing import Any

HEAD = (
    b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked(opcode: int, payload: bytes) -> bytes:
    """A whole client frame with a real mask."""
    mask, size = b"\x11\x22\x33\x44", len(payload)
    head = bytes((0x80 | opcode, 0x80 | size)) if size < 126 else bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def text_frame(word: dict[str, Any]) -> bytes:
    """A word."""
    return masked(1, json.dumps(word).encode())


async def read_raw(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """(opcode, payload) of the next frame of the server."""
    async with asyncio.timeout(20):
        first, second = await reader.readexactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0x0F, await reader.readexactly(size)


async def read_frame(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next text message of the server, as JSON."""
    opcode, payload = await read_raw(reader)
    assert opcode == 1, (opcode, payload)
    word: dict[str, Any] = json.loads(payload)
    return word
