from collections.abc import Mapping

from hypothesis import given, strategies as st

from pushmesh_node.gossip.messages.wants import Asking, Rank, Wants

A, B, C, D, E = b"a", b"b", b"c", b"d", b"e"
FOLLOW_UP_MS = 3_000


def wants(asked: int = 4, words: int = 100) -> Wants:
    return Wants(FOLLOW_UP_MS, asked, words)


def ranked(**scores: float) -> Rank:
    """By the letter of the peer; others have no rank."""
    return lambda peer: (True, scores[peer.decode()]) if peer.decode() in scores else None


def everybody(peer: bytes) -> tuple[bool, float] | None:
    return True, 0.0


def ids_of(asks: Mapping[bytes, Asking]) -> dict[bytes, list[bytes]]:
    return {peer: asking.ids for peer, asking in asks.items()}


def test_the_first_to_announce_is_asked_at_once_and_others_wait() -> None:
    held = wants()
    assert held.announced(A, [b"1", b"2"], 0, at_once=True) == [b"1", b"2"]
    assert held.announced(B, [b"1", b"3"], 0, at_once=True) == [b"3"]
    assert held.due(FOLLOW_UP_MS - 1, everybody) == {}


def test_another_is_asked_when_the_follow_up_ends() -> None:
    held = wants()
    held.announced(A, [b"1"], 0, at_once=True)
    held.announced(B, [b"1"], 1, at_once=True)
    assert held.due(FOLLOW_UP_MS, everybody) == {B: Asking([b"1"], [b"1"])}
    assert held.due(FOLLOW_UP_MS, everybody) == {}


def test_the_best_are_asked_first_and_more_at_once_each_time() -> None:
    held = wants()
    held.announced(A, [b"1"], 0, at_once=True)
    others = [b"%c" % letter for letter in b"bcdefghi"]
    for peer in others:
        held.announced(peer, [b"1"], 0, at_once=True)
    rank = {peer: (True, float(at)) for at, peer in enumerate(others)}
    asked = [list(held.due(FOLLOW_UP_MS * n, rank.get)) for n in range(1, 5)]
    assert asked == [[b"i", b"h"], [b"g", b"f", b"e", b"d"], [b"c", b"b"], []]
    assert len(held) == 0


def test_who_is_in_doubt_is_asked_last_whatever_its_score() -> None:
    held = wants()
    held.announced(A, [b"1"], 0, at_once=False)
    held.announced(B, [b"1"], 0, at_once=False)
    assert ids_of(held.due(0, {A: (False, 9.0), B: (True, -9.0)}.get)) == {B: [b"1"]}


def test_who_has_no_rank_is_not_asked_and_its_word_is_forgotten() -> None:
    held = wants()
    held.announced(A, [b"1"], 0, at_once=True)
    held.announced(B, [b"1"], 0, at_once=True)
    assert held.due(FOLLOW_UP_MS, ranked(a=1)) == {}
    assert len(held) == 0


def test_a_peer_in_debt_is_asked_at_the_heartbeat_after_better_ones() -> None:
    held = wants()
    assert held.announced(A, [b"1"], 0, at_once=False) == []
    held.announced(B, [b"1", b"2"], 0, at_once=False)
    assert ids_of(held.due(1, ranked(a=-5, b=-1))) == {B: [b"1", b"2"]}


def test_a_better_one_is_asked_at_once_what_a_peer_in_debt_announced() -> None:
    held = wants()
    held.announced(A, [b"1"], 0, at_once=False)
    assert held.announced(B, [b"1"], 0, at_once=True) == [b"1"]


def test_what_arrived_is_asked_of_nobody() -> None:
    held = wants()
    held.announced(A, [b"1"], 0, at_once=True)
    held.announced(B, [b"1"], 0, at_once=True)
    assert held.arrived(b"1", 10) == {}
    assert held.due(FOLLOW_UP_MS, everybody) == {} and len(held) == 0
    assert held.arrived(b"1", 10) == {}


def test_few_are_asked_of_one_peer_at_a_time_and_the_next_when_half_came() -> None:
    held = wants(asked=4)
    ids = [b"%d" % n for n in range(10)]
    assert held.announced(A, ids, 0, at_once=True) == ids[:4]
    assert held.arrived(ids[0], 1) == {}
    assert ids_of(held.arrived(ids[1], 1)) == {A: ids[4:6]}
    assert held.announced(A, [b"more"], 1, at_once=True) == []


