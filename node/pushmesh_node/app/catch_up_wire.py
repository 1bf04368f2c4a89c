"""What two nodes say to each other in catch-up (SPEC section 9): questions, answers, and how they stand on a stream."""

import asyncio
from typing import Annotated, Final

import msgspec

from pushmesh_protocol.codec import Codec, pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds.fields import Bin16, Bin32
from pushmesh_protocol.limits import CATCH_UP_PAGE_BYTES
from pushmesh_protocol.reasons import Reason

from .gossip_streams import GossipStream

PROTOCOL: Final = "/pushmesh/catchup/1"

ANSWER_S: Final = 30.0
"""How long either side waits for the other's next message."""

MAX_MESSAGE_BYTES = 2 * CATCH_UP_PAGE_BYTES

MAX_PAGE_FRAMES = 4_096
"""More than fit into a page, were each of them the smallest envelope."""

MAX_DIGESTS = 8_192
"""In one answer or question."""

CommitNo = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Ask(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """What did you commit after this number of that incarnation?"""

    network_id: Bin32
    incarnation: Bin16 | None
    commit_no: CommitNo


class Page(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Frames in commit order; the next question starts at `next_commit`."""

    incarnation: Bin16
    next_commit: CommitNo
    more: bool
    frames: Annotated[list[bytes], msgspec.Meta(max_length=MAX_PAGE_FRAMES)]


class AskDigests(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """Which frames did you commit after this number of that incarnation?"""

    network_id: Bin32
    incarnation: Bin16
    commit_no: CommitNo


class Digests(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """Digests of frames in commit order; the next question starts at `next_commit`."""

    incarnation: Bin16
    next_commit: CommitNo
    more: bool
    digests: Annotated[list[Bin16], msgspec.Meta(max_length=MAX_DIGESTS)]


class Want(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """Send these of the frames that you committed in that incarnation after the one number and up to the other."""

    incarnation: Bin16
    after: CommitNo
    until: CommitNo
    digests: Annotated[list[Bin16], msgspec.Meta(max_length=MAX_DIGESTS)]


class Sorry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """The stream ends, for this reason."""

    reason: Annotated[str, msgspec.Meta(max_length=64)]


Question = Ask | AskDigests | Want
Answer = Page | Digests | Sorry

questions: Final = Codec[Question](Question)
answers: Final = Codec[Answer](Answer)


class Messages:
    """Length-prefixed messages over one stream; every wait is bounded."""

    def __init__(self, stream: GossipStream) -> None:
        self._stream = stream
        self._rest = bytearray()

    async def read(self, timeout_s: float) -> bytes | None:
        """The next message, None at the orderly end. Raises StreamLost, TimeoutError, or Refusal `oversize`."""
        async with asyncio.timeout(timeout_s):
            while True:
                if len(self._rest) >= 4:
                    size = int.from_bytes(self._rest[:4], "big")
                    if size > MAX_MESSAGE_BYTES:
                        raise Refusal(Reason.OVERSIZE, "9.3", "a catch-up message is too large")
                    if len(self._rest) >= 4 + size:
                        message = bytes(self._rest[4 : 4 + size])
                        del self._rest[: 4 + size]
                        return message
                data = await self._stream.read()
                if not data:
                    return None
                self._rest += data

    async def write(self, message: object) -> None:
        """Send one message. Raises StreamLost or TimeoutError."""
        data = pack(message)
        async with asyncio.timeout(ANSWER_S):
            await self._stream.write(len(data).to_bytes(4, "big") + data)
