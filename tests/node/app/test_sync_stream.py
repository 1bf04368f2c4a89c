import pytest

from pushmesh_node.app.gossip_streams import StreamLost
from pushmesh_node.app.sync_stream import WordStream, reason_of
from pushmesh_node.sync.words import Compare, Sorry
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason
from support.stream_pair import stream_pair

WAIT_S = 5.0


async def test_words_come_as_they_were_sent_however_they_are_cut() -> None:
    one, other = stream_pair("p", b"a" * 32, b"b" * 32)
    sender, reader = WordStream(one), WordStream(other)
    await sender.write(Compare([]))
    await one.write((4).to_bytes(4, "big") + b"\x92")
    await one.write(b"\x0e\xa1x")
    assert [await reader.read(WAIT_S) for _ in range(2)] == [Compare([]), Sorry("x")]
    one.close_write()
    assert await reader.read(WAIT_S) is None
    assert reader.received_bytes == sender.sent_bytes + 8


async def test_what_is_too_large_or_no_word_is_refused() -> None:
    one, other = stream_pair("p", b"a" * 32, b"b" * 32)
    await one.write((2**21).to_bytes(4, "big"))
    with pytest.raises(Refusal) as refused:
        await WordStream(other).read(WAIT_S)
    assert refused.value.reason is Reason.OVERSIZE
    one, other = stream_pair("p", b"a" * 32, b"b" * 32)
    await one.write((1).to_bytes(4, "big") + b"\xc1")
    with pytest.raises(Refusal) as refused:
        await WordStream(other).read(WAIT_S)
    assert refused.value.reason is Reason.MALFORMED


async def test_silence_ends_a_wait() -> None:
    _, other = stream_pair("p", b"a" * 32, b"b" * 32)
    with pytest.raises(TimeoutError):
        await WordStream(other).read(0.01)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (TimeoutError(), "timeout"),
        (Refusal(Reason.POISONED, "9.12", ""), "poisoned"),
        (StreamLost("gone"), "stream-lost"),
    ],
)
def test_every_end_has_its_word(error: BaseException, word: str) -> None:
    assert reason_of(error) == word
