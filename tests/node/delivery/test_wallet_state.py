import hypothesis.strategies as st
from hypothesis import given

from pushmesh_node.delivery.wallet_state import ReadState
from support.fake_wallets import was_read

numbers = st.integers(0, 20)
reading = st.tuples(numbers, st.lists(numbers, max_size=4))


@given(st.lists(reading, max_size=6))
def test_a_message_is_read_once_any_word_said_so_and_marks_stand_above_the_place(
    words: list[tuple[int, list[int]]],
) -> None:
    state = ReadState()
    for commit_no, marks in words:
        state = state.after(commit_no, marks)
    for number in range(1, 21):
        assert was_read(state, number) == any(number <= place or number in marks for place, marks in words)
    assert list(state.marks) == sorted(set(state.marks))
    assert all(mark > state.commit_no for mark in state.marks)