def test_what_no_window_had_room_for_is_asked_of_whoever_has_room() -> None:
    held = wants(asked=1)
    held.announced(A, [b"1", b"2"], 0, at_once=True)
    assert held.announced(B, [b"2"], 0, at_once=True) == [b"2"]


def test_a_window_opens_when_the_follow_up_ends() -> None:
    held = wants(asked=1)
    held.announced(A, [b"1", b"2"], 0, at_once=True)
    assert ids_of(held.due(FOLLOW_UP_MS - 1, everybody)) == {}
    assert ids_of(held.due(FOLLOW_UP_MS, everybody)) == {A: [b"2"]}


def test_an_open_window_is_no_reason_to_ask_a_second_peer_before_the_follow_up_ends() -> None:
    held = wants(asked=1)
    held.announced(A, [b"1"], 0, at_once=True)
    held.announced(B, [b"2", b"1"], 0, at_once=True)
    assert held.arrived(b"2", 1) == {}


def test_words_of_one_peer_are_bounded_and_take_no_room_of_another() -> None:
    held = wants(asked=100, words=2)
    assert held.announced(A, [b"1", b"2", b"3"], 0, at_once=True) == [b"1", b"2"]
    assert held.announced(B, [b"3", b"4"], 0, at_once=True) == [b"3", b"4"]
    assert len(held) == 4


def test_who_announces_twice_is_asked_once() -> None:
    held = wants()
    assert held.announced(A, [b"1"], 0, at_once=True) == [b"1"]
    assert held.announced(A, [b"1"], 1, at_once=True) == []


def test_a_peer_that_broke_its_promise_may_promise_again() -> None:
    held = wants()
    held.announced(A, [b"1"], 0, at_once=True)
    held.due(FOLLOW_UP_MS, everybody)
    assert held.announced(A, [b"1"], FOLLOW_UP_MS, at_once=True) == [b"1"]


def test_what_was_asked_of_a_peer_that_left_is_due_at_once() -> None:
    held = wants()
    held.announced(A, [b"1", b"2"], 0, at_once=True)
    held.announced(B, [b"1"], 0, at_once=True)
    held.forget(A)
    assert ids_of(held.due(1, everybody)) == {B: [b"1"]}
    assert len(held) == 1


def test_a_word_of_a_peer_that_left_is_void() -> None:
    held = wants()
    held.announced(A, [b"1"], 0, at_once=True)
    held.announced(B, [b"1"], 0, at_once=True)
    held.forget(B)
    assert held.due(FOLLOW_UP_MS, everybody) == {}


def test_a_hope_is_asked_at_the_heartbeat_and_is_no_promise() -> None:
    held = wants()
    held.hoped(A, b"1", 0)
    held.announced(B, [b"2"], 0, at_once=False)
    assert held.due(0, everybody) == {A: Asking([b"1"], []), B: Asking([b"2"], [b"2"])}


def test_hopes_of_many_are_asked_one_after_the_other() -> None:
    held = wants()
    for peer in (A, B, C):
        held.hoped(peer, b"1", 0)
    assert list(held.due(0, ranked(a=1, b=3, c=2))) == [B]
    assert list(held.due(FOLLOW_UP_MS, ranked(a=1, b=3, c=2))) == [C, A]


peers = st.sampled_from([A, B, C])
message_ids = st.sampled_from([b"1", b"2", b"3", b"4"])
steps = st.one_of(
    st.tuples(st.just("announced"), peers, st.lists(message_ids, max_size=4), st.booleans()),
    st.tuples(st.just("hoped"), peers, message_ids),
    st.tuples(st.just("arrived"), message_ids),
    st.tuples(st.just("forget"), peers),
    st.tuples(st.just("due"), st.sampled_from([0, 1_000, FOLLOW_UP_MS]), st.sets(peers)),
)


