import asyncio
import os
import signal

import pytest

from pushmesh_node.app.verify_process import VerifyProcess, WorkerLost
from pushmesh_node.app.verify_wire import pack_claims, read_answers
from pushmesh_protocol.auth.verify import envelope_claim
from pushmesh_protocol.network import dump_network
from support.app_world import NETWORK, WAIT_S, a_note_now
from support.until import until
from support.wallets import a_wallet


async def test_it_answers_in_the_order_of_the_questions_and_ends_with_its_owner() -> None:
    worker = VerifyProcess(dump_network(NETWORK))
    task = asyncio.create_task(worker.run())
    await until(lambda: worker.is_ready)
    note = a_note_now(a_wallet(1))
    claim = envelope_claim(note.author, note.kind, note.auth, note.body, note.id)
    asked = [worker.ask(pack_claims([claim] * count)) for count in (3, 1, 2)]
    assert worker.waiting == 3
    assert [len(read_answers(await answer)) for answer in asked] == [3, 1, 2]
    task.cancel()
    await asyncio.wait((task,))
    assert not worker.is_ready


async def test_a_question_to_a_process_that_does_not_run_is_lost_at_once() -> None:
    worker = VerifyProcess(dump_network(NETWORK))
    with pytest.raises(WorkerLost):
        await worker.ask(pack_claims([]))


async def test_a_process_that_hangs_is_lost_and_started_again() -> None:
    worker = VerifyProcess(dump_network(NETWORK), answer_timeout_s=0.2)
    task = asyncio.create_task(worker.run())
    await until(lambda: worker.is_ready)
    hung = worker.pid
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    asked = [worker.ask(pack_claims([])) for _ in range(3)]
    async with asyncio.timeout(WAIT_S):
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [WorkerLost] * 3
    await until(lambda: worker.pid not in (None, hung))
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)
    task.cancel()
    await asyncio.wait((task,))


async def test_a_process_that_nobody_asks_may_be_silent() -> None:
    worker = VerifyProcess(dump_network(NETWORK), answer_timeout_s=0.02)
    task = asyncio.create_task(worker.run())
    await until(lambda: worker.is_ready)
    pid = worker.pid
    await asyncio.sleep(0.2)
    assert worker.pid == pid
    task.cancel()
    await asyncio.wait((task,))
