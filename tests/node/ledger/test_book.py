"""The book rule by rule with signed vouchers, and against a model that remembers everything."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pushmesh_node.config import load_config, network_path
from pushmesh_node.ledger import Answer, Total, VoucherBook, VoucherRecord
from pushmesh_node.ledger.book import MAX_STREAMS_PER_KEY
from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.network import load_network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Epoch, NodeId
from pushmesh_protocol.vouchers import Voucher, VoucherWords, check_voucher, decode_voucher, sign_voucher

NETWORK = load_network(network_path(load_config(None, {}, {"node.network": "devnet"})).read_text())
NODE = NodeId(b"\x11" * 32)
ALICE, BOB = evm_account(b"\xa1" * 20), evm_account(b"\xb0" * 20)
PHONE, LAPTOP = b"\x01" * 32, b"\x02" * 32  # seeds of session keys
EPOCH = Epoch(100)


def voucher(**changes: Any) -> Voucher:
    """A signed one: Alice's phone, first of its stream, 3 messages of 4 units."""
    seed = changes.pop("seed", PHONE)
    words = {
        "account": ALICE,
        "node_id": NODE,
        "epoch": EPOCH,
        "stream": bytes(16),
        "sequence": 1,
        "count": 3,
        "units": 4,
        "root": bytes(32),
        **changes,
    }
    return sign_voucher(seed, b"\x99" * 32, NETWORK, VoucherWords(**words))


def book_of(*vouchers: Voucher) -> VoucherBook:
    book = VoucherBook(NODE)
    for one in vouchers:
        assert book.take(one, EPOCH).refusal is None
    return book


def told(answer: Answer) -> tuple[Reason, str, str]:
    assert answer.refusal is not None
    return answer.refusal.reason, answer.refusal.rule, answer.refusal.detail


def test_the_vouchers_of_these_tests_are_good_ones() -> None:
    check_voucher(NETWORK, voucher())


def test_a_first_voucher_is_recorded_with_its_own_bytes() -> None:
    one = voucher()
    answer = VoucherBook(NODE).take(one, EPOCH)
    assert answer == Answer(VoucherRecord(EPOCH, ALICE, one.key, bytes(16), 1, 3, 4, pack(one), None), None)
    assert answer.record is not None and decode_voucher(answer.record.data) == one


def test_a_stream_may_begin_at_any_sequence_and_skip_some() -> None:
    book = book_of(voucher(sequence=5), voucher(sequence=9, count=8, units=9))
    assert book.totals(EPOCH) == {ALICE: Total(streams=1, count=8, units=9, equivocations=0)}


def test_totals_are_cumulative_and_never_added_within_a_stream() -> None:
    book = book_of(voucher(), voucher(sequence=2, count=5, units=6), voucher(sequence=3, count=5, units=6))
    assert book.totals(EPOCH) == {ALICE: Total(1, 5, 6, 0)}


def test_the_streams_and_keys_of_a_wallet_add_up() -> None:
    book = book_of(voucher(), voucher(stream=b"\x01" * 16), voucher(seed=LAPTOP), voucher(account=BOB, units=7))
    assert book.totals(EPOCH) == {ALICE: Total(3, 9, 12, 0), BOB: Total(1, 3, 7, 0)}


def test_the_same_voucher_again_changes_nothing() -> None:
    book = book_of(voucher())
    assert book.take(voucher(), EPOCH) == Answer(None, None)


def test_a_lower_sequence_is_stale() -> None:
    book = book_of(voucher(sequence=2))
    assert told(book.take(voucher(sequence=1), EPOCH)) == (Reason.VOUCHER_STALE, "10.2", "the last sequence is 2")


@pytest.mark.parametrize(("changes", "wrong"), [({"count": 2}, "count"), ({"units": 3}, "units")])
def test_a_higher_sequence_with_less_is_a_bad_voucher(changes: dict[str, int], wrong: str) -> None:
    book = book_of(voucher())
    assert told(book.take(voucher(sequence=2, **changes), EPOCH)) == (Reason.BAD_VOUCHER, "10.2", wrong)
    assert book.totals(EPOCH) == {ALICE: Total(1, 3, 4, 0)}


