import pytest
from hypothesis import given, strategies as st

from pushmesh_protocol.base58 import MAX_TEXT, base58_decode, base58_encode


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\0\0\0", "111"),
        (b"hello world", "StV1DL6CwTryKyV"),
        (bytes.fromhex("00f8917303bfa8ef24f292e8fa1419b20460ba064d18596890"), "1PfJpZsjreyVrqeoAfabrRwwjQyoSQMmHH"),
    ],
)
def test_bytes_have_the_text_that_others_give_them(data: bytes, text: str) -> None:
    assert base58_encode(data) == text


@given(st.binary(min_size=1, max_size=40))
def test_a_text_is_read_back(data: bytes) -> None:
    assert base58_decode(base58_encode(data)) == data


@pytest.mark.parametrize("text", ["", "0", "O", "I", "l", "a b", "é", "1" * (MAX_TEXT + 1)])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base58"):
        base58_decode(text)
