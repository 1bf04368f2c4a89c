import pytest

from pushmesh_node.sync import claims as claims_room, fetching as fetching_room
from pushmesh_node.sync.claims import STALE_MS, Claims
from pushmesh_node.sync.fetching import Fetching
from pushmesh_node.sync.memory import PeerMemory
from pushmesh_node.sync.ports import Say, Show
from pushmesh_node.sync.words import Frames, Head, IdRange, Want, WantedItem
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason
from support.sync_pair import PEER, id_of

OWN = 5
FOLLOWED = frozenset([OWN])


def a_fetching(count: int, claims: Claims | None = None) -> Fetching:
    """It has claimed the first ids and asked for their heads."""
    fetching = Fetching(PEER, Claims() if claims is None else claims, PeerMemory(0), lambda: FOLLOWED)
    ids = fetching.claim([id_of(number) for number in range(count)], 0)
    fetching.asked([IdRange(0, 0, bytes(8), b"\xff" * 8, ids)])
    return fetching


def wanted(fetching: Fetching, is_scanned: bool = True) -> list[Want]:
    effects = fetching.wants(is_scanned)
    return [effect.word for effect in effects if isinstance(effect, Say) and isinstance(effect.word, Want)]


def test_own_topics_come_first_and_of_the_rest_the_newest() -> None:
    fetching = a_fetching(3)
    fetching.heads([Head(1, 10, 0, 9, 1, [0], [0]), Head(2, 30, 0, 9, 1, [1], [0]), Head(3, 5, OWN, 9, 1, [2], [0])])
    fetching.probed({})
    (want,) = wanted(fetching)
    assert [item.item_no for item in want.items] == [3, 2, 1]


def test_of_a_large_run_a_few_leaves_are_asked_for_alone_and_many_bring_all_of_it() -> None:
    fetching = a_fetching(30)
    fetching.heads([Head(1, 9, 0, 9, 100, [0, 1], [40, 7]), Head(2, 8, 0, 9, 100, [*range(2, 30)], [*range(28)])])
    fetching.probed({})
    (want,) = wanted(fetching)
    assert want.items == [WantedItem(1, [7, 40]), WantedItem(2, None)]


def test_a_run_that_two_answers_tell_of_is_asked_for_once() -> None:
    fetching = a_fetching(2)
    fetching.heads([Head(1, 9, 0, 9, 2, [0], [0]), Head(1, 9, 0, 9, 2, [1], [1])])
    fetching.probed({})
    (want,) = wanted(fetching)
    assert want.items == [WantedItem(1, None)]


def test_nothing_is_asked_for_while_there_is_more_to_look_at() -> None:
    fetching = a_fetching(2)
    fetching.heads([Head(1, 30, 0, 9, 1, [0], [0]), Head(2, 5, OWN, 9, 1, [1], [0])])
    fetching.probed({})
    assert wanted(fetching, is_scanned=False) == []
    (want,) = wanted(fetching)
    assert [item.item_no for item in want.items] == [2, 1]


def test_what_another_peer_is_asked_for_by_now_is_left_to_it() -> None:
    claims = Claims()
    fetching = a_fetching(2, claims)
    fetching.heads([Head(1, 30, 0, 9, 1, [0], [0]), Head(2, 5, 0, 9, 1, [1], [0])])
    fetching.probed({})
    assert claims.claim((b"another", STALE_MS + 1), id_of(0))
    (want,) = wanted(fetching)
    assert [item.item_no for item in want.items] == [2]
    assert (fetching.elsewhere, fetching.missing) == (1, 2)
    assert claims.is_held(b"another", id_of(0))


