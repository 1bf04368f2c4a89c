from random import Random

import pytest

from pushmesh_protocol.armor import from_text, to_text
from support.refusals import refusal_of


def test_any_bytes_survive_their_text(rng: Random) -> None:
    for size in range(200):
        data = rng.randbytes(size)
        text = to_text(data)
        assert from_text(text) == data
        assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_text_has_no_padding_and_the_url_alphabet() -> None:
    assert to_text(b"\xfb\xff\xfe\x00") == "-__-AA"


@pytest.mark.parametrize(
    "text",
    [
        "-__-AA==",  # padding
        "+//+AA",  # the other alphabet
        "-__-AB",  # bits that no byte holds
        "-__-A",  # a length that no bytes have
        "AA AA",
        "AAA\n",
        "AA=A",
        "ÄÄÄÄ",
        "A",
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    assert refusal_of(from_text, text) == ("malformed", "11.3")
