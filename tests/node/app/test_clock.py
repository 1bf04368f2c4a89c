import time

from pushmesh_node.app.clock import now_ms


def test_it_is_unix_time_in_milliseconds() -> None:
    before = time.time_ns()
    assert before // 1_000_000 <= now_ms() <= time.time_ns() // 1_000_000
