import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pushmesh_node.delivery.words import (
    AckWord,
    DevicesWord,
    ListenWord,
    PingWord,
    PublishWord,
    ReadWord,
    SubscriptionsWord,
    TopicsWord,
    read_word,
)
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.reasons import Reason


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"type": "listen"}, ListenWord()),
        ({"type": "listen", "cursor": "0", "topics": ["a"], "device": "p"}, ListenWord("0", ["a"], "p")),
        ({"type": "topics", "add": ["a"]}, TopicsWord(["a"])),
        ({"type": "ack", "cursor": "c", "voucher": None}, AckWord("c")),
        ({"type": "topics", "remove": ["a"], "since": "0"}, TopicsWord([], ["a"], "0")),
        ({"type": "read", "cursor": "c", "messages": ["m"]}, ReadWord("c", ["m"])),
        ({"type": "devices"}, DevicesWord()),
        ({"type": "subscriptions"}, SubscriptionsWord()),
        ({"type": "ping", "no": [1]}, PingWord([1])),
    ],
)
def test_words_are_read_as_they_are_said(said: dict[str, Any], word: object) -> None:
    assert read_word(json.dumps(said)) == word


def test_a_published_word_keeps_its_frame_as_it_was_said() -> None:
    word = read_word('{"type":"publish","no":1,"items":[{"kind":"topic"}]}')
    assert isinstance(word, PublishWord)
    assert word.form() == {"frame": None, "grants": [], "statements": [], "items": [{"kind": "topic"}]}


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "1", "{}", '{"type":"sing"}', '{"type":"listen","cursor":1}'),
        *(
            '{"type":"listen","more":1}',
            '{"type":"ack"}',
            '{"type":"login"}',
            '{"type":"topics","add":"a"}',
            "[" * 5_000,
        ),
    ],
)
def test_anything_else_is_a_bad_request(text: str) -> None:
    with pytest.raises(Denied) as caught:
        read_word(text)
    assert caught.value.reason is Reason.BAD_REQUEST


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        read_word(text)
    except Denied as denied:
        assert denied.reason is Reason.BAD_REQUEST
