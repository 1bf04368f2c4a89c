"""Words of sync on a stream: how they stand there, how long either side waits (SPEC 9.5)."""

import asyncio
from typing import Final

from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason

from ..sync.words import MAX_WORD_BYTES, Word, words
from .gossip_streams import GossipStream, StreamLost

ANSWER_S: Final = 30.0
"""How long either side waits for the other's next word when one is due, and for its own to be taken."""


class WordStream:
    """Length-prefixed words over one stream; every wait is bounded. One reader; writers take turns."""

    def __init__(self, stream: GossipStream) -> None:
        self.received_bytes = self.sent_bytes = 0
        self._stream = stream
        self._rest = bytearray()
        self._turn = asyncio.Lock()

    async def read(self, timeout_s: float | None) -> Word | None:
        """The next word, None at the orderly end. Raises StreamLost, TimeoutError, or Refusal `oversize` or
        `malformed`."""
        async with asyncio.timeout(timeout_s):
            while True:
                if len(self._rest) >= 4:
                    size = int.from_bytes(self._rest[:4], "big")
                    if size > MAX_WORD_BYTES:
                        raise Refusal(Reason.OVERSIZE, "9.5", "a word of sync is too large")
                    if len(self._rest) >= 4 + size:
                        word = words.decode(bytes(self._rest[4 : 4 + size]))
                        del self._rest[: 4 + size]
                        return word
                data = await self._stream.read()
                if not data:
                    return None
                self.received_bytes += len(data)
                self._rest += data

    async def write(self, word: Word) -> None:
        """Send one word. Raises StreamLost or TimeoutError."""
        data = pack(word)
        async with asyncio.timeout(ANSWER_S), self._turn:
            self.sent_bytes += len(data) + 4
            await self._stream.write(len(data).to_bytes(4, "big") + data)


def reason_of(error: BaseException) -> str:
    """The word that the other side, operators and metrics are told."""
    if isinstance(error, TimeoutError):
        return str(Reason.TIMEOUT)
    if isinstance(error, Refusal):
        return str(error.reason)
    if isinstance(error, StreamLost):
        return "stream-lost"
    return str(Reason.STORE_FAILED)
