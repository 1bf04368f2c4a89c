from pushmesh_client.vouching import EVERY_MESSAGES, EVERY_MS, Tally
from pushmesh_protocol.tree import root_of
from pushmesh_protocol.vouchers import check_voucher, voucher_leaf
from support.bodies import ISSUED_AT, a_network
from support.wallets import a_session, a_wallet

NETWORK = a_network()
NODE, OTHER = b"\x0a" * 32, b"\x0b" * 32
IDS = [bytes([number]) * 32 for number in range(1, 80)]


def a_tally() -> Tally:
    counter = iter(range(1, 100))
    session = a_session(NETWORK, a_wallet(), ISSUED_AT)
    return Tally(NETWORK, a_wallet().account, session, lambda size: bytes([next(counter)]) * size)


def test_a_voucher_is_due_with_every_32nd_message() -> None:
    tally = a_tally()
    due = [tally.count(NODE, envelope_id, 1, ISSUED_AT) for envelope_id in IDS[:EVERY_MESSAGES]]
    assert due == [False] * (EVERY_MESSAGES - 1) + [True]


def test_a_voucher_holds_the_running_totals_and_the_root_over_all_leaves() -> None:
    tally = a_tally()
    for envelope_id in IDS[:3]:
        tally.count(NODE, envelope_id, 2, ISSUED_AT)
    (first,) = tally.sign(NODE, ISSUED_AT)
    tally.count(NODE, IDS[3], 1, ISSUED_AT)
    (second,) = tally.sign(NODE, ISSUED_AT)
    check_voucher(NETWORK, first)
    check_voucher(NETWORK, second)
    assert (first.sequence, first.count, first.units) == (1, 3, 6)
    assert (second.sequence, second.count, second.units) == (2, 4, 7)
    assert first.stream == second.stream
    salt = b"\x02" * 16
    assert second.root == root_of([voucher_leaf(NETWORK, salt, envelope_id) for envelope_id in IDS[:4]])


def test_what_is_signed_is_not_signed_again_unless_the_node_never_answered() -> None:
    tally = a_tally()
    tally.count(NODE, IDS[0], 1, ISSUED_AT)
    (voucher,) = tally.sign(NODE, ISSUED_AT)
    assert tally.sign(NODE, ISSUED_AT) == []
    (again,) = tally.sign(NODE, ISSUED_AT, again=True)
    assert (again.sequence, again.count, again.root) == (2, voucher.count, voucher.root)
    tally.settle(again)
    assert tally.sign(NODE, ISSUED_AT, again=True) == []
    assert (tally.settled(), tally.counted()) == (1, 1)


def test_nodes_and_epochs_have_streams_of_their_own() -> None:
    tally = a_tally()
    later = ISSUED_AT + NETWORK.epoch_length_ms
    tally.count(NODE, IDS[0], 1, ISSUED_AT)
    tally.count(OTHER, IDS[1], 1, ISSUED_AT)
    tally.count(NODE, IDS[2], 1, later)
    vouchers = tally.sign(NODE, later)
    assert [(each.epoch - NETWORK.epoch(ISSUED_AT), each.count) for each in vouchers] == [(0, 1), (1, 1)]
    assert len({each.stream for each in vouchers}) == 2
    assert [each.node_id for each in tally.sign(OTHER, later)] == [OTHER]


def test_an_epoch_that_is_closed_is_not_vouched_for() -> None:
    tally = a_tally()
    tally.count(NODE, IDS[0], 1, ISSUED_AT)
    assert tally.sign(NODE, ISSUED_AT + 2 * NETWORK.epoch_length_ms) == []


def test_time_makes_a_voucher_due_too() -> None:
    tally = a_tally()
    tally.count(NODE, IDS[0], 1, ISSUED_AT)
    assert not tally.due(NODE, ISSUED_AT + EVERY_MS - 1)
    assert tally.due(NODE, ISSUED_AT + EVERY_MS)
    assert not tally.due(OTHER, ISSUED_AT + EVERY_MS)
    tally.sign(NODE, ISSUED_AT + EVERY_MS)
    assert not tally.due(NODE, ISSUED_AT + 3 * EVERY_MS)
