from collections import Counter

import pytest
import structlog
import trio
from trio.testing import MockClock

from pushmesh_node.peer.errors import SourceError
from pushmesh_node.peer.retrying import BACKOFF_MAX_S, BACKOFF_MIN_S, keep_asking


class Asked:
    """Answers or fails as it is told, one for each question; then it waits for ever."""

    def __init__(self, *answers: float | SourceError) -> None:
        self.answers = list(answers)
        self.times: list[float] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    async def ask(self) -> float:
        self.times.append(trio.current_time())
        if not self.answers:
            await trio.sleep_forever()
        answer = self.answers.pop(0)
        if isinstance(answer, SourceError):
            raise answer
        return answer

    def count(self, name: str, label: str, n: int) -> None:
        self.counts[(name, label)] += n

    def run(self) -> list[float]:
        """The pauses between the questions."""

        async def main() -> None:
            with trio.move_on_after(10_000_000):
                await keep_asking("dns", self.ask, self.count, lambda: 0.5)

        trio.run(main, clock=MockClock(autojump_threshold=0))
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


def test_a_source_that_answers_says_when_it_is_asked_again() -> None:
    assert Asked(1.0, 20.0).run() == [1.0, 20.0]


def test_a_source_that_fails_is_asked_again_ever_later_up_to_a_limit() -> None:
    pauses = Asked(*[SourceError("gone")] * 10).run()
    assert pauses[:3] == [BACKOFF_MIN_S, 2 * BACKOFF_MIN_S, 4 * BACKOFF_MIN_S]
    assert pauses[-1] == BACKOFF_MAX_S


def test_a_failure_is_counted_each_time_and_logged_when_it_begins_and_ends() -> None:
    asked = Asked(1.0, SourceError("one"), SourceError("two"), 1.0, 1.0, SourceError("three"))
    with structlog.testing.capture_logs() as lines:
        asked.run()
    assert asked.counts == {("source_failures", "dns"): 3}
    assert [(line["log_level"], line.get("error", "")) for line in lines] == [
        ("warning", "one"),
        ("info", ""),
        ("warning", "three"),
    ]


def test_our_own_faults_are_not_taken_for_a_failure_of_the_source() -> None:
    async def broken() -> float:
        raise ZeroDivisionError

    async def main() -> None:
        await keep_asking("dns", broken, lambda *_: None, lambda: 0.5)

    with pytest.raises(ZeroDivisionError):
        trio.run(main)
