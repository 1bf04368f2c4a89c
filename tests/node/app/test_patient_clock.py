import pytest

from pushmesh_node.app.patient_clock import LEAP_MS, PATIENCE_S, PatientClock

HOUR_MS = 3_600_000


class World:
    """A wall clock that can be set, and one that cannot; both begin where machines' do."""

    def __init__(self) -> None:
        self.wall_ms, self.monotonic_s = 1_790_000_000_000, 50.0
        self.clock = PatientClock(lambda: self.wall_ms, lambda: self.monotonic_s)

    def after(self, seconds: float, leap_ms: int = 0) -> int:
        """How far the clock is behind the wall's, then."""
        self.monotonic_s += seconds
        self.wall_ms += int(seconds * 1_000) + leap_ms
        return self.wall_ms - self.clock.now_ms()


@pytest.fixture
def world() -> World:
    return World()


def test_it_is_the_wall_clock_as_long_as_nobody_sets_that(world: World) -> None:
    assert [world.after(1.0, drift) for drift in (0, 300, -300, LEAP_MS, -LEAP_MS)] == [0] * 5


def test_a_leap_ahead_is_not_believed_before_it_has_stood_for_long(world: World) -> None:
    assert world.after(1.0, HOUR_MS) == HOUR_MS
    assert world.after(PATIENCE_S - 1) == HOUR_MS
    assert world.after(1.0) == 0


def test_a_leap_that_is_taken_back_leaves_nothing(world: World) -> None:
    assert world.after(1.0, HOUR_MS) == HOUR_MS
    assert world.after(1.0, -HOUR_MS) == 0
    assert world.after(PATIENCE_S) == 0


def test_a_leap_back_is_the_wall_clocks_own(world: World) -> None:
    assert world.after(1.0, -HOUR_MS) == 0
    assert world.after(1.0, HOUR_MS) == HOUR_MS  # nobody knows which of the two was right


def test_leaps_add_up_and_the_last_one_is_waited_for(world: World) -> None:
    world.after(1.0, HOUR_MS)
    assert world.after(PATIENCE_S / 2, HOUR_MS) == 2 * HOUR_MS
    assert world.after(PATIENCE_S / 2) == 2 * HOUR_MS
    assert world.after(PATIENCE_S / 2) == 0
