import trio
import trio.testing
from hypothesis import given, strategies as st

from pushmesh_node.gossip.effects import Lane
from pushmesh_node.gossip.wire.framing import RpcSplitter, frame
from pushmesh_node.peer.outbox import BATCH_BYTES, Outbox


def drained(outbox: Outbox) -> list[bytes]:
    async def take() -> list[bytes]:
        splitter, out = RpcSplitter(), []
        while len(outbox):
            out += splitter.feed(await outbox.take())
        return out

    return trio.run(take)


def an_outbox(max_rpcs: int = 9, max_bytes: int = 999, dropped: list[Lane] | None = None) -> Outbox:
    return Outbox(max_rpcs, max_bytes, (dropped if dropped is not None else []).append)


def test_lanes_leave_in_their_order() -> None:
    outbox = an_outbox()
    for rpc, lane in ((b"d1", Lane.DATA), (b"c1", Lane.CONTROL), (b"p", Lane.PRIORITY), (b"c2", Lane.CONTROL)):
        assert outbox.push(frame(rpc), lane)
    assert drained(outbox) == [b"c1", b"c2", b"p", b"d1"]


def test_what_does_not_fit_is_dropped_and_told() -> None:
    dropped: list[Lane] = []
    outbox = an_outbox(max_rpcs=2, dropped=dropped)
    assert [outbox.push(frame(rpc), Lane.DATA) for rpc in (b"1", b"2", b"3")] == [True, True, False]
    assert outbox.push(frame(b"c"), Lane.CONTROL)
    assert dropped == [Lane.DATA, Lane.DATA] and drained(outbox) == [b"c", b"1"]


def test_bytes_are_bounded_too() -> None:
    outbox = an_outbox(max_bytes=10)
    assert [outbox.push(frame(b"123456789"), Lane.DATA), outbox.push(frame(b""), Lane.DATA)] == [True, False]
    assert outbox.is_half_full


def test_what_the_peer_has_already_is_not_written() -> None:
    outbox = an_outbox()
    outbox.push(frame(b"1"), Lane.DATA, message_id=b"id")
    outbox.push(frame(b"2"), Lane.DATA)
    assert [outbox.cancel(b"id"), outbox.cancel(b"id"), len(outbox)] == [True, False, 1]
    assert drained(outbox) == [b"2"]


def test_a_write_carries_many_small_rpcs_or_one_large_one() -> None:
    async def main() -> list[int]:
        outbox = an_outbox(999, 9_999_999)
        for _ in range(100):
            outbox.push(frame(b"x" * 1_000), Lane.DATA)
        outbox.push(frame(b"y" * 200_000), Lane.DATA)
        outbox.push(frame(b"z"), Lane.DATA)
        return [len(await outbox.take()) for _ in range(4)]

    first, second, third, fourth = trio.run(main)
    assert first <= BATCH_BYTES < first + 1_002 and second == 100 * 1_002 - first
    assert third == 200_003 and fourth == 2


def test_a_taker_waits_for_the_first_rpc() -> None:
    async def main() -> bytes:
        outbox = an_outbox()
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_push_later, outbox)
                return await outbox.take()
        raise AssertionError

    assert trio.run(main) == b"\x01x"


async def _push_later(outbox: Outbox) -> None:
    await trio.testing.wait_all_tasks_blocked()
    outbox.push(frame(b"x"), Lane.DATA)


@given(st.lists(st.tuples(st.binary(max_size=30), st.sampled_from(Lane)), max_size=50))
def test_nothing_is_lost_without_being_told(rpcs: list[tuple[bytes, Lane]]) -> None:
    dropped: list[Lane] = []
    outbox = an_outbox(10, 100, dropped)
    for rpc, lane in rpcs:
        outbox.push(frame(rpc), lane)
        assert len(outbox) <= 10
    assert len(drained(outbox)) + len(dropped) == len(rpcs)
