from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from pushmesh_node.sync.keys import START
from pushmesh_node.sync.memory import REST_MS, PeerMemory
from pushmesh_node.sync.messages import MAX_RANGES
from pushmesh_node.sync.ports import Finished, Heard
from pushmesh_node.sync.words import (
    AskHashes,
    AskIds,
    BucketName,
    BucketStep,
    Compare,
    Differ,
    Frames,
    Hashes,
    Heads,
    Hello,
    Ids,
    Replies,
    Sorry,
    Steps,
    Want,
    Word,
)
from pushmesh_protocol.reasons import Reason
from support.sync_pair import DAY_MS, NOW_MS, Asker, HonestPeer, Record, a_hello, id_of


def a_record(number: int, part: int = 0, days: float = 1) -> Record:
    return part, NOW_MS + int(days * DAY_MS) + number, id_of(number)


RECORDS = st.lists(
    st.builds(a_record, st.integers(0, 400), st.integers(0, 4), st.sampled_from([0, 0.5, 1, 3])),
    unique_by=lambda record: record[2],
    max_size=120,
)


@given(RECORDS, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_round_brings_exactly_what_the_naive_difference_says(records: list[Record], chosen: int) -> None:
    mine = [record for place, record in enumerate(records) if (chosen >> place % 32) & 1]
    theirs = [record for place, record in enumerate(records) if (chosen >> (place + 7) % 32) & 1]
    asker, peer = Asker(mine), HonestPeer(theirs)
    asker.round(peer.answer)
    wanted = {id_ for _, _, id_ in theirs} - {id_ for _, _, id_ in mine}
    assert set(asker.taken) == wanted and len(asker.taken) == len(wanted)
    assert asker.finished == Finished(0, 0)
    assert len(asker.claims) == 0 and asker.asking.missing == 0


def test_nothing_is_asked_beyond_the_comparison_where_nothing_differs() -> None:
    records = [a_record(number) for number in range(50)]
    peer = HonestPeer(records)
    asker = Asker(records, PeerMemory(NOW_MS, NOW_MS))
    asker.round(peer.answer)
    assert [type(word) for word in peer.heard] == [Hello, Compare]


def test_grants_are_fetched_before_all_else() -> None:
    peer = HonestPeer([a_record(1), a_record(2, part=4), a_record(3, part=2)])
    asker = Asker([])
    asker.round(peer.answer)
    assert asker.taken[0] == id_of(2)


def test_subscriptions_are_fetched_before_the_messages_that_they_are_about() -> None:
    peer = HonestPeer([a_record(1, days=5), a_record(2, part=2), a_record(3, part=4), a_record(4, part=3)])
    asker = Asker([])
    asker.round(peer.answer)
    assert asker.taken[0] == id_of(3) and set(asker.taken[1:3]) == {id_of(2), id_of(4)}


BACKLOG = 100_000
FIRST, SECOND = 1, 2


def a_backlog() -> HonestPeer:
    """Of two shards and three days, issued in no order of their expiry; a few are of two topics each."""
    records = [a_record(number * 7_919 % BACKLOG, number % 2, (1, 2.5, 3.5)[number % 3]) for number in range(BACKLOG)]
    return HonestPeer(records, tags=lambda place: {5: FIRST, 7: SECOND}.get(place % 1_000, 0))


def of_topic(peer: HonestPeer, tag: int) -> list[bytes]:
    """Its messages, the newest first."""
    return [record[2] for place, record in enumerate(peer.records) if peer.tags(place) == tag][::-1]


def test_of_a_large_backlog_own_topics_come_first_and_newest_first() -> None:
    peer = a_backlog()
    followed = frozenset([FIRST])
    asker = Asker([], own_tags=lambda: followed)
    asker.round(peer.answer)
    own = of_topic(peer, FIRST)
    assert len(asker.taken) == BACKLOG and len(own) == 100
    assert asker.taken[:100] == own


def test_what_a_wallet_follows_that_comes_during_the_heal_is_next() -> None:
    peer = a_backlog()
    tags = [frozenset([FIRST])]
    asker = Asker([], own_tags=lambda: tags[0])
    before: list[int] = []

    def answer(word: Word) -> list[Word]:
        if isinstance(word, Want) and len(asker.taken) > BACKLOG // 2 and not before:
            before.append(len(asker.taken))
            tags[0] = frozenset([FIRST, SECOND])
        return peer.answer(word)

    asker.round(answer)
    theirs = [id_ for id_ in of_topic(peer, SECOND) if id_ not in set(asker.taken[: before[0]])]
    places = [asker.taken.index(id_) for id_ in theirs]
    two_wants = 2 * 2_048  # that were under way
    assert len(theirs) > 10 and max(places) < before[0] + two_wants + len(theirs)


def test_what_lies_below_either_floor_is_no_gap() -> None:
    peer = HonestPeer([a_record(1, days=0.1), a_record(2, days=0.9)], floor_ms=NOW_MS + DAY_MS // 2)
    asker = Asker([])
    asker.round(peer.answer)
    assert asker.taken == [id_of(2)]
    other = Asker([])
    other.round(HonestPeer([a_record(1, days=0.1), a_record(2, days=0.9)]).answer, floor_ms=NOW_MS + DAY_MS // 2)
    assert other.taken == [id_of(2)]


def test_a_floor_in_the_far_future_hides_no_more_than_a_day() -> None:
    peer = HonestPeer([a_record(1, days=0.5), a_record(2, days=3)], floor_ms=NOW_MS + DAY_MS)
    asker = Asker([])
    asker.round(liar(peer, Hello, a_hello(False, NOW_MS + 400 * DAY_MS)))
    assert asker.taken == [id_of(2)]


def test_what_another_peer_is_asked_for_is_counted_and_not_asked() -> None:
    peer = HonestPeer([a_record(1), a_record(2)])
    asker = Asker([])
    assert asker.claims.claim((b"q" * 32, NOW_MS), id_of(1))
    asker.round(peer.answer)
    assert asker.taken == [id_of(2)]
    assert asker.finished == Finished(0, 1)


def test_what_is_refused_is_not_asked_of_that_peer_again() -> None:
    peer = HonestPeer([a_record(1), a_record(2)])
    asker = Asker([], judge=lambda id_: Reason.BAD_SIGNATURE if id_ == id_of(1) else Reason.OK)
    asker.round(peer.answer)
    assert (asker.memory.accepted, asker.memory.refused) == (1, 1)
    asker.round(peer.answer)
    assert asker.taken.count(id_of(1)) == 1


def test_a_bucket_that_differs_for_good_is_left_out_for_a_while_and_others_are_not() -> None:
    peer = HonestPeer([a_record(1)])
    asker = Asker([], judge=lambda id_: Reason.SURPLUS)
    for _round in range(3):  # it is asked for, then found to be settled, then left out
        peer.heard.clear()
        asker.round(peer.answer)
    assert (asker.finished, Steps in map(type, peer.heard)) == (Finished(0, 0), False)
    peer.add(a_record(2, part=1))
    peer.add(a_record(3))
    asker.round(peer.answer)
    assert asker.taken == [id_of(1), id_of(2)]
    asker.now_ms += REST_MS
    asker.round(peer.answer)
    assert asker.taken == [id_of(1), id_of(2), id_of(3)]


def test_a_bucket_with_something_open_beside_what_is_settled_is_reconciled_in_each_round() -> None:
    common = [a_record(number) for number in range(10, 1_000)]  # so that the two are found in ranges of their own
    peer = HonestPeer([a_record(1), *common, a_record(2_000)])
    asker = Asker(common, judge=lambda id_: Reason.STORE_FULL if id_ == id_of(2_000) else Reason.SURPLUS)
    for _round in range(4):
        asker.round(peer.answer)
    assert asker.taken.count(id_of(2_000)) == 4


def test_what_time_may_mend_stays_missing_and_is_asked_again() -> None:
    peer = HonestPeer([a_record(1)])
    asker = Asker([], judge=lambda id_: Reason.STORE_FULL)
    asker.round(peer.answer)
    assert asker.finished == Finished(1, 0)
    asker.round(peer.answer)
    assert asker.taken == [id_of(1)] * 2


def test_a_peer_most_of_whose_envelopes_are_refused_is_poisoned() -> None:
    peer = HonestPeer([a_record(number) for number in range(300)])
    asker = Asker([], judge=lambda id_: Reason.BAD_SIGNATURE)
    asker.round(peer.answer)
    assert asker.ended == "poisoned"


def test_what_is_held_outside_of_the_set_is_shown_and_not_asked_for() -> None:
    peer = HonestPeer([a_record(1), a_record(2)])
    asker = Asker([])
    asker.held[id_of(1)] = 77
    asker.round(peer.answer)
    assert (asker.taken, asker.shown) == ([id_of(2)], [77])
    asker.round(peer.answer)
    assert asker.shown == [77]


def test_ids_with_the_sum_of_others_are_found_by_the_daily_hashes() -> None:
    one, two = (int.from_bytes(id_of(number), "little") for number in (1, 2))
    ground = [(one + 5).to_bytes(32, "little"), (two - 5).to_bytes(32, "little")]
    part, timestamp, _ = a_record(0)
    mine = [(part, timestamp, id_of(1)), (part, timestamp, id_of(2))]
    peer = HonestPeer([(part, timestamp, each) for each in ground])
    asker = Asker(mine)
    asker.round(peer.answer)
    assert set(asker.taken) == set(ground)
    assert {type(word) for word in peer.heard} >= {AskHashes, AskIds}


def liar(peer: HonestPeer, kind: type, *lies: Word) -> Callable[[Word], list[Word]]:
    def answer(word: Word) -> list[Word]:
        truth = peer.answer(word)
        return list(lies) if isinstance(word, kind) else truth

    return answer


NAME = BucketName(0, NOW_MS // DAY_MS + 1)


@pytest.mark.parametrize(
    ("kind", "lie", "reason"),
    [
        (Hello, Sorry("busy"), "peer-refused"),
        (Hello, Differ([]), "malformed"),
        (Hello, a_hello(True), "malformed"),
        (Compare, Differ([NAME, NAME]), "malformed"),
        (Compare, Differ([BucketName(5, 1)]), "malformed"),
        (Steps, Replies([]), "malformed"),
        (Steps, Heads([]), "malformed"),
        (Want, Frames(9, False, []), "malformed"),
        (Want, Frames(1, False, [b"x" * 200_000]), "malformed"),
        (AskHashes, Hashes([]), "malformed"),
    ],
)
def test_an_answer_that_no_honest_peer_gives_ends_the_session(kind: type, lie: Word, reason: str) -> None:
    peer = HonestPeer([a_record(1), a_record(2, days=3)])
    asker = Asker([a_record(2, days=3)])
    asker.round(liar(peer, kind, lie))
    assert asker.ended == reason
    asker.asking.close()
    assert len(asker.claims) == 0


def test_a_list_that_does_not_move_on_ends_the_session() -> None:
    part, timestamp, _ = a_record(0)
    asker = Asker([(part, timestamp, id_of(1))])
    peer = HonestPeer([(part, timestamp, id_of(1))])
    fingerprint = asker.sets.snapshot(BucketName(part, timestamp // DAY_MS), [0] * 3).fingerprint
    forged = liar(peer, AskHashes, Hashes([(fingerprint, b"x" * 32)]))

    def answer(word: Word) -> list[Word]:
        if isinstance(word, AskIds):
            return [Ids(START, [])]
        return forged(word)

    asker.round(answer)
    assert asker.ended == "malformed"


def test_an_answer_to_nothing_ends_the_session() -> None:
    asker = Asker([])
    (effect,) = asker.asking.handle(Heard(Differ([])), NOW_MS)
    assert str(effect) == "End(reason='malformed')"


def test_more_ranges_than_a_word_has_honestly_end_the_session_however_they_are_shared() -> None:
    """The peer has nothing to say of any: each is three bytes, and costs who reads it more."""
    records = [a_record(1), a_record(2, days=3)]
    asker = Asker([])
    skips = b"\x61" + b"\x01\x00\x00" * (MAX_RANGES // 2 + 1)
    peer = HonestPeer(records)

    def answer(word: Word) -> list[Word]:
        if isinstance(word, Steps):
            return [Replies([BucketStep(one.part, one.number, skips) for one in word.steps])]
        return peer.answer(word)

    asker.round(answer)
    assert asker.ended == "malformed"
