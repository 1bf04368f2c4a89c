import pytest
from hypothesis import given, strategies as st

from pushmesh_node.sync.wishes import Wish, Wishes
from pushmesh_node.sync.words import Head
from support.sync_pair import id_of

OWN, OTHER, THIRD = 5, 6, 7


def a_head(number: int, issued_at: int, tag: int = OTHER, count: int = 1) -> Head:
    return Head(number, issued_at, tag, 100, count, [0], [0])


def numbers(wishes: Wishes) -> list[int]:
    found = []
    while wishes:
        found.append(wishes.pop().item_no)
    return found


ITEMS = st.lists(st.tuples(st.integers(0, 2**40), st.sampled_from([0, OWN, OTHER, THIRD])), max_size=60)


@given(ITEMS, st.frozensets(st.sampled_from([OWN, OTHER])), st.frozensets(st.sampled_from([OWN, OTHER, THIRD])))
def test_what_is_followed_comes_first_then_the_newest_whenever_it_came_to_be_followed(
    items: list[tuple[int, int]], before: frozenset[int], later: frozenset[int]
) -> None:
    wishes = Wishes(before)
    for number, (issued_at, tag) in enumerate(items):
        wishes.put(a_head(number, issued_at, tag), [(id_of(number), 0)])
    wishes.follow(later)
    followed = before | later
    order = sorted(range(len(items)), key=lambda n: (items[n][1] not in followed, -items[n][0], n))
    assert numbers(wishes) == order


def test_envelopes_of_one_item_come_together_whenever_they_were_found() -> None:
    wishes = Wishes(frozenset())
    wishes.put(a_head(1, 10, count=9), [(id_of(1), 4)])
    wishes.put(a_head(2, 20), [(id_of(2), 0)])
    wishes.put(a_head(1, 10, count=9), [(id_of(3), 8), (id_of(1), 4)])
    assert len(wishes) == 4
    assert wishes.pop() == Wish(2, 100, 1, {id_of(2): 0})
    assert wishes.pop() == Wish(1, 100, 9, {id_of(1): 4, id_of(3): 8})
    assert not wishes


def test_what_is_put_after_its_topic_came_to_be_followed_is_own() -> None:
    wishes = Wishes(frozenset())
    wishes.follow(frozenset([OWN]))
    wishes.put(a_head(1, 20), [(id_of(1), 0)])
    wishes.put(a_head(2, 10, OWN), [(id_of(2), 0)])
    assert numbers(wishes) == [2, 1]


def test_nothing_comes_of_nothing() -> None:
    with pytest.raises(IndexError):
        Wishes(frozenset()).pop()
