from pushmesh_node.app import attempts as room
from pushmesh_node.app.attempts import FAILURE, OTHERS, Attempts, Buckets

NOW = 1_790_000_000_000
HOME, OFFICE = "192.0.2.7", "2001:db8::/64"
ALICE, MALLORY = b"\x00" + b"a" * 20, b"\x00" + b"m" * 20
MINUTE = 60_000


def guesses(attempts: Attempts, now_ms: int, place: str = HOME, account: bytes = MALLORY, most: int = 1_000) -> int:
    """How many log-ins that fail get to their check before one is told to wait."""
    for made in range(most):
        if attempts.begin(place, account, now_ms):
            return made
        attempts.failed(place, now_ms)
    return most


def test_a_bucket_fills_at_its_rate_and_no_further_than_full() -> None:
    buckets = Buckets(60, 3, 10)
    for _ in range(3):
        assert buckets.wait_ms("a", NOW) == 0
        buckets.spend("a", 1, NOW)
    assert buckets.wait_ms("a", NOW) == 1_000
    assert buckets.wait_ms("a", NOW + 999) == 1
    assert buckets.wait_ms("a", NOW + 1_000) == 0
    assert buckets.wait_ms("b", NOW) == 0
    buckets.spend("a", 4, NOW + MINUTE)
    assert buckets.wait_ms("a", NOW + MINUTE) == 2_000


def test_a_debt_is_bounded_so_that_nobody_waits_for_long() -> None:
    buckets = Buckets(60, 3, 10)
    buckets.spend("a", 1_000_000, NOW)
    assert buckets.wait_ms("a", NOW) == (FAILURE + 1) * 1_000


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    buckets = Buckets(60, 1, 10)
    buckets.spend("a", 1, NOW)
    assert buckets.wait_ms("a", NOW - MINUTE) == 1_000


def test_the_table_is_bounded_and_who_finds_it_full_shares_one_bucket() -> None:
    buckets = Buckets(60, 2, 3)
    for key in ("a", "b", "c"):
        buckets.spend(key, 2, NOW)
    for key in ("d", "e"):
        buckets.spend(key, 1, NOW)
    assert len(buckets) == 4 and OTHERS in buckets
    assert buckets.wait_ms("f", NOW) == 1_000
    assert buckets.wait_ms("a", NOW + 1_000) == 0, "who was there keeps its own"
    buckets.spend("g", 1, NOW + 2_000)
    assert "g" in buckets and "a" not in buckets, "the one that is full again has nothing to remember"


def test_failures_of_a_place_end_after_a_burst_and_go_on_slowly() -> None:
    attempts = Attempts(per_minute=1_200)
    assert guesses(attempts, NOW) == 200 // FAILURE
    assert guesses(attempts, NOW) == 0
    assert 0 < attempts.begin(HOME, MALLORY, NOW) <= 500
    minute = sum(guesses(attempts, NOW + ms) for ms in range(0, MINUTE, 100))
    assert minute <= 1_200 // FAILURE + 1
    assert guesses(attempts, NOW, OFFICE) == 20, "another place has its own"


def test_good_log_ins_cost_a_tenth_and_a_place_of_many_people_gets_them_all_in() -> None:
    attempts = Attempts(per_minute=1_200)
    for number in range(199):
        account = number.to_bytes(21)
        assert attempts.begin(HOME, account, NOW) == 0
        attempts.succeeded(HOME, account, NOW)


def test_who_got_in_lately_gets_in_though_a_neighbour_guesses_without_end() -> None:
    attempts = Attempts(per_minute=1_200)
    assert attempts.begin(HOME, ALICE, NOW) == 0
    attempts.succeeded(HOME, ALICE, NOW)
    for second in range(60):
        guesses(attempts, NOW + second * 1_000)
        if second % 10 == 9:
            assert attempts.begin(HOME, ALICE, NOW + second * 1_000) == 0, second


def test_the_reserve_of_one_account_is_no_way_round_the_bound() -> None:
    attempts = Attempts(per_minute=1_200)
    assert attempts.begin(HOME, MALLORY, NOW) == 0
    attempts.succeeded(HOME, MALLORY, NOW)
    assert guesses(attempts, NOW) == 20 + room.RETURNING_MOST


def test_however_small_the_rate_a_mistake_or_two_is_forgiven_at_once() -> None:
    assert guesses(Attempts(per_minute=1), NOW) == 2