@pytest.mark.parametrize("changes", [{"root": b"\x01" * 32}, {"count": 4}, {"units": 5}, {"count": 2}])
def test_two_of_one_sequence_prove_equivocation_and_neither_counts_further(changes: dict[str, Any]) -> None:
    first, second = voucher(), voucher(**changes)
    book = book_of(first, voucher(stream=b"\x07" * 16))
    answer = book.take(second, EPOCH)
    assert told(answer)[:2] == (Reason.VOUCHER_EQUIVOCATION, "10.2")
    assert answer.record is not None
    assert (answer.record.data, answer.record.equivocation) == (pack(first), pack(second))
    assert book.totals(EPOCH) == {ALICE: Total(streams=1, count=3, units=4, equivocations=1)}


def test_a_stream_that_ended_in_equivocation_stays_ended() -> None:
    book = book_of(voucher())
    book.take(voucher(count=4), EPOCH)
    for later in (voucher(), voucher(count=4), voucher(sequence=2, count=9, units=9)):
        answer = book.take(later, EPOCH)
        assert (answer.record, told(answer)[0]) == (None, Reason.VOUCHER_EQUIVOCATION)
    assert book.last(ALICE) == []


@pytest.mark.parametrize(("epoch", "good"), [(98, False), (99, True), (100, True), (101, False)])
def test_a_voucher_is_for_this_epoch_or_the_one_before(epoch: int, good: bool) -> None:
    answer = VoucherBook(NODE).take(voucher(epoch=epoch), EPOCH)
    if good:
        assert answer.refusal is None
    else:
        assert told(answer) == (Reason.VOUCHER_EPOCH, "10.5", f"the epoch is {epoch}, now it is 100")


def test_a_voucher_for_another_node_is_refused() -> None:
    assert told(VoucherBook(NODE).take(voucher(node_id=bytes(32)), EPOCH)) == (Reason.BAD_VOUCHER, "10.1", "node id")


def test_the_last_vouchers_are_those_of_the_asked_key() -> None:
    phone, laptop, old = voucher(), voucher(seed=LAPTOP), voucher(epoch=EPOCH - 1, units=8)
    book = book_of(phone, laptop, old, voucher(account=BOB))
    assert sorted(record.data for record in book.last(ALICE)) == sorted(map(pack, (phone, laptop, old)))
    assert sorted(record.data for record in book.last(ALICE, phone.key)) == sorted(map(pack, (phone, old)))
    assert book.last(ALICE, bytes(32)) == []


def test_a_key_has_a_bounded_number_of_streams() -> None:
    book = VoucherBook(NODE)
    one = voucher()
    for number in range(MAX_STREAMS_PER_KEY):
        assert book.take(msgspec.structs.replace(one, stream=number.to_bytes(16, "big")), EPOCH).refusal is None
    assert told(book.take(msgspec.structs.replace(one, stream=b"\xff" * 16), EPOCH))[0] is Reason.RATE_LIMITED
    assert book.take(voucher(sequence=2), EPOCH).refusal is None  # a known stream goes on
    assert book.take(voucher(epoch=EPOCH - 1), EPOCH).refusal is None  # as does another epoch


def test_old_epochs_are_forgotten_when_their_vouchers_come_too_late() -> None:
    book = book_of(voucher(epoch=EPOCH - 1), voucher(stream=b"\x01" * 16, epoch=EPOCH - 1), voucher())
    assert book.forget(EPOCH) == 0
    assert book.forget(Epoch(EPOCH + 1)) == 2
    assert (book.totals(Epoch(EPOCH - 1)), len(book.last(ALICE))) == ({}, 1)


streams = st.sampled_from([bytes(16), b"\x01" * 16])
accounts = st.sampled_from([ALICE, BOB])
keys = st.sampled_from([b"\x21" * 32, b"\x22" * 32])


