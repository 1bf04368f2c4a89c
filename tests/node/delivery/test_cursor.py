import pytest

from pushmesh_node.delivery.contract import Cursor
from pushmesh_node.delivery.cursor import Start, commit_no_of, find_start, format_cursor, parse_cursor
from pushmesh_node.engine.answers import Denied
from pushmesh_protocol.reasons import Reason
from support.fake_inboxes import FakeInboxes, a_principal

STORE = b"\xab" * 16


def test_a_cursor_comes_back_from_its_text() -> None:
    for commit_no in (0, 1, 2**62):
        cursor = Cursor(STORE, commit_no)
        assert parse_cursor(format_cursor(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "later", "ab.1", f"{'AB' * 16}.1", f"{'zz' * 16}.1"),
        *(f"{'ab' * 16}.{number}" for number in ("", "-1", "01", "1\n", "9" * 20, "٣")),
    ],
)
def test_any_other_text_is_a_bad_cursor(text: str) -> None:
    with pytest.raises(Denied) as caught:
        parse_cursor(text)
    assert caught.value.reason is Reason.BAD_CURSOR


async def test_a_session_starts_where_the_consumer_says_or_where_its_device_was() -> None:
    inboxes, principal = FakeInboxes(), a_principal()
    await inboxes.acknowledge(principal, "phone", 7)
    text = format_cursor(Cursor(inboxes.incarnation(), 5))

    assert await find_start(inboxes, principal, text, "phone") == Start(5)
    assert await find_start(inboxes, principal, None, "phone") == Start(7)
    assert await find_start(inboxes, principal, None, "tablet") == Start(0)
    assert await find_start(inboxes, principal, "0", "phone") == Start(0)
    assert await find_start(inboxes, principal, "now", "phone") == Start(None)


async def test_a_cursor_of_another_store_starts_at_the_beginning_and_says_so() -> None:
    start = await find_start(FakeInboxes(), a_principal(), format_cursor(Cursor(b"\x01" * 16, 99)), "")
    assert start.after == 0
    assert "another store" in start.gap


def test_only_cursors_of_this_store_can_be_acknowledged() -> None:
    assert commit_no_of(format_cursor(Cursor(STORE, 9)), STORE) == 9
    with pytest.raises(Denied) as caught:
        commit_no_of(format_cursor(Cursor(b"\x01" * 16, 9)), STORE)
    assert caught.value.reason is Reason.BAD_CURSOR
