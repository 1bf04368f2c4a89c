from typing import cast

import trio
import trio.testing

from pushmesh_node.gossip.wire.dialects import Dialect
from pushmesh_node.peer.connection import Connection
from pushmesh_node.peer.outbox import Outbox
from pushmesh_node.peer.rate import BURST_S, RPCS_PER_S
from pushmesh_node.peer.talk import MAX_INBOUND_STREAMS, Talk

NOBODY = cast(Connection, None)  # a talk only keeps it


def an_outbox() -> Outbox:
    return Outbox(9, 999, lambda lane: None)


def test_whoever_waits_goes_on_when_it_stands_and_waits_again_when_it_fell() -> None:
    async def main() -> None:
        talk = Talk(NOBODY)
        steps: list[str] = []

        async def reader() -> None:
            await talk.wait()
            steps.append("first")
            await trio.testing.wait_all_tasks_blocked()
            await talk.wait()
            steps.append("second")

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reader)
                await trio.testing.wait_all_tasks_blocked()
                assert steps == [] and not talk.stands
                outbox = an_outbox()
                talk.stand(outbox, Dialect.V1_1)
                assert talk.stands and talk.dialect is Dialect.V1_1 and talk.fall() is outbox
                assert talk.fall() is None and not talk.stands
                talk.stand(an_outbox(), Dialect.V1_2)
        assert steps == ["first", "second"]

    trio.run(main)


def test_a_newer_stream_ends_the_reading_of_the_older() -> None:
    async def main() -> None:
        talk = Talk(NOBODY)
        ended: list[int] = []

        async def read(n: int) -> None:
            with talk.reading() as allowed:
                assert allowed
                await trio.sleep_forever()
            ended.append(n)

        async with trio.open_nursery() as nursery:
            for n in range(3):
                nursery.start_soon(read, n)
                await trio.testing.wait_all_tasks_blocked()
                assert talk.is_read and ended == list(range(n))
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_a_stream_that_ended_leaves_nobody_reading() -> None:
    async def main() -> None:
        talk = Talk(NOBODY)
        with talk.reading():
            assert talk.is_read
        assert not talk.is_read

    trio.run(main)


def test_a_peer_opens_only_so_many_streams_in_a_connection() -> None:
    async def main() -> None:
        talk, answers = Talk(NOBODY), []
        for _ in range(MAX_INBOUND_STREAMS + 1):
            with talk.reading() as allowed:
                answers.append(allowed)
        assert answers == [True] * MAX_INBOUND_STREAMS + [False]

    trio.run(main)


def test_rpcs_beyond_any_need_are_taken_at_their_pace() -> None:
    async def main() -> None:
        talk, began_s = Talk(NOBODY), trio.current_time()
        for _ in range(RPCS_PER_S * BURST_S):
            await talk.keep_pace(1)
        assert trio.current_time() == began_s
        for _ in range(RPCS_PER_S * 3):
            await talk.keep_pace(1)
        assert round(trio.current_time() - began_s, 3) == 3.0  # of a clock that only sleeping moves

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
