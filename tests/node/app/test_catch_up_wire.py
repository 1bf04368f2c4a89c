import pytest

from pushmesh_node.app.catch_up_wire import PROTOCOL, Messages
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from support.app_world import WAIT_S
from support.stream_pair import stream_pair

PEER = b"\x0a" * 32
ME = b"\x0b" * 32


async def test_messages_are_cut_as_the_wire_likes_and_bounded() -> None:
    mine, theirs = stream_pair(PROTOCOL, ME, PEER)
    reading, data = Messages(theirs), pack(["a", 1])
    for byte in len(data).to_bytes(4, "big") + data + (600_000).to_bytes(4, "big"):
        await mine.write(bytes([byte]))
    assert await reading.read(WAIT_S) == data
    with pytest.raises(Refusal, match="oversize"):
        await reading.read(WAIT_S)
    with pytest.raises(TimeoutError):
        await Messages(mine).read(0.01)
    theirs.close_write()
    assert await Messages(mine).read(WAIT_S) is None
