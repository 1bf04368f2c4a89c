from collections.abc import Callable
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from pushmesh_node.sync.fan_out import FanOut
from pushmesh_node.sync.faults import BadMessage, Fault
from pushmesh_node.sync.index import Index
from pushmesh_node.sync.keys import MAX_TIMESTAMP, bound_at
from pushmesh_node.sync.messages import Mode, Writer, read_ranges
from pushmesh_node.sync.negentropy import MIN_MESSAGE_BYTES, Difference, Initiator, Limits, respond
from support.naive_negentropy import INFINITY, NaivePeer, Parts, Record, fingerprint, put_together

FAN_OUT = FanOut()
LIMITS = Limits()
DAY_MS = 86_400_000
FAN_OUTS = (FAN_OUT, FanOut(2, 1, 1), FanOut(3, 2, 5), FanOut(16, 16, 31))


def index_of(records: list[Record]) -> Index:
    return Index.of_sorted((*record, 0) for record in sorted(records))


def some_records(count: int, seed: int = 1, timestamps: int = DAY_MS) -> list[Record]:
    randomness = Random(seed)
    return [(1_790_000_000_000 + randomness.randrange(timestamps), randomness.randbytes(32)) for _ in range(count)]


def ids_of(records: list[Record]) -> set[bytes]:
    return {record_id for _, record_id in records}


class Session:
    """An initiator that asks to the end. Every message is checked against its limit."""

    def __init__(self, initiator: Initiator, answer: Callable[[bytes], bytes], limit_bytes: int = 1 << 20) -> None:
        self.round_trips, self.bytes = 0, 0
        self.differences: list[Difference] = []
        self._initiator, self._answer, self._limit_bytes = initiator, answer, limit_bytes

    def run(self, question: bytes) -> "Session":
        asked: bytes | None = question
        while asked is not None:
            answer = self._answer(asked)
            assert max(len(asked), len(answer)) <= self._limit_bytes
            self.round_trips += 1
            self.bytes += len(asked) + len(answer)
            difference, asked = self._initiator.receive(answer)
            self.differences.append(difference)
        return self

    @property
    def peer_lacks(self) -> set[bytes]:
        return {each for one in self.differences for each in one.peer_lacks}

    @property
    def we_lack(self) -> set[bytes]:
        return {each for one in self.differences for each in one.we_lack}


def reconcile(mine: list[Record], theirs: list[Record], limits: Limits = LIMITS) -> Session:
    peer = index_of(theirs)
    initiator = Initiator(index_of(mine), FAN_OUT, limits)
    return Session(initiator, lambda message: respond(peer, message, FAN_OUT, limits), limits.message_bytes).run(
        initiator.open()
    )


RECORDS = st.lists(
    st.tuples(st.integers(0, 9) | st.just(MAX_TIMESTAMP), st.integers(0, 60).map(lambda one: bytes([one, 0]) * 16)),
    unique=True,
    max_size=80,
)


@given(
    mine=RECORDS,
    theirs=RECORDS,
    fan_outs=st.tuples(st.sampled_from(FAN_OUTS), st.sampled_from(FAN_OUTS)),
    limits=st.tuples(st.sampled_from([700, MIN_MESSAGE_BYTES, 1 << 20]), st.sampled_from([1, 5, 32_768])),
    split=st.booleans(),
)
@settings(max_examples=250, deadline=None)
def test_any_two_sets_reconcile_for_any_fan_outs_and_limits(
    mine: list[Record],
    theirs: list[Record],
    fan_outs: tuple[FanOut, FanOut],
    limits: tuple[int, int],
    split: bool,
) -> None:
    allowed = Limits(message_bytes=limits[0], lacking=limits[1])
    peer = index_of(theirs)
    initiator = Initiator(index_of(mine), fan_outs[0], allowed)
    session = Session(initiator, lambda message: respond(peer, message, fan_outs[1], allowed), limits[0])
    session.run(initiator.open(split))
    # An id may stand under two timestamps: it is missing where the record is.
    unlike = set(mine) ^ set(theirs)
    assert session.peer_lacks <= ids_of(list(set(mine) & unlike))
    assert session.we_lack <= ids_of(list(set(theirs) & unlike))
    assert session.peer_lacks >= ids_of(mine) - ids_of(theirs)
    assert session.we_lack >= ids_of(theirs) - ids_of(mine)