def test_where_all_went_elsewhere_nothing_is_asked_for() -> None:
    claims = Claims()
    fetching = a_fetching(1, claims)
    fetching.heads([Head(1, 30, 0, 9, 1, [0], [0])])
    fetching.probed({})
    assert claims.claim((b"another", STALE_MS + 1), id_of(0))
    assert wanted(fetching) == [] and fetching.is_idle


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on no asker finds room."""
    monkeypatch.setattr(fetching_room, "MAX_QUEUED", 1)
    monkeypatch.setattr(fetching_room, "LEAST_QUEUED", 0)


def test_where_there_is_no_room_to_look_further_runs_are_asked_for_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch)
    fetching = a_fetching(2)
    fetching.heads([Head(1, 30, 0, 9, 1, [0], [0]), Head(2, 5, OWN, 9, 100, [1], [7])])
    fetching.probed({})
    (want,) = wanted(fetching, is_scanned=False)
    assert want.items == [WantedItem(2, None), WantedItem(1, None)]


def test_a_leaf_of_a_run_that_is_on_its_way_whole_is_not_asked_for_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    full(monkeypatch)
    claims = Claims()
    fetching = a_fetching(1, claims)
    fetching.heads([Head(2, 5, OWN, 9, 100, [0], [7])])
    fetching.probed({})
    wanted(fetching, is_scanned=False)
    ids = fetching.claim([id_of(1)], 0)
    fetching.asked([IdRange(0, 0, bytes(8), b"\xff" * 8, ids)])
    fetching.heads([Head(2, 5, OWN, 9, 100, [0], [8])])
    fetching.probed({})
    assert wanted(fetching) == [] and len(claims) == 1
    fetching.frames(Frames(1, False, []))  # the peer sends nothing of it
    fetching.taken(1, [])
    ids = fetching.claim([id_of(1)], 0)
    fetching.asked([IdRange(0, 0, bytes(8), b"\xff" * 8, ids)])
    fetching.heads([Head(2, 5, OWN, 9, 100, [0], [8])])
    fetching.probed({})
    (again,) = wanted(fetching)
    assert again.items == [WantedItem(2, [8])]


def test_where_so_many_wait_as_may_they_are_fetched_until_half_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching_room, "MAX_QUEUED", 8)
    monkeypatch.setattr(fetching_room, "LEAST_QUEUED", 2)
    monkeypatch.setattr(fetching_room, "MAX_WANTED", 2)
    fetching = a_fetching(8)
    assert fetching.finds_room()
    fetching.heads([Head(number, 9, 0, 9, 1, [number], [0]) for number in range(8)])
    fetching.probed({})
    assert not fetching.finds_room()
    assert [len(want.items) for want in wanted(fetching, is_scanned=False)] == [2, 2]
    assert fetching.finds_room()


def test_where_all_askers_together_claim_too_much_each_has_a_few_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims_room, "MAX_CLAIMS", 3)
    monkeypatch.setattr(fetching_room, "LEAST_QUEUED", 2)
    claims = Claims()
    for number in range(100, 103):
        claims.claim((b"another", 0), id_of(number))
    fetching = a_fetching(2, claims)
    assert fetching.finds_room()
    fetching.heads([Head(number, 9, 0, 9, 1, [number], [0]) for number in range(2)])
    fetching.probed({})
    assert not fetching.finds_room()


def test_what_is_promised_and_not_sent_is_held_against_the_peer() -> None:
    claims = Claims()
    fetching = a_fetching(3, claims)
    fetching.heads([Head(1, 9, 0, 9, 1, [0], [0]), Head(2, 8, 0, 9, 1, [1], [0])])  # the third has no head
    fetching.probed({})
    wanted(fetching)
    fetching.frames(Frames(1, False, [b"f"]))
    assert fetching.is_fed
    fetching.taken(1, [(id_of(0), Reason.OK), (id_of(99), Reason.OK)])
    assert fetching.is_idle and fetching.missing == 0 and len(claims) == 0
    memory = fetching._memory
    assert (memory.accepted, memory.refused) == (1, 2)


def test_what_is_held_is_shown_for_and_dropped() -> None:
    fetching = a_fetching(1)
    assert fetching.heads([Head(1, 9, 0, 9, 1, [0], [0])]) == [(9, id_of(0))]
    assert fetching.probed({id_of(0): 44}) == [Show([44])]
    assert fetching.is_idle and fetching.missing == 0


@pytest.mark.parametrize(
    "heads",
    [
        [Head(1, 9, 0, 9, 1, [7], [0])],
        [Head(1, 9, 0, 9, 1, [0], [1])],
        [Head(1, 9, 0, 9, 1, [0, 0], [0, 0])],
        [Head(1, 9, 0, 9, 1, [0], [0, 0])],
        [Head(1, 9, 0, 9, 1, [0], [0]), Head(2, 9, 0, 9, 1, [0], [0])],
    ],
)
def test_heads_of_what_was_not_asked_are_malformed(heads: list[Head]) -> None:
    with pytest.raises(Refusal):
        a_fetching(2).heads(heads)


def test_frames_out_of_turn_or_larger_than_told_are_malformed() -> None:
    fetching = a_fetching(1)
    with pytest.raises(Refusal):
        fetching.frames(Frames(1, False, []))
    fetching.heads([Head(1, 9, 0, 9, 1, [0], [0])])
    fetching.probed({})
    wanted(fetching)
    with pytest.raises(Refusal):
        fetching.frames(Frames(1, False, [b"x" * 100_000]))
