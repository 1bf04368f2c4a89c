from collections.abc import Mapping
from typing import Any

import pytest

from pushmesh_client.author import Published
from pushmesh_client.errors import BadAnswer, Unreachable
from pushmesh_client.outcomes import Outcome
from pushmesh_client.threads import RecipientStatus, Thread, ThreadPart, read_page, status_of
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.types import Account
from support.bodies import ISSUED_AT, a_network
from support.envelopes import ALICE, BOB, CAROL
from support.wallets import GENEROUS, a_signed_note, a_wallet

NETWORK = a_network(parameters=GENEROUS)
DAVE = Account(b"\x00" + b"\xd4" * 20)


def part(*recipients: Account, level: str = "durable", reason: str = "ok") -> ThreadPart:
    note = a_signed_note(NETWORK, a_wallet(), ISSUED_AT, audience=sorted(recipients))
    return ThreadPart(tuple(recipients), Published(note, Outcome(note.id, level, reason, "", "", 1)))


def page(*rows: tuple[Account, str, int], delivered: int = 0, acknowledged: int = 0) -> dict[str, Any]:
    named = [{"account": display_account(who), "level": level, "at": at} for who, level, at in rows]
    counts = {"delivered": {"wallets": delivered}, "acknowledged": {"wallets": acknowledged}}
    return {**counts, "recipients": named}


def test_every_recipient_of_every_part_is_told_of() -> None:
    thread = Thread(b"t" * 16, (part(ALICE, BOB), part(CAROL)), (DAVE,))
    alices, carols = thread.parts
    pages = [
        [read_page(alices, page((ALICE, "delivered", 5), delivered=2))],
        [read_page(carols, page((CAROL, "acknowledged", 9), delivered=1, acknowledged=1))],
    ]
    told = status_of(thread, pages)
    assert told.recipients == {
        ALICE: RecipientStatus("delivered", "ok", 5),
        BOB: RecipientStatus("durable", "ok"),
        CAROL: RecipientStatus("acknowledged", "ok", 9),
        DAVE: RecipientStatus("refused", "no-seal-key"),
    }
    assert (told.delivered, told.acknowledged) == (3, 1)
    assert [told.counted(level) for level in ("durable", "delivered", "acknowledged")] == [3, 2, 1]


def test_of_a_wallet_at_two_nodes_the_furthest_counts_and_it_counts_once() -> None:
    rows = [(ALICE, "acknowledged", 7), (ALICE, "delivered", 5)]
    for order in (rows, rows[::-1]):
        only = part(ALICE)
        told = status_of(Thread(b"", (only,)), [[read_page(only, page(*order, delivered=2, acknowledged=1))]])
        assert told.recipients == {ALICE: RecipientStatus("acknowledged", "ok", 7)}
        assert (told.delivered, told.acknowledged) == (1, 1)


def test_pages_are_put_together_and_the_last_one_has_the_newest_sums() -> None:
    both = part(ALICE, BOB)
    pages = [page((ALICE, "delivered", 1), delivered=1), page((BOB, "delivered", 2), delivered=2)]
    told = status_of(Thread(b"", (both,)), [[read_page(both, each) for each in pages]])
    assert told.counted("delivered") == 2 and told.delivered == 2


def test_a_part_that_was_refused_or_never_answered_says_why_for_each_of_its_recipients() -> None:
    lost = ThreadPart((CAROL,), None, Unreachable("the node is gone"))
    thread = Thread(b"", (part(ALICE, level="refused", reason="rate-limited"), part(BOB, reason="slot-void"), lost))
    assert not thread.ok and [each.ok for each in thread.parts] == [False, False, False]
    assert status_of(thread, [[], [], []]).recipients == {
        ALICE: RecipientStatus("refused", "rate-limited"),
        BOB: RecipientStatus("refused", "slot-void"),
        CAROL: RecipientStatus("refused", "unreachable"),
    }


def test_of_all_subscribers_those_that_may_be_named_are() -> None:
    everybody = ThreadPart(None, part(ALICE).published)
    said = read_page(everybody, page((BOB, "delivered", 3), delivered=40))
    told = status_of(Thread(b"", (everybody,)), [[said]])
    assert told.recipients == {BOB: RecipientStatus("delivered", "ok", 3)} and told.delivered == 40


@pytest.mark.parametrize(
    "answer",
    [
        {},
        page((BOB, "delivered", 1)),
        page((ALICE, "enchanted", 1)),
        {"delivered": {"wallets": "many"}, "acknowledged": {"wallets": 0}, "recipients": []},
        {**page(), "recipients": [{"account": "nobody", "level": "delivered", "at": 1}]},
    ],
)
def test_a_status_that_makes_no_sense_is_the_nodes_fault(answer: Mapping[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        read_page(part(ALICE), answer)
