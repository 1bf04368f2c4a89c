import threading
from collections.abc import Sequence
from itertools import count

import trio

from pushmesh_node.gossip.frames.inspection import Inspection
from pushmesh_node.gossip.frames.inspection_queue import Merit
from pushmesh_node.ipc import Allowances, Known
from pushmesh_node.peer.inspecting import MAX_BYTES, Inspecting, Job
from pushmesh_protocol.reasons import Verdict


class Recorder:
    """Writes down what it is told; a frame `bad` makes it fail."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.threads: set[int] = set()

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        self.threads.add(threading.get_ident())
        self.calls.append((topic, data, now_ms))
        if data == b"bad":
            raise RuntimeError("an inspector that fails")
        return Inspection(Verdict.ACCEPT, "ok", [])

    def remember(self, item_hashes: Sequence[bytes]) -> None:
        self.calls.append(list(item_hashes))

    def allow(self, allowances: Allowances) -> None:
        self.calls.append(allowances)


def a_job(data: bytes, topic: str = "/n/shard/0") -> Job:
    return Job(b"p" * 32, data, topic, data)


def inspected(*steps: Job | Known | Allowances) -> tuple[Recorder, list[tuple[Job, Inspection]]]:
    recorder = Recorder()
    results: list[tuple[Job, Inspection]] = []
    jobs = [step for step in steps if isinstance(step, Job)]

    async def main() -> None:
        done = trio.Event()

        def take(job: Job, inspection: Inspection) -> None:
            results.append((job, inspection))
            if len(results) == len(jobs):
                done.set()

        inspecting = Inspecting(recorder, take, lambda: 7)
        for step in steps:
            if isinstance(step, Job):
                inspecting.add(step)
            else:
                inspecting.update(step)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inspecting.run)
            with trio.fail_after(10):
                await done.wait()
            nursery.cancel_scope.cancel()

    trio.run(main)
    return recorder, results


def test_frames_are_inspected_in_order_in_another_thread() -> None:
    jobs = [a_job(b"%d" % n) for n in range(300)]
    recorder, results = inspected(*jobs)
    assert [job for job, _ in results] == jobs
    assert recorder.calls == [("/n/shard/0", job.data, 7) for job in jobs]
    assert threading.get_ident() not in recorder.threads


def test_one_call_takes_no_more_bytes_than_are_soon_inspected() -> None:
    async def main() -> None:
        send, receive = trio.open_memory_channel[bytes](9)
        recorder, calls = Recorder(), count()
        inspecting = Inspecting(recorder, lambda job, inspection: send.send_nowait(job.data), lambda: next(calls))
        for n in range(5):
            inspecting.add(a_job(b"%d" % n * (MAX_BYTES // 2)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inspecting.run)
            with trio.fail_after(10):
                for _ in range(5):
                    await receive.receive()
            nursery.cancel_scope.cancel()
        assert [call[2] for call in recorder.calls if isinstance(call, tuple)] == [0, 0, 1, 1, 2]

    trio.run(main)


class Undecided(Recorder):
    """Leaves every frame to main."""

    def inspect(self, node_id: bytes, topic: str, data: bytes, now_ms: int) -> Inspection:
        return Inspection(None, "ok", [])


def test_who_earned_it_comes_first_and_what_main_judges_is_looked_at_again_only_after_that() -> None:
    strange, earned = Job(b"s" * 32, b"1", "/n/shard/0", b"1"), Job(b"e" * 32, b"2", "/n/shard/0", b"2")

    def merit(peer: bytes) -> Merit:
        return Merit.EARNED if peer == earned.peer else Merit.STRANGE

    async def main() -> None:
        send, receive = trio.open_memory_channel[bytes](9)
        inspecting = Inspecting(Undecided(), lambda job, inspection: send.send_nowait(job.data), lambda: 0, merit)
        inspecting.add(strange)
        inspecting.add(earned)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inspecting.run)
            with trio.fail_after(10):
                seen = [await receive.receive(), await receive.receive()]
                inspecting.add(strange)  # main has it still
                inspecting.done(earned.message_id)
                inspecting.add(earned)
                seen.append(await receive.receive())
            nursery.cancel_scope.cancel()
        assert seen == [b"2", b"1", b"2"]

    trio.run(main)


def test_control_topics_come_first() -> None:
    recorder, _ = inspected(a_job(b"1"), a_job(b"2", "/n/control/grant"), a_job(b"3"))
    assert [call[1] for call in recorder.calls if isinstance(call, tuple)] == [b"2", b"1", b"3"]


def test_tables_take_effect_before_the_frames_that_wait() -> None:
    table = Allowances(1, [])
    recorder, _ = inspected(a_job(b"1"), Known([b"h" * 32]), table)
    assert recorder.calls == [[b"h" * 32], table, ("/n/shard/0", b"1", 7)]


def test_a_failing_inspector_costs_the_frame_and_no_other() -> None:
    _, results = inspected(a_job(b"1"), a_job(b"bad"), a_job(b"2"))
    assert [(result.verdict, result.reason) for _, result in results] == [
        (Verdict.ACCEPT, "ok"),
        (Verdict.IGNORE, "internal"),
        (Verdict.ACCEPT, "ok"),
    ]