@pytest.mark.parametrize("seed", range(6))
def test_large_sets_reconcile_under_the_least_limit(seed: int) -> None:
    randomness = Random(seed)
    records = some_records(9000, seed, timestamps=randomness.choice([1, 50, DAY_MS]))
    mine = [each for each in records if randomness.random() > 0.2]
    theirs = [each for each in records if randomness.random() > 0.2]
    session = reconcile(mine, theirs, Limits(message_bytes=MIN_MESSAGE_BYTES))
    assert session.peer_lacks == ids_of(mine) - ids_of(theirs)
    assert session.we_lack == ids_of(theirs) - ids_of(mine)


@pytest.mark.parametrize(("mine", "theirs"), [(0, 0), (0, 1), (1, 0), (0, 5000), (5000, 0), (3, 5000), (5000, 3)])
def test_sets_of_unlike_size_reconcile(mine: int, theirs: int) -> None:
    records = some_records(max(mine, theirs))
    session = reconcile(records[:mine], records[:theirs])
    assert session.peer_lacks == ids_of(records[theirs:mine])
    assert session.we_lack == ids_of(records[mine:theirs])
    assert session.round_trips <= 3


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("timestamps", [1, 30, DAY_MS])
def test_the_twin_that_splits_otherwise_comes_to_the_same_from_either_side(seed: int, timestamps: int) -> None:
    randomness = Random(seed)
    records = some_records(2000, seed, timestamps)
    mine = [each for each in records if randomness.random() > 0.03]
    theirs = [each for each in records if randomness.random() > 0.03]

    twin = NaivePeer(theirs)
    initiator = Initiator(index_of(mine), FAN_OUT, LIMITS)
    session = Session(initiator, twin.answer).run(initiator.open())
    assert session.peer_lacks == ids_of(mine) - ids_of(theirs)
    assert session.we_lack == ids_of(theirs) - ids_of(mine)

    index, asked = index_of(mine), twin.open()
    for _ in range(20):
        next_question = twin.receive(respond(index, asked, FAN_OUT, LIMITS))
        if next_question is None:
            break
        asked = next_question
    assert twin.peer_lacks == ids_of(theirs) - ids_of(mine)
    assert twin.we_lack == ids_of(mine) - ids_of(theirs)


