import pytest

from pushmesh_protocol.text import check_text
from support.refusals import refusal_of

CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
LINE_BREAKS = [0x2028, 0x2029]
BIDIRECTIONAL = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
MALFORMED = ("malformed", "3.3")


TEXTS = [
    "",
    "plain",
    "äöü ßñ",
    "漢字かな",
    "🔔👩‍👩‍👧",
    "עברית العربية",
    "\u200e\u200f",
    "\ue000",
    "e\u0301",
    " ",
    "\u00a0",
    "\ufeff",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_in_any_script_passes(text: str) -> None:
    check_text("title", text)
    check_text("body", text, lines=True)


@pytest.mark.parametrize("code", CONTROLS + LINE_BREAKS + BIDIRECTIONAL)
def test_a_control_anywhere_is_refused(code: int) -> None:
    for text in (chr(code), "a" + chr(code), chr(code) + "ä", "a" * 5000 + chr(code) + "🔔"):
        assert refusal_of(check_text, "title", text) == MALFORMED


@pytest.mark.parametrize("code", CONTROLS + LINE_BREAKS + BIDIRECTIONAL)
def test_a_text_of_lines_may_hold_tab_and_newline_and_no_other_control(code: int) -> None:
    text = "a" + chr(code) + "b"
    if chr(code) in "\t\n":
        check_text("body", text, lines=True)
    else:
        assert refusal_of(check_text, "body", text, lines=True) == MALFORMED


def test_nothing_else_in_unicode_is_refused() -> None:
    forbidden = {*CONTROLS, *LINE_BREAKS, *BIDIRECTIONAL}
    allowed = "".join(chr(code) for code in range(0x110000) if code not in forbidden and not 0xD800 <= code < 0xE000)
    check_text("title", allowed)
