import trio
import trio.testing
from hypothesis import given, strategies as st

from pushmesh_node.gossip.framing import RpcSplitter
from pushmesh_node.peer.outbox import BATCH_BYTES, Outbox


def drained(outbox: Outbox) -> list[bytes]:
    async def take() -> list[bytes]:
        splitter, out = RpcSplitter(), []
        while len(outbox):
            out += splitter.feed(await outbox.take())
        return out

    return trio.run(take)


def test_control_goes_before_data() -> None:
    outbox = Outbox(9, 999, lambda lane: None)
    for rpc, control in ((b"d1", False), (b"c1", True), (b"d2", False), (b"c2", True)):
        assert outbox.push(rpc, control)
    assert drained(outbox) == [b"c1", b"c2", b"d1", b"d2"]


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    dropped: list[str] = []
    outbox = Outbox(2, 999, dropped.append)
    assert [outbox.push(b"1", False), outbox.push(b"2", False), outbox.push(b"3", False)] == [True, True, False]
    assert dropped == ["data"] and drained(outbox) == [b"1", b"2"]


def test_control_pushes_out_the_newest_data() -> None:
    dropped: list[str] = []
    outbox = Outbox(2, 999, dropped.append)
    outbox.push(b"1", False)
    outbox.push(b"2", False)
    assert outbox.push(b"c", True)
    assert dropped == ["data"] and drained(outbox) == [b"c", b"1"]


def test_control_does_not_push_out_control() -> None:
    dropped: list[str] = []
    outbox = Outbox(1, 999, dropped.append)
    assert [outbox.push(b"1", True), outbox.push(b"2", True)] == [True, False]
    assert dropped == ["control"]


def test_bytes_are_bounded_too() -> None:
    outbox = Outbox(9, 10, lambda lane: None)
    assert [outbox.push(b"123456789", False), outbox.push(b"", False)] == [True, False]
    assert outbox.is_half_full


def test_a_write_carries_many_small_rpcs_or_one_large_one() -> None:
    async def main() -> list[int]:
        outbox = Outbox(999, 9_999_999, lambda lane: None)
        for _ in range(100):
            outbox.push(b"x" * 1_000, False)
        outbox.push(b"y" * 200_000, False)
        outbox.push(b"z", False)
        return [len(await outbox.take()) for _ in range(4)]

    first, second, third, fourth = trio.run(main)
    assert first <= BATCH_BYTES < first + 1_002 and second == 100 * 1_002 - first
    assert third == 200_003 and fourth == 2


def test_a_taker_waits_for_the_first_rpc() -> None:
    async def main() -> bytes:
        outbox = Outbox(9, 999, lambda lane: None)
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_push_later, outbox)
                return await outbox.take()
        raise AssertionError

    assert trio.run(main) == b"\x01x"


async def _push_later(outbox: Outbox) -> None:
    await trio.testing.wait_all_tasks_blocked()
    outbox.push(b"x", False)


@given(st.lists(st.tuples(st.binary(max_size=30), st.booleans()), max_size=50))
def test_nothing_is_lost_without_being_counted(rpcs: list[tuple[bytes, bool]]) -> None:
    dropped: list[str] = []
    outbox = Outbox(10, 100, dropped.append)
    for rpc, control in rpcs:
        outbox.push(rpc, control)
        assert len(outbox) <= 10
    assert len(drained(outbox)) + len(dropped) == len(rpcs)