def test_messages_are_what_they_were() -> None:
    """Frozen: what both this code and its twin said when go-nostr understood them."""
    records = [(1000 + number // 4, sha256(bytes([number])).digest()) for number in range(90)]
    assert index_of(records).fingerprint(0, 90).hex() == "4813171aa9ad99af5eb02dcd20943bd3"
    plain = FanOut(most_ways=16, usual_list=1, longest_list=31)
    initiator = Initiator(index_of(records[:80]), plain, LIMITS)
    question = initiator.open()
    answer = respond(index_of(records[10:]), question, plain, LIMITS)
    assert (len(question), sha256(question).hexdigest()[:16]) == (318, "ce091c93120e97a4")
    assert (len(answer), sha256(answer).hexdigest()[:16]) == (665, "ab50fa2d1a6d9d1b")
    difference, end = initiator.receive(answer)
    assert set(difference.we_lack) == ids_of(records[80:])
    assert set(difference.peer_lacks) == ids_of(records[:10])
    assert end is None


@pytest.mark.parametrize("count", [0, 1, 31, 512, 800, 5120])
def test_with_the_twins_fan_out_the_first_message_is_the_twins(count: int) -> None:
    records = some_records(count)
    plain = FanOut(most_ways=16, usual_list=1, longest_list=31)
    assert Initiator(index_of(records), plain, LIMITS).open() == NaivePeer(records).open()


def test_what_is_the_same_costs_one_round_trip_and_one_byte_back() -> None:
    records = some_records(5000)
    index = index_of(records)
    initiator = Initiator(index, FAN_OUT, LIMITS)
    question = initiator.open(split=False)
    assert len(question) == 20
    assert respond(index, question, FAN_OUT, LIMITS) == b"\x61"
    assert initiator.receive(b"\x61") == (Difference(), None)


def test_one_missing_among_twenty_thousand_is_found_in_three_round_trips() -> None:
    records = some_records(20_000)
    session = reconcile(records[1:], records)
    assert session.we_lack == ids_of(records[:1])
    assert session.round_trips <= 3
    assert session.bytes < 2000


def test_gaps_say_between_which_bounds_the_missing_stand() -> None:
    records = some_records(3000, timestamps=40)
    theirs = index_of(records)
    missing = [record for number, record in enumerate(records) if number % 500 == 3]
    initiator = Initiator(index_of([each for each in records if each not in missing]), FAN_OUT, LIMITS)
    session = Session(initiator, lambda message: respond(theirs, message, FAN_OUT, LIMITS)).run(initiator.open())
    gaps = [gap for one in session.differences for gap in one.gaps]
    assert {each for gap in gaps for each in gap.ids} == ids_of(missing)
    for gap in gaps:
        between = b"".join(theirs.ids(theirs.position(gap.lower), theirs.position(gap.upper)))
        assert all(between.find(each) % 32 == 0 for each in gap.ids)
        assert theirs.position(gap.upper) - theirs.position(gap.lower) < 40


def test_what_is_below_the_floor_is_neither_asked_about_nor_told() -> None:
    records = some_records(4000, timestamps=1000)
    floor = 1_790_000_000_500
    mine = [each for number, each in enumerate(records) if number % 3]
    theirs = index_of(records)
    for split in (True, False):
        initiator = Initiator(index_of(mine), FAN_OUT, LIMITS, from_timestamp=floor)
        session = Session(initiator, lambda message: respond(theirs, message, FAN_OUT, LIMITS))
        session.run(initiator.open(split))
        assert session.peer_lacks == set()
        assert session.we_lack == {each for at, each in records if at >= floor} - ids_of(mine)
    with pytest.raises(ValueError, match="no record has"):
        Initiator(theirs, FAN_OUT, LIMITS, from_timestamp=INFINITY)


def test_what_the_peer_lacks_comes_in_bites_and_none_is_lost() -> None:
    records = some_records(3000)
    session = reconcile(records, records[:10], Limits(lacking=500))
    assert session.peer_lacks == ids_of(records[10:])
    assert max(len(one.peer_lacks) for one in session.differences) <= 500
    assert session.round_trips > 5


def test_what_the_peer_lacks_is_not_collected_when_nobody_asks() -> None:
    records = some_records(3000)
    session = reconcile(records[5:], records[:2000], Limits(lacking=None))
    assert session.we_lack == ids_of(records[:5])
    assert session.peer_lacks == set()


def test_a_set_may_change_between_two_messages() -> None:
    records = some_records(3000)
    mine, theirs = index_of(records[:2900]), index_of(records[100:])
    initiator = Initiator(mine, FAN_OUT, LIMITS)
    asked: bytes | None = initiator.open()
    come = iter(some_records(50, seed=9))
    lacking: set[bytes] = set()
    while asked is not None:
        theirs.insert(*next(come))
        answer = respond(theirs, asked, FAN_OUT, LIMITS)
        mine.insert(*next(come))
        difference, asked = initiator.receive(answer)
        lacking |= set(difference.we_lack)
    assert lacking >= ids_of(records[2900:])


def test_little_room_gives_the_fingerprint_of_what_was_asked_about() -> None:
    records = some_records(500)
    question = Initiator(index_of([]), FAN_OUT, LIMITS).open()
    answer = respond(index_of(records), question, FAN_OUT, LIMITS, room_bytes=128)
    assert Parts(answer).ranges == [((INFINITY, b""), 1, fingerprint(each for _, each in sorted(records)))]


def test_what_did_not_fit_is_told_apart_from_what_is_the_same() -> None:
    """A peer that lacks just what had no room any more must not find its fingerprint in the rest."""
    records = sorted(some_records(200))
    whole = index_of(records)
    writer = Writer()
    writer.fingerprint(bound_at(records[100][0]), bytes(16))
    writer.fingerprint(b"\xff" * 8, bytes(16))
    for room in range(128, 1500, 50):
        answer = respond(whole, writer.message(), FAN_OUT, LIMITS, room_bytes=room)
        assert len(answer) <= room
        low = 0
        for part in read_ranges(answer):
            high = whole.position(part.bound)
            if part.mode == Mode.FINGERPRINT:
                assert part.payload == whole.fingerprint(low, high)
            low = high
        assert low == len(records)


@pytest.mark.parametrize("version", [0x60, 0x62, 0x6F])
def test_another_version_is_answered_with_this_one(version: int) -> None:
    index = index_of(some_records(3))
    assert respond(index, bytes([version]) + b"anything", FAN_OUT, LIMITS) == b"\x61"
    with pytest.raises(BadMessage) as caught:
        Initiator(index, FAN_OUT, LIMITS).receive(bytes([version]))
    assert caught.value.fault == Fault.UNSUPPORTED_VERSION


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (b"", Fault.NOT_NEGENTROPY),
        (b"\x00", Fault.NOT_NEGENTROPY),
        (b"\x61\x00", Fault.TRUNCATED),
        (b"\x61\x00\x00\x07", Fault.MODE),
        (b"\x61" + bytes(1 << 20), Fault.OVERSIZE),
    ],
)
def test_a_message_that_breaks_the_rules_is_refused_by_both_sides(message: bytes, fault: Fault) -> None:
    index = index_of(some_records(3))
    for act in (
        lambda: respond(index, message, FAN_OUT, LIMITS),
        lambda: Initiator(index, FAN_OUT, LIMITS).receive(message),
    ):
        with pytest.raises(BadMessage) as caught:
            act()
        assert caught.value.fault == fault


