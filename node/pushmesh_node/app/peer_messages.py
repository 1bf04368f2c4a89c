"""Length-prefixed canonical messages over one stream to a peer; every wait is bounded, every message has a largest
size. It knows no message."""

import asyncio
from typing import Final

from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from .gossip_streams import GossipStream

LENGTH_BYTES: Final = 4


class PeerMessages:
    """One reader and one writer at a time."""

    def __init__(self, stream: GossipStream, max_bytes: int, write_s: float) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._write_s = write_s
        self._rest = bytearray()

    async def read(self, timeout_s: float) -> bytes | None:
        """The next message, None at the orderly end. Raises StreamLost, TimeoutError, or Refusal `oversize`."""
        async with asyncio.timeout(timeout_s):
            while True:
                if len(self._rest) >= LENGTH_BYTES:
                    size = int.from_bytes(self._rest[:LENGTH_BYTES], "big")
                    if size > self._max_bytes:
                        raise Refusal(Reason.OVERSIZE, "12.8", f"a message has at most {self._max_bytes} bytes")
                    if len(self._rest) >= LENGTH_BYTES + size:
                        message = bytes(self._rest[LENGTH_BYTES : LENGTH_BYTES + size])
                        del self._rest[: LENGTH_BYTES + size]
                        return message
                data = await self._stream.read()
                if not data:
                    return None
                self._rest += data

    async def write(self, message: object) -> None:
        """Send one message. Raises StreamLost or TimeoutError."""
        data = pack(message)
        async with asyncio.timeout(self._write_s):
            await self._stream.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
