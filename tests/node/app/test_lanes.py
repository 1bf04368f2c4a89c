"""Lanes of the way in: order within one, shares among them, bounds."""

import random
from collections import Counter

import pytest

from pushmesh_node.app.lanes import (
    BATCH_ENVELOPES,
    BATCHES_AHEAD,
    LEAST_BATCH_ENVELOPES,
    MIXED_BATCH_ENVELOPES,
    SHARES,
    Lane,
    Lanes,
    lane_of,
)
from pushmesh_node.app.offers import Entry
from pushmesh_node.engine.events import CaughtUp, Gossiped, Published, Source

PEER = b"\x0e" * 32


def a_source(lane: Lane, number: int) -> Source:
    match lane:
        case Lane.PUBLISHED:
            return Published(number)
        case Lane.GOSSIPED:
            return Gossiped(PEER, number, 100)
        case Lane.SYNCED:
            return CaughtUp(PEER, -number)


def an_entry(lane: Lane, number: int, envelopes: int = 1) -> Entry:
    return Entry(a_source(lane, number), (), (), envelopes)


def filled(count: int, *lanes: Lane, envelopes: int = 1) -> Lanes:
    held = Lanes(1_000_000)
    for number in range(count):
        for lane in lanes:
            held.put(an_entry(lane, number, envelopes))
    return held


@pytest.mark.parametrize("lane", Lane)
def test_each_source_has_its_lane(lane: Lane) -> None:
    assert lane_of(a_source(lane, 1)) == lane


def test_what_waits_alone_goes_in_large_batches_and_in_its_order() -> None:
    lanes = filled(10_000, Lane.GOSSIPED)
    batch = lanes.next_batch()
    assert [entry.source for entry in batch] == [a_source(Lane.GOSSIPED, number) for number in range(BATCH_ENVELOPES)]


def test_what_is_due_first_comes_first_and_at_ties_what_came_first() -> None:
    lanes, dues = Lanes(100), [3.0, 1.0, 2.0, 1.0, 0.0]
    for number, due_s in enumerate(dues):
        lanes.put(Entry(Published(number), (), (), 1, due_s=due_s))
    assert [entry.source for entry in lanes.next_batch()] == [Published(number) for number in (4, 1, 3, 2, 0)]


def test_a_batch_is_a_share_of_what_waits_but_not_too_little_and_an_entry_is_never_torn() -> None:
    assert len(filled(BATCHES_AHEAD * 100, Lane.SYNCED).next_batch()) == 100
    for lane, least in LEAST_BATCH_ENVELOPES.items():
        assert len(filled(least + 1, lane).next_batch()) == least
    (alone,) = filled(3, Lane.SYNCED, envelopes=2 * BATCH_ENVELOPES).next_batch()
    assert alone.envelopes == 2 * BATCH_ENVELOPES


def test_frames_that_came_together_are_one_batch_while_publishes_are_shared_among_the_stages() -> None:
    assert len(filled(200, Lane.GOSSIPED).next_batch()) == 200
    assert len(filled(200, Lane.PUBLISHED).next_batch()) == 200 // BATCHES_AHEAD


def test_what_waits_is_counted_over_all_lanes_until_a_batch_takes_it() -> None:
    lanes = filled(3, *Lane, envelopes=5)
    assert lanes.waiting == 45
    taken = sum(entry.envelopes for entry in lanes.next_batch())
    assert lanes.waiting == 45 - taken < 45


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 40, 1_024), (1_024, 1, 256)])
@pytest.mark.parametrize("waiting", [tuple(Lane), (Lane.PUBLISHED, Lane.SYNCED), (Lane.GOSSIPED, Lane.SYNCED)])
def test_lanes_that_all_wait_get_their_shares_whatever_the_size_of_their_entries(
    sizes: tuple[int, ...], waiting: tuple[Lane, ...]
) -> None:
    lanes, got, number = Lanes(1_000_000_000), Counter[Lane](), 0
    for _ in range(2_000):
        for lane in waiting:
            while lanes.held(lane) < 20_000:
                lanes.put(an_entry(lane, (number := number + 1), sizes[lane]))
        batch = lanes.next_batch()
        got[lane_of(batch[0].source)] += sum(entry.envelopes for entry in batch)
        lanes.decided(batch)
    whole = sum(SHARES[lane] for lane in waiting)
    for lane in waiting:
        assert got[lane] / got.total() == pytest.approx(SHARES[lane] / whole, abs=0.02)


def test_while_others_wait_batches_are_small() -> None:
    lanes = filled(10_000, *Lane)
    assert {len(lanes.next_batch()) for _ in range(20)} == {MIXED_BATCH_ENVELOPES}


def test_a_flood_holds_up_what_comes_next_on_another_lane_by_one_batch_only() -> None:
    lanes = filled(100_000, Lane.GOSSIPED)
    for _ in range(20):
        lanes.next_batch()
    lanes.put(an_entry(Lane.PUBLISHED, 7))
    turns = [lane_of(lanes.next_batch()[0].source) for _ in range(2)]
    assert Lane.PUBLISHED in turns


def test_a_lane_that_had_nothing_does_not_catch_up() -> None:
    lanes = filled(100_000, Lane.GOSSIPED)
    for _ in range(50):
        lanes.next_batch()
    for number in range(100_000):
        lanes.put(an_entry(Lane.PUBLISHED, number))
    got = Counter(lane_of(lanes.next_batch()[0].source) for _ in range(70))
    assert got[Lane.GOSSIPED] == pytest.approx(30, abs=2)


def test_each_lane_has_room_of_its_own_until_what_it_holds_is_decided() -> None:
    lanes = Lanes(8)
    for number in range(8):
        assert lanes.room(Lane.PUBLISHED)
        lanes.put(an_entry(Lane.PUBLISHED, number))
    for number in range(4):
        lanes.put(an_entry(Lane.GOSSIPED, number))
    assert [lanes.room(lane) for lane in Lane] == [False, False, True]
    batches = [lanes.next_batch(), lanes.next_batch()]
    assert not lanes and [lanes.room(lane) for lane in Lane] == [False, False, True]
    for batch in batches:
        lanes.decided(batch)
    assert [lanes.held(lane) for lane in Lane] == [0, 0, 0]
    assert [lanes.room(lane) for lane in Lane] == [True, True, True]


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_lost_doubled_or_overtaken_on_its_lane(seed: int) -> None:
    draw, lanes = random.Random(seed), Lanes(1_000_000)
    put: dict[Lane, list[Entry]] = {lane: [] for lane in Lane}
    got: dict[Lane, list[Entry]] = {lane: [] for lane in Lane}
    for number in range(3_000):
        lane = draw.choice(list(Lane))
        put[lane].append(an_entry(lane, number, draw.choice((1, 3, 300))))
        lanes.put(put[lane][-1])
        while lanes and draw.random() < 0.3:
            batch = lanes.next_batch()
            got[lane_of(batch[0].source)] += batch
            lanes.decided(batch)
    while lanes:
        batch = lanes.next_batch()
        got[lane_of(batch[0].source)] += batch
        lanes.decided(batch)
    assert got == put
    assert [lanes.held(lane) for lane in Lane] == [0, 0, 0]