def test_a_peer_that_never_agrees_comes_to_an_end() -> None:
    records = some_records(100)
    initiator = Initiator(index_of(records), FAN_OUT, Limits(rounds=7))
    never = put_together([((INFINITY, b""), 1, bytes(16))])
    for _ in range(7):
        assert initiator.receive(never)[1] is not None
    with pytest.raises(BadMessage) as caught:
        initiator.receive(never)
    assert caught.value.fault == Fault.TOO_MANY_ROUNDS


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_bounded_answer_or_a_fault(data: st.DataObject) -> None:
    records = some_records(300, timestamps=20)
    index = index_of(records)
    honest = NaivePeer(records[:250]).open()
    message = bytearray(data.draw(st.sampled_from([honest, b"\x61" + data.draw(st.binary(max_size=200))])))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(message) - 1), st.integers(0, 255)), max_size=4)
    ):
        message[place] = value
    cut = bytes(message[: data.draw(st.integers(0, len(message)))])
    try:
        assert len(respond(index, cut, FAN_OUT, LIMITS, room_bytes=1000)) <= 1000
        difference, question = Initiator(index, FAN_OUT, LIMITS).receive(cut, room_bytes=1000)
    except BadMessage:
        return
    assert question is None or len(question) <= 1000
    assert len(difference.we_lack) * 32 <= len(cut)
    assert all(gap.lower < gap.upper for gap in difference.gaps)
