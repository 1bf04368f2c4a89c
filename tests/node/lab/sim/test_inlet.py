from pushmesh_node.gossip.effects import Lane
from pushmesh_node.gossip.wire.rpc import Rpc
from pushmesh_node.lab.sim.clock import Clock
from pushmesh_node.lab.sim.inlet import Inlet
from pushmesh_node.lab.sim.lines import Paths
from pushmesh_node.lab.sim.wire import WINDOW_BYTES
from pushmesh_node.peer.rate import BURST_S, RPCS_PER_S
from support.sim_world import LOSSLESS, Ear, a_link


class Reading:
    """An inlet with its far end, and what came through."""

    def __init__(self) -> None:
        self.clock = Clock(0)
        self.far, self.near = Ear(1, self.clock), Ear(2, self.clock)
        self.way = a_link(self.clock, Paths(LOSSLESS, 1), self.far, self.near).way_from(self.far)
        self.is_paused = False
        self.taken: list[int] = []
        self.inlet = Inlet(self.clock, self.way, lambda: self.is_paused, lambda rpc, size: self.taken.append(size))


def test_what_comes_is_read_at_once() -> None:
    reading = Reading()
    reading.inlet.add(Rpc(), 10)
    assert (reading.taken, len(reading.inlet)) == ([10], 0)


def test_while_much_of_a_peer_is_under_way_its_next_words_wait_in_order() -> None:
    reading = Reading()
    reading.is_paused = True
    for size in (1, 2, 3):
        reading.inlet.add(Rpc(), size)
    reading.inlet.look()
    assert reading.taken == []
    reading.is_paused = False
    reading.inlet.look()
    assert reading.taken == [1, 2, 3]


def test_a_peer_that_is_not_read_may_not_write_and_then_may_again() -> None:
    reading = Reading()
    reading.is_paused, reading.near.is_reading = True, False
    for word in ("first", "more"):
        reading.way.push(word, WINDOW_BYTES, Lane.DATA)
    reading.clock.run_until(10**6)
    reading.inlet.add(Rpc(), WINDOW_BYTES)
    reading.clock.run_until(2 * 10**6)
    assert reading.near.words == ["first"]
    reading.is_paused = False
    reading.inlet.look()
    reading.clock.run_until(3 * 10**6)
    assert reading.near.words == ["first", "more"]


def test_more_words_a_second_than_the_pace_are_read_at_the_pace() -> None:
    reading = Reading()
    burst = RPCS_PER_S * BURST_S
    for _ in range(burst + RPCS_PER_S):
        reading.inlet.add(Rpc(), 1)
    assert len(reading.taken) == burst
    reading.clock.run_until(500_000)
    assert burst + RPCS_PER_S // 2 - 2 <= len(reading.taken) <= burst + RPCS_PER_S // 2
    reading.clock.run_until(1_100_000)
    assert len(reading.taken) == burst + RPCS_PER_S
