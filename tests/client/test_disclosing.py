from msgspec.structs import replace

from pushmesh_client import disclosing as disclosing_room
from pushmesh_client.vouching import MAX_LEAVES, WANTED_MS, Tally
from pushmesh_protocol.outcomes import MAX_LEAVES_DISCLOSED, Acknowledgement, check_acknowledgement
from support.bodies import ISSUED_AT, a_network
from support.wallets import a_session, a_wallet

NETWORK = a_network()
NODE = b"\x0a" * 32
ME = a_wallet()
IDS = [number.to_bytes(32, "big") for number in range(1, MAX_LEAVES + 3)]


def a_tally() -> Tally:
    counter = iter(range(1, 100))
    return Tally(NETWORK, ME.account, a_session(NETWORK, ME, ISSUED_AT), lambda size: bytes([next(counter)]) * size)


def test_what_was_asked_for_and_is_vouchered_is_shown_and_nothing_else() -> None:
    tally = a_tally()
    for place, id_ in enumerate(IDS[:5]):
        tally.count(NODE, id_, 1, ISSUED_AT, ISSUED_AT + place if place % 2 else None)
    (voucher,) = tally.sign(NODE, ISSUED_AT)
    tally.count(NODE, IDS[5], 1, ISSUED_AT, ISSUED_AT)
    (disclosure,) = tally.disclosures(voucher)
    assert [(leaf.id, leaf.issued_at) for leaf in disclosure.leaves] == [
        (IDS[1], ISSUED_AT + 1),
        (IDS[3], ISSUED_AT + 3),
    ]
    for leaf in disclosure.leaves:
        evidence = Acknowledgement(disclosure.voucher, disclosure.salt, leaf.index, leaf.path)
        check_acknowledgement(NETWORK, evidence, leaf.id, ME.account, NODE)


def test_what_was_shown_is_not_shown_again() -> None:
    tally = a_tally()
    tally.count(NODE, IDS[0], 1, ISSUED_AT, ISSUED_AT)
    (voucher,) = tally.sign(NODE, ISSUED_AT)
    (disclosure,) = tally.disclosures(voucher)
    tally.shown(disclosure)
    assert tally.disclosures(voucher) == ()
    assert tally.disclosures(replace(voucher, stream=bytes(16))) == ()  # of an earlier life


def test_a_publisher_that_asks_does_not_wait_a_minute() -> None:
    asked, unasked = a_tally(), a_tally()
    asked.count(NODE, IDS[0], 1, ISSUED_AT, ISSUED_AT)
    unasked.count(NODE, IDS[0], 1, ISSUED_AT)
    at = ISSUED_AT + WANTED_MS
    assert (asked.due(NODE, at), unasked.due(NODE, at)) == (True, False)


def test_a_long_stream_gives_way_to_the_next_and_both_count() -> None:
    tally = a_tally()
    for id_ in IDS:
        tally.count(NODE, id_, 1, ISSUED_AT)
    vouchers = tally.sign(NODE, ISSUED_AT)
    assert [voucher.count for voucher in vouchers] == [MAX_LEAVES, len(IDS) - MAX_LEAVES]
    assert len({voucher.stream for voucher in vouchers}) == 2
    for voucher in vouchers:
        tally.settle(voucher)
    assert tally.settled() == tally.counted() == len(IDS)


def test_many_messages_are_shown_in_parts() -> None:
    leaves = disclosing_room.Leaves(b"\x01" * 16)
    tally = a_tally()
    for id_ in IDS[: MAX_LEAVES_DISCLOSED + 1]:
        tally.count(NODE, id_, 1, ISSUED_AT, ISSUED_AT)
    (voucher,) = tally.sign(NODE, ISSUED_AT)
    assert [len(each.leaves) for each in tally.disclosures(voucher)] == [MAX_LEAVES_DISCLOSED, 1]
    assert leaves.disclosures(voucher) == ()