@given(st.lists(steps, max_size=40))
def test_no_dialogue_asks_too_much_at_once_or_leaves_anything_behind(dialogue: list[tuple[object, ...]]) -> None:
    held, now_ms = wants(asked=2, words=3), 0
    awaited: dict[tuple[bytes, bytes], int] = {}  # (peer, id) -> until when

    def ask(asks: Mapping[bytes, list[bytes]]) -> None:
        for peer, ids in asks.items():
            for one in ids:
                assert (peer, one) not in awaited
                awaited[peer, one] = now_ms + FOLLOW_UP_MS
            assert len([who for who, _ in awaited if who == peer]) <= 2

    for step in dialogue:
        match step:
            case ("announced", bytes(peer), list(ids), bool(at_once)):
                ask({peer: held.announced(peer, ids, now_ms, at_once=at_once)})
            case ("hoped", bytes(peer), bytes(one)):
                held.hoped(peer, one, now_ms)
            case ("arrived", bytes(one)):
                awaited = {key: until for key, until in awaited.items() if key[1] != one}
                ask(ids_of(held.arrived(one, now_ms)))
            case ("forget", bytes(peer)):
                awaited = {key: until for key, until in awaited.items() if key[0] != peer}
                held.forget(peer)
            case ("due", int(later_ms), set(good)):
                now_ms += later_ms
                # One that is asked beside others ends with them.
                ended = {one for (_, one), until in awaited.items() if until <= now_ms}
                awaited = {key: until for key, until in awaited.items() if key[1] not in ended}
                ask(ids_of(held.due(now_ms, {peer: (True, 1.0) for peer in good}.get)))
    for peer in (A, B, C):
        held.forget(peer)
    assert len(held) == 0


# Who earned trust


def test_who_earned_it_is_asked_beside_a_stranger_that_was_asked_before() -> None:
    held = wants()
    assert held.announced(A, [b"1"], 0, at_once=True) == [b"1"]
    assert held.announced(B, [b"1"], 1, at_once=True) == []
    assert held.announced(C, [b"1"], 2, at_once=True, earned=True) == [b"1"]


def test_one_who_earned_it_is_enough_until_the_follow_up_ends() -> None:
    held = wants()
    assert held.announced(A, [b"1"], 0, at_once=True, earned=True) == [b"1"]
    assert held.announced(B, [b"1"], 1, at_once=True, earned=True) == []
    assert held.due(FOLLOW_UP_MS, everybody) == {B: Asking([b"1"], [b"1"])}
    assert held.announced(C, [b"1"], FOLLOW_UP_MS, at_once=True, earned=True) == [b"1"]


def test_who_earned_it_has_the_whole_follow_up_to_answer() -> None:
    held = wants()
    held.announced(A, [b"1"], 0, at_once=True)
    held.announced(B, [b"1"], 2_000, at_once=True, earned=True)
    held.announced(C, [b"1"], 2_000, at_once=True)
    assert held.due(FOLLOW_UP_MS, everybody) == {}
    assert held.due(2_000 + FOLLOW_UP_MS, everybody) == {C: Asking([b"1"], [b"1"])}


def test_who_earned_it_is_asked_no_more_than_its_window_at_once() -> None:
    held = wants(asked=1)
    held.announced(A, [b"1", b"2"], 0, at_once=True)
    assert held.announced(B, [b"1", b"2"], 0, at_once=True, earned=True) == [b"1"]


def test_of_those_who_announce_what_others_push_one_who_earned_it_is_asked() -> None:
    held = wants()
    assert held.heard(A, [b"1"], 0, 300, 2) == {}
    assert ids_of(held.heard(B, [b"1"], 0, 300, 2, earned=True)) == {B: [b"1"]}
    assert held.heard(C, [b"1"], 0, 300, 2, earned=True) == {}


def test_a_stranger_that_was_asked_for_what_others_push_holds_nobody_up() -> None:
    held = wants()
    held.heard(A, [b"1"], 0, 300, 2)
    assert ids_of(held.heard(B, [b"1"], 0, 300, 2)) == {A: [b"1"]}
    assert ids_of(held.heard(C, [b"1"], 0, 300, 2, earned=True)) == {C: [b"1"]}


def test_who_earned_it_and_left_is_not_asked() -> None:
    held = wants()
    held.heard(A, [b"1"], 0, 300, 3, earned=True)
    held.heard(B, [b"1"], 0, 300, 3)
    held.forget(A)
    held.heard(C, [b"1"], 0, 300, 3)
    assert ids_of(held.heard(D, [b"1"], 0, 300, 3)) == {B: [b"1"]}


def test_each_peer_is_ranked_once_for_all_that_it_announced() -> None:
    held = wants(asked=100)
    ids = [b"%d" % n for n in range(50)]
    for peer in (A, B, C):
        held.announced(peer, ids, 0, at_once=False)
    ranked_peers: list[bytes] = []

    def rank(peer: bytes) -> tuple[bool, float]:
        ranked_peers.append(peer)
        return True, 0.0

    held.due(1, rank)
    assert sorted(ranked_peers) == [A, B, C]