class BookAgainstModel(RuleBasedStateMachine):
    """The model keeps the newest voucher of each stream and which streams forked; it learns nothing from the book."""

    def __init__(self) -> None:
        super().__init__()
        self.book = VoucherBook(NODE)
        self.newest: dict[tuple[Any, ...], Voucher] = {}
        self.forks: dict[tuple[Any, ...], Voucher] = {}
        self.stored: dict[tuple[Any, ...], VoucherRecord] = {}
        self.epoch = Epoch(10)
        self.seen: list[Voucher] = []

    @rule(
        account=accounts,
        key=keys,
        stream=streams,
        back=st.integers(-1, 2),
        sequence=st.integers(1, 4),
        count=st.integers(0, 3),
        more=st.integers(0, 1),
        root=st.sampled_from([bytes(32), b"\x01" * 32]),
    )
    def take(self, back: int, more: int, **words: Any) -> None:
        epoch = max(0, self.epoch - back)
        one = Voucher(
            node_id=NODE, epoch=epoch, units=words["count"] + more, grant_id=bytes(32), signature=bytes(64), **words
        )
        self.take_and_compare(one)

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        if self.seen:
            self.take_and_compare(data.draw(st.sampled_from(self.seen)))

    @rule(data=st.data(), count=st.integers(0, 2), sequence=st.integers(0, 1))
    def go_on_or_fork(self, data: st.DataObject, count: int, sequence: int) -> None:
        if not self.seen:
            return
        one = data.draw(st.sampled_from(self.seen))
        more = {"sequence": one.sequence + sequence, "count": one.count + count, "units": one.units + count}
        self.take_and_compare(msgspec.structs.replace(one, **more))

    @rule()
    def next_epoch(self) -> None:
        self.epoch = Epoch(self.epoch + 1)
        self.book.forget(self.epoch)

    @rule()
    def restart(self) -> None:
        """The store gives back what it was told; nothing else survives."""
        self.book = VoucherBook(NODE)
        self.book.restore(record for record in self.stored.values() if record.epoch >= self.epoch - 1)

    def take_and_compare(self, one: Voucher) -> None:
        stream = stream_of(one)
        before = self.newest.get(stream)
        expected = self.expected_reason(one, before)
        answer = self.book.take(one, self.epoch)
        assert (answer.refusal.reason if answer.refusal else None) == expected
        if expected is None:
            self.newest[stream] = one
            assert (answer.record is None) == (before is not None and before.sequence == one.sequence)
        elif expected is Reason.VOUCHER_EQUIVOCATION and stream not in self.forks:
            self.forks[stream] = one
            assert answer.record is not None and answer.record.equivocation == pack(one)
        else:
            assert answer.record is None
        if answer.record is not None:
            self.stored[stream] = answer.record
        self.seen.append(one)

    def expected_reason(self, one: Voucher, before: Voucher | None) -> Reason | None:
        if one.epoch not in (self.epoch - 1, self.epoch):
            return Reason.VOUCHER_EPOCH
        if stream_of(one) in self.forks:
            return Reason.VOUCHER_EQUIVOCATION
        if before is None:
            return None
        if one.sequence > before.sequence:
            return Reason.BAD_VOUCHER if one.count < before.count or one.units < before.units else None
        if one.sequence < before.sequence:
            return Reason.VOUCHER_STALE
        return None if words_of(one) == words_of(before) else Reason.VOUCHER_EQUIVOCATION

    @invariant()
    def totals_are_the_sum_of_the_newest_vouchers_without_a_fork(self) -> None:
        for epoch in (self.epoch - 1, self.epoch):
            sums: dict[bytes, Total] = {}
            for stream, one in self.newest.items():
                if one.epoch == epoch:
                    sums[one.account] = plus(sums.get(one.account, Total(0, 0, 0, 0)), one, stream in self.forks)
            assert self.book.totals(Epoch(epoch)) == sums

    @invariant()
    def the_last_vouchers_are_the_newest_of_streams_that_can_go_on(self) -> None:
        for account in (ALICE, BOB):
            going_on = [
                pack(one)
                for stream, one in self.newest.items()
                if one.account == account and one.epoch >= self.epoch - 1 and stream not in self.forks
            ]
            assert sorted(record.data for record in self.book.last(account)) == sorted(going_on)

    @invariant()
    def proofs_of_equivocation_contradict_each_other(self) -> None:
        for record in self.stored.values():
            if record.equivocation is not None:
                one, other = decode_voucher(record.data), decode_voucher(record.equivocation)
                assert (stream_of(one), one.sequence) == (stream_of(other), other.sequence)
                assert words_of(one) != words_of(other)


def plus(total: Total, one: Voucher, forked: bool) -> Total:
    if forked:
        return replace(total, equivocations=total.equivocations + 1)
    return Total(total.streams + 1, total.count + one.count, total.units + one.units, total.equivocations)


def stream_of(one: Voucher) -> tuple[bytes, bytes, int, bytes]:
    return one.account, one.key, one.epoch, one.stream


def words_of(one: Voucher) -> tuple[bytes, int, int]:
    return one.root, one.count, one.units


TestBookAgainstModel = BookAgainstModel.TestCase
TestBookAgainstModel.settings = settings(max_examples=300)


def test_a_refusal_reads_as_one_sentence() -> None:
    refusal = VoucherBook(NODE).take(voucher(epoch=0), EPOCH).refusal
    assert isinstance(refusal, Refusal)
    assert str(refusal) == "voucher-epoch: the epoch is 0, now it is 100 (SPEC 10.5)"
