import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from pushmesh_node.app.verify import AT_ONCE, PIECE, VerifyPool
from pushmesh_protocol.auth.verify import Claim, envelope_claim
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.reasons import Reason
from support.app_world import NETWORK, a_note_now
from support.until import until
from support.wallets import a_wallet


def claim(envelope: Envelope, author: bytes | None = None) -> Claim:
    return envelope_claim(author or envelope.author, envelope.kind, envelope.auth, envelope.body, envelope.id)  # type: ignore[arg-type]  # plain bytes are an account


@pytest.fixture
def sizes() -> list[int]:
    return []


@pytest.fixture
async def pool(sizes: list[int]) -> AsyncIterator[VerifyPool]:
    pool = VerifyPool(NETWORK, 2, sizes.append)
    pool.start()
    await until(lambda: all(worker.is_ready for worker in pool.workers))
    yield pool
    await pool.close()


def claims(count: int) -> list[Claim]:
    note = a_note_now(a_wallet(1))
    good, bad = claim(note), claim(note, a_wallet(2).account)
    return [bad if number % 3 == 1 else good for number in range(count)]


def expected(count: int) -> list[Reason | None]:
    return [Reason.BAD_SIGNATURE if number % 3 == 1 else None for number in range(count)]


async def reasons(pool: VerifyPool, count: int) -> list[Reason | None]:
    return [None if answer is None else answer.reason for answer in await pool.verify(claims(count))]


@pytest.mark.parametrize("count", [1, AT_ONCE, AT_ONCE + 1, PIECE, PIECE + 1, 3 * PIECE + 1])
async def test_answers_come_in_the_order_of_the_claims_however_many_there_are(
    pool: VerifyPool, sizes: list[int], count: int
) -> None:
    assert await reasons(pool, count) == expected(count)
    assert sizes == [count]


async def test_nothing_to_verify_is_no_call(pool: VerifyPool, sizes: list[int]) -> None:
    assert await pool.verify([]) == []
    assert sizes == []


async def test_without_a_ready_process_a_thread_answers() -> None:
    pool = VerifyPool(NETWORK, 2, lambda _: None)
    assert await reasons(pool, 40) == expected(40)
    await pool.close()


async def test_lists_that_overlap_are_answered_each(pool: VerifyPool) -> None:
    counts = [5, 40, 7, 100, 4]
    assert await asyncio.gather(*(reasons(pool, count) for count in counts)) == [expected(count) for count in counts]


async def test_a_killed_process_costs_no_answer_and_is_started_again(pool: VerifyPool) -> None:
    asked = asyncio.gather(*(reasons(pool, 200) for _ in range(4)))
    await asyncio.sleep(0)
    old = [worker.pid for worker in pool.workers]
    for pid in old:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    assert await asked == [expected(200)] * 4
    await until(lambda: all(worker.pid not in (None, *old) for worker in pool.workers))
    assert await reasons(pool, 200) == expected(200)


async def test_closing_ends_the_processes(pool: VerifyPool) -> None:
    pids = [worker.pid for worker in pool.workers]
    await pool.close()
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
