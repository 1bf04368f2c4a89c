from random import Random

from hypothesis import given, strategies as st

from pushmesh_node.gossip.scores.promises import Promises

ANN, BOB = b"ann", b"bob"
M1, M2, M3 = b"1", b"2", b"3"
FOLLOWUP_MS = 3_000


def some_promises(max_promises: int = 100) -> Promises:
    return Promises(FOLLOWUP_MS, max_promises)


def test_a_promise_that_is_kept_in_time_is_not_broken() -> None:
    promises = some_promises()
    promises.asked(ANN, [M1], 0, Random(1))
    promises.arrived(M1)
    assert promises.broken(10_000) == {}


def test_a_promise_is_broken_at_its_time_and_not_before() -> None:
    promises = some_promises()
    promises.asked(ANN, [M1], 500, Random(1))
    assert (promises.broken(3_499), promises.broken(3_500)) == ({}, {ANN: 1})


def test_a_broken_promise_is_told_once() -> None:
    promises = some_promises()
    promises.asked(ANN, [M1], 0, Random(1))
    assert [promises.broken(3_000), promises.broken(9_000)] == [{ANN: 1}, {}]


def test_one_id_of_a_batch_is_tracked_and_any_of_them_may_be_it() -> None:
    broken_without = set()
    for seed in range(64):
        promises = some_promises()
        promises.asked(ANN, [M1, M2, M3], 0, Random(seed))
        assert len(promises) == 1
        for one in (M1, M2, M3):
            promises.arrived(one)
            if not len(promises):
                broken_without.add(one)
                break
    assert broken_without == {M1, M2, M3}


def test_each_batch_is_a_promise_of_its_own() -> None:
    promises = some_promises()
    for one in (M1, M2, M3):
        promises.asked(ANN, [one], 0, Random(1))
    promises.asked(BOB, [M1], 0, Random(1))
    assert promises.broken(3_000) == {ANN: 3, BOB: 1}


def test_a_message_from_anybody_ends_the_promises_of_all() -> None:
    promises = some_promises()
    promises.asked(ANN, [M1], 0, Random(1))
    promises.asked(BOB, [M1], 0, Random(1))
    promises.arrived(M1)
    assert (promises.broken(3_000), len(promises)) == ({}, 0)


def test_asking_again_gives_no_more_time() -> None:
    promises = some_promises()
    promises.asked(ANN, [M1], 0, Random(1))
    promises.asked(ANN, [M1], 2_999, Random(1))
    assert promises.broken(3_000) == {ANN: 1}


def test_a_peer_that_is_forgotten_breaks_nothing_and_others_still_do() -> None:
    promises = some_promises()
    promises.asked(ANN, [M1], 0, Random(1))
    promises.asked(BOB, [M1], 0, Random(1))
    promises.forget(ANN)
    promises.forget(ANN)
    assert promises.broken(3_000) == {BOB: 1}


def test_nothing_asked_is_nothing_promised() -> None:
    promises = some_promises()
    promises.asked(ANN, [], 0, Random(1))
    promises.arrived(M1)
    assert (len(promises), promises.broken(9_000)) == (0, {})


def test_without_room_the_older_promises_stay() -> None:
    promises = some_promises(max_promises=2)
    for one in (M1, M2, M3):
        promises.asked(ANN, [one], 0, Random(1))
    assert len(promises) == 2
    promises.arrived(M1)
    promises.arrived(M3)
    assert promises.broken(3_000) == {ANN: 1}


def test_what_ended_in_one_way_does_not_end_again_in_another() -> None:
    promises = some_promises()
    for peer, one in ((ANN, M1), (ANN, M2), (BOB, M1), (BOB, M3)):
        promises.asked(peer, [one], 0, Random(1))
    promises.forget(ANN)
    promises.arrived(M1)
    promises.arrived(M2)
    assert promises.broken(3_000) == {BOB: 1}
    promises.arrived(M3)
    promises.forget(BOB)
    promises.asked(BOB, [M3], 3_000, Random(1))
    assert promises.broken(6_000) == {BOB: 1}
    assert [held for held in vars(promises).values() if isinstance(held, dict)] == [{}, {}, {}]  # nothing is left


def test_room_comes_back_with_what_ended() -> None:
    promises = some_promises(max_promises=1)
    promises.asked(ANN, [M1], 0, Random(1))
    promises.broken(3_000)
    promises.asked(BOB, [M2], 3_000, Random(1))
    assert promises.broken(6_000) == {BOB: 1}


class NaivePromises:
    """One list, searched from end to end."""

    def __init__(self) -> None:
        self.held: list[tuple[bytes, bytes, int]] = []

    def asked(self, peer: bytes, ids: list[bytes], now_ms: int, randomness: Random) -> None:
        if ids and len(self.held) < 6:
            one = ids[randomness.randrange(len(ids))]
            if all((one, peer) != (other, owner) for other, owner, _due in self.held):
                self.held.append((one, peer, now_ms + FOLLOWUP_MS))

    def broken(self, now_ms: int) -> dict[bytes, int]:
        late = [peer for _one, peer, due in self.held if due <= now_ms]
        self.held = [entry for entry in self.held if entry[2] > now_ms]
        return {peer: late.count(peer) for peer in late}


peers, ids = st.sampled_from([ANN, BOB, b"cid"]), st.sampled_from([M1, M2, M3, b"4"])
steps = st.one_of(
    st.tuples(st.just("asked"), peers, st.lists(ids, max_size=3)),
    st.tuples(st.just("arrived"), ids, st.none()),
    st.tuples(st.just("forget"), peers, st.none()),
    st.tuples(st.just("broken"), st.just(b""), st.none()),
)


@given(st.lists(st.tuples(st.integers(0, 1_500), steps), max_size=40), st.integers())
def test_it_does_what_a_list_would_do(
    script: list[tuple[int, tuple[str, bytes, list[bytes] | None]]], seed: int
) -> None:
    promises, naive = some_promises(max_promises=6), NaivePromises()
    ours, theirs = Random(seed), Random(seed)
    now_ms = 0
    for pause, (step, name, batch) in script:
        now_ms += pause
        if step == "asked":
            promises.asked(name, batch or [], now_ms, ours)
            naive.asked(name, batch or [], now_ms, theirs)
        elif step == "arrived":
            promises.arrived(name)
            naive.held = [entry for entry in naive.held if entry[0] != name]
        elif step == "forget":
            promises.forget(name)
            naive.held = [entry for entry in naive.held if entry[1] != name]
        else:
            assert promises.broken(now_ms) == naive.broken(now_ms)
        assert len(promises) == len(naive.held) <= 6
    assert promises.broken(now_ms + FOLLOWUP_MS) == naive.broken(now_ms + FOLLOWUP_MS)
