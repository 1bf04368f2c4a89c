from typing import Any

import pytest

from pushmesh_client.errors import BadAnswer
from pushmesh_client.transports import Delivery, Ended, Live, VoucherAnswer, Welcome
from pushmesh_client.transports.reading import read_event, read_json

MESSAGE: dict[str, Any] = {
    "type": "message",
    "cursor": "ab.1",
    "verdict": "now",
    "reason": "subscribed",
    "frame": "AQID",
}


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        (MESSAGE, Delivery("ab.1", b"\x01\x02\x03", "now", "subscribed")),
        ({"type": "live", "cursor": "ab.1"}, Live("ab.1")),
        ({"type": "voucher", "accepted": True}, VoucherAnswer(True, "", "")),
        ({"type": "voucher", "accepted": "yes", "reason": "bad-voucher"}, VoucherAnswer(False, "bad-voucher", "")),
        ({"type": "welcome", "node_id": "0a" * 32}, Welcome(b"\x0a" * 32)),
        ({"type": "end", "reason": "draining", "detail": "later"}, Ended("draining", "later")),
        ({"type": "acked"}, None),
        ({}, None),
    ],
)
def test_a_server_frame_is_the_event_that_it_says(answer: dict[str, Any], event: object) -> None:
    assert read_event(answer) == event


@pytest.mark.parametrize("change", [{"frame": "!"}, {"frame": 5}, {"frame": None}, {"cursor": ...}, {"verdict": ...}])
def test_a_message_that_lacks_something_is_a_bad_answer(change: dict[str, Any]) -> None:
    answer = {name: value for name, value in (MESSAGE | change).items() if value is not ...}
    with pytest.raises(BadAnswer):
        read_event(answer)


@pytest.mark.parametrize("text", ["", "{", "[]", "5"])
def test_what_is_no_json_object_is_a_bad_answer(text: str) -> None:
    with pytest.raises(BadAnswer):
        read_json(text)
    with pytest.raises(BadAnswer):
        read_event({"type": "welcome", "node_id": "xyz"})
