import asyncio

import pytest

from pushmesh_node.app.gossip_streams import StreamLost
from pushmesh_node.app.peer_messages import PeerMessages
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from support.stream_pair import stream_pair

ONE, OTHER = b"\x01" * 32, b"\x02" * 32
WAIT_S = 20.0


async def test_messages_come_whole_and_in_order_however_they_were_cut() -> None:
    mine, theirs = stream_pair("/test/1", ONE, OTHER)
    data = b"".join(len(pack(m)).to_bytes(4, "big") + pack(m) for m in ([1, b"a"], [2], [3, b"c" * 300]))
    reader = PeerMessages(theirs, 1_000, WAIT_S)
    for at in range(0, len(data), 7):
        await mine.write(data[at : at + 7])
    mine.close_write()
    assert [await reader.read(WAIT_S) for _ in range(4)] == [pack([1, b"a"]), pack([2]), pack([3, b"c" * 300]), None]


async def test_a_message_that_is_too_large_is_refused_before_it_is_read() -> None:
    mine, theirs = stream_pair("/test/1", ONE, OTHER)
    await mine.write((1_001).to_bytes(4, "big"))
    with pytest.raises(Refusal, match="oversize"):
        await PeerMessages(theirs, 1_000, WAIT_S).read(WAIT_S)


async def test_no_wait_is_for_ever() -> None:
    mine, theirs = stream_pair("/test/1", ONE, OTHER)
    with pytest.raises(TimeoutError):
        await PeerMessages(theirs, 1_000, WAIT_S).read(0.01)
    theirs.reset("gone")
    with pytest.raises(StreamLost):
        await PeerMessages(mine, 1_000, WAIT_S).read(WAIT_S)
    with pytest.raises(StreamLost):
        await PeerMessages(mine, 1_000, WAIT_S).write([1])


async def test_a_peer_that_takes_nothing_is_given_up() -> None:
    mine, _ = stream_pair("/test/1", ONE, OTHER)
    writer = PeerMessages(mine, 1_000_000, 0.05)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(WAIT_S):
            for _ in range(4):
                await writer.write([b"x" * 60_000])
