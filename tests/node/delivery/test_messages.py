import json

from msgspec.structs import replace

from pushmesh_node.delivery.messages import MessageForms
from pushmesh_node.delivery.session import Mark, Marker
from pushmesh_protocol.armor import from_text
from pushmesh_protocol.display import envelope_json
from support.fake_inboxes import a_message

STORE = b"\xab" * 16


def test_a_message_carries_what_is_shown_and_what_is_verified() -> None:
    message = a_message(7)
    form = json.loads(MessageForms(STORE).message(message))
    assert from_text(form.pop("frame")) == message.frame
    assert form == {
        "type": "message",
        "cursor": "ab" * 16 + ".7",
        "verdict": "now",
        "reason": "subscribed",
        "envelope": envelope_json(message.envelope, signed=False),
    }


def test_a_message_is_encoded_once_for_all_and_once_per_verdict() -> None:
    forms, message = MessageForms(STORE), a_message(7)
    first = forms.message(message)
    assert forms.message(a_message(7)) is first
    assert json.loads(forms.message(replace(message, verdict="silent")))["verdict"] == "silent"
    assert forms.encoded == 2


def test_what_is_remembered_is_bounded_by_number_and_by_bytes() -> None:
    few = MessageForms(STORE, most=2)
    for commit_no in (1, 2, 3):
        few.message(a_message(commit_no))
    few.message(a_message(3))
    assert few.encoded == 3
    few.message(a_message(1))
    assert few.encoded == 4

    none = MessageForms(STORE, most_bytes=10)
    for _ in range(2):
        none.message(a_message(1))
    assert none.encoded == 2


def test_markers_have_their_words() -> None:
    forms, cursor = MessageForms(STORE), "ab" * 16 + ".5"
    assert json.loads(forms.marker(Marker(Mark.LIVE, 5))) == {"type": "live", "cursor": cursor}
    assert json.loads(forms.marker(Marker(Mark.IDLE, 5))) == {"type": "idle", "cursor": cursor}
    assert json.loads(forms.marker(Marker(Mark.ENDED, 5, "draining", "x"))) == {
        "type": "end",
        "cursor": cursor,
        "reason": "draining",
        "detail": "x",
    }
