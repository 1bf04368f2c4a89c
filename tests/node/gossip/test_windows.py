import pytest

from pushmesh_node.gossip.frames.inspection_queue import Merit
from pushmesh_node.gossip.windows import LEAST_BYTES, MOST_BYTES, STRANGERS_BYTES, window_bytes


def test_who_earned_it_has_a_whole_window_however_many_strangers_there_are() -> None:
    assert {window_bytes(Merit.EARNED, strangers) for strangers in (0, 1, 256)} == {MOST_BYTES}


def test_few_strangers_have_whole_windows() -> None:
    assert {window_bytes(Merit.STRANGE, strangers) for strangers in (0, 1, 16)} == {MOST_BYTES}


@pytest.mark.parametrize("strangers", [17, 40, 64])
def test_a_crowd_of_strangers_shares_its_total(strangers: int) -> None:
    assert STRANGERS_BYTES - strangers < strangers * window_bytes(Merit.STRANGE, strangers) <= STRANGERS_BYTES


def test_no_stranger_has_less_than_one_frame_needs() -> None:
    assert window_bytes(Merit.STRANGE, 1_000) == LEAST_BYTES


def test_a_faulty_peer_has_the_least_also_where_it_is_alone() -> None:
    assert window_bytes(Merit.FAULTY, 1) == LEAST_BYTES
