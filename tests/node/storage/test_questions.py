"""The contract of a store, on the real one and on its naive twin."""

from dataclasses import replace

from pushmesh_node.engine.records import (
    CursorRecord,
    DecisionRecord,
    GuestRecord,
    Holder,
    PrivateRecord,
    PrivateTopicRecord,
    ReadRecord,
    SentMark,
    SlotRange,
    StoredEnvelope,
    StoredItem,
    TokenRecord,
    VoidMark,
    VoucherRecord,
    Write,
)
from pushmesh_node.storage import Store
from pushmesh_node.storage.transaction import APART_DEVICES, WALLET_DEVICES
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import Account, Epoch, UnixMs
from support.naive_store import NaiveStore
from support.records import ALICE, BOB, EVERYBODY, GRANT, HASHES, HOUR_MS, NEWS, NOW, OFFERS, SHOP, id_of, record

AnyStore = Store | NaiveStore
EPOCH = Epoch(7)
KEY = b"k" * 32


def numbers(envelopes: list[StoredEnvelope]) -> list[int]:
    return [envelope.commit_no for envelope in envelopes]


async def test_a_new_store_is_empty(store: AnyStore) -> None:
    assert store.last_commit == 0
    assert await store.log(0, 1_000) == []
    assert await store.state(0, 10) == []
    assert await store.holders([SlotRange(SHOP, EPOCH, 0, 2**32)]) == [[]]
    assert await store.holders([]) == []
    assert await store.find(id_of(1), None) is None
    assert await store.inbox(ALICE, [NEWS], 0, 10) == []


async def test_what_is_committed_is_in_the_log_and_counts_as_last(store: AnyStore) -> None:
    await store.commit([record(1), record(2, EVERYBODY, EVERYBODY)])
    assert store.last_commit == 3
    assert await store.log(0, 1_000) == [StoredItem(1, 1, 5, b"frame 1"), StoredItem(2, 2, 5, b"frame 2")]


async def test_the_log_gives_at_least_one_item_and_else_keeps_to_its_bytes(store: AnyStore) -> None:
    await store.commit([record(n, data=bytes(100)) for n in range(1, 5)])
    assert [item.first_commit for item in await store.log(0, 1)] == [1]
    assert [item.first_commit for item in await store.log(1, 200)] == [2, 3]
    assert [item.first_commit for item in await store.log(1, 299)] == [2, 3]
    assert await store.log(4, 1_000) == []


async def test_a_run_that_after_points_into_is_given_whole(store: AnyStore) -> None:
    await store.commit([record(1, kind=6), record(2, *[EVERYBODY] * 4, kind=6), record(6, kind=6)])
    assert [item.first_commit for item in await store.log(3, 1_000)] == [2, 6]
    assert [item.first_commit for item in await store.log(5, 1_000)] == [6]
    assert [item.first_commit for item in await store.state(4, 10)] == [2, 6]


async def test_state_leaves_out_notifications_and_keeps_to_its_limit(store: AnyStore) -> None:
    await store.commit([record(n, kind=kind, topic=None) for n, kind in enumerate((1, 5, 2, 5, 3, 4, 6, 7), start=1)])
    assert [item.kind for item in await store.state(0, 100)] == [1, 2, 3, 4, 6, 7]
    assert [item.first_commit for item in await store.state(1, 2)] == [3, 5]


async def test_holders_of_single_wide_and_run_slots_are_found_at_their_edges(store: AnyStore) -> None:
    run = record(2, EVERYBODY, EVERYBODY, EVERYBODY, first_seq=200, sent=False)
    await store.commit([record(1, first_seq=100, width=3), run, record(5, first_seq=300)])
    wide = Holder(100, 103, id_of(1), 1, True)
    middle = Holder(201, 202, id_of(3), 3, False)
    ranges = [(99, 100), (102, 103), (103, 200), (201, 202), (199, 201), (300, 301), (90, 400)]
    assert await store.holders([SlotRange(SHOP, EPOCH, first, end) for first, end in ranges]) == [
        [],
        [wide],
        [],
        [middle],
        [Holder(200, 201, id_of(2), 2, False)],
        [Holder(300, 301, id_of(5), 5, True)],
        [
            wide,
            Holder(200, 201, id_of(2), 2, False),
            middle,
            Holder(202, 203, id_of(4), 4, False),
            Holder(300, 301, id_of(5), 5, True),
        ],
    ]


async def test_holders_tell_authors_and_epochs_apart_and_know_both_of_a_void_slot(store: AnyStore) -> None:
    await store.commit([record(1, first_seq=5), record(2, first_seq=5), record(3, first_seq=5, epoch=8)])
    asked = [SlotRange(SHOP, EPOCH, 5, 6), SlotRange(SHOP, Epoch(8), 5, 6), SlotRange(ALICE, EPOCH, 5, 6)]
    assert [[holder.commit_no for holder in found] for found in await store.holders(asked)] == [[1, 2], [3], []]


async def test_more_ranges_than_one_statement_takes_are_answered_in_their_order(store: AnyStore) -> None:
    await store.commit([record(n) for n in range(1, 701)])
    answers = await store.holders([SlotRange(SHOP, EPOCH, n, n + 1) for n in range(1_000, 0, -1)])
    assert [holder.commit_no for found in answers for holder in found] == list(range(700, 0, -1))
    assert len(answers) == 1_000


async def test_the_widest_run_is_found_by_its_last_slot(store: AnyStore) -> None:
    await store.commit([record(1, *[EVERYBODY] * 1_024, first_seq=0)])
    assert await store.holders([SlotRange(SHOP, EPOCH, 1_023, 1_024), SlotRange(SHOP, EPOCH, 1_024, 1_025)]) == [
        [Holder(1_023, 1_024, id_of(1_024), 1_024, True)],
        [],
    ]


async def test_a_sent_mark_changes_nothing_but_sent(store: AnyStore) -> None:
    await store.commit([record(1, sent=False), record(2, sent=False)])
    await store.commit([SentMark(1), SentMark(99)])
    ((first,), (second,)) = await store.holders([SlotRange(SHOP, EPOCH, n, n + 1) for n in (1, 2)])
    assert (first.sent, second.sent) == (True, False)


async def test_each_leaf_of_a_run_is_sent_by_itself(store: AnyStore) -> None:
    await store.commit([record(1, *[EVERYBODY] * 5, sent=False), SentMark(1), SentMark(4)])
    (leaves,) = await store.holders([SlotRange(SHOP, EPOCH, 0, 9)])
    assert [leaf.sent for leaf in leaves] == [True, False, False, True, False]
    (some,) = await store.holders([SlotRange(SHOP, EPOCH, 3, 5)])
    assert [(leaf.commit_no, leaf.sent) for leaf in some] == [(3, False), (4, True)]


async def test_the_same_record_again_changes_nothing(store: AnyStore) -> None:
    again = record(1, (ALICE,), sent=False)
    await store.commit([again])
    await store.commit([SentMark(1), VoidMark(1)])
    await store.commit([again, again])
    await store.commit([record(2), record(2), again])
    ((holder,),) = await store.holders([SlotRange(SHOP, EPOCH, 1, 2)])
    assert holder.sent
    assert await store.targeted_messages(ALICE, 0, None, 10) == []
    assert [item.first_commit for item in await store.log(0, 1_000)] == [1, 2]
    assert store.last_commit == 2


async def test_an_envelope_is_found_by_id_with_and_without_its_time(store: AnyStore) -> None:
    old = record(1, issued_at=NOW - 48 * HOUR_MS)
    await store.commit([old, record(2, EVERYBODY, EVERYBODY)])
    leaf = StoredEnvelope(3, 1, 5, b"frame 2")
    assert await store.find(id_of(3), NOW) == leaf
    assert await store.find(id_of(3), None) == leaf
    assert await store.find(id_of(1), None) == StoredEnvelope(1, 0, 5, b"frame 1")
    assert await store.find(id_of(1), NOW) is None
    assert await store.find(id_of(9), None) is None


async def test_topic_messages_are_those_to_everybody_merged_in_commit_order(store: AnyStore) -> None:
    other = Topic(ALICE, "news")
    await store.commit(
        [
            record(1),
            record(2, topic=OFFERS),
            record(3, (ALICE,)),
            record(4, topic=other),
            record(5),
            record(6, kind=GRANT),
            record(7, EVERYBODY, (BOB,), EVERYBODY),
            record(10),
        ]
    )
    assert numbers(await store.topic_messages([NEWS, OFFERS], 0, None, 100)) == [1, 2, 5, 7, 9, 10]
    assert numbers(await store.topic_messages([OFFERS, NEWS, NEWS], 1, 9, 100)) == [2, 5, 7]
    assert numbers(await store.topic_messages([NEWS], 7, None, 1)) == [9]
    assert numbers(await store.topic_messages([NEWS], 7, 9, 5)) == []
    assert numbers(await store.topic_messages([NEWS, OFFERS, other], 0, None, 3)) == [1, 2, 4]
    assert await store.topic_messages([], 0, None, 100) == []
    assert await store.topic_messages([NEWS], 0, None, 0) == []
    assert (await store.topic_messages([NEWS], 8, None, 1)) == [StoredEnvelope(9, 2, 5, b"frame 7")]


async def test_targeted_messages_are_those_that_list_the_account(store: AnyStore) -> None:
    await store.commit([record(1, (ALICE, BOB)), record(2), record(3, (BOB,), (ALICE,)), record(5, (ALICE,))])
    assert numbers(await store.targeted_messages(ALICE, 0, None, 100)) == [1, 4, 5]
    assert numbers(await store.targeted_messages(BOB, 1, None, 100)) == [3]
    assert numbers(await store.targeted_messages(ALICE, 0, 5, 1)) == [1]
    assert await store.targeted_messages(ALICE, 5, None, 100) == []
    assert await store.targeted_messages(ALICE, 0, None, 0) == []


async def test_an_inbox_merges_both_and_keeps_to_its_limit(store: AnyStore) -> None:
    await store.commit(
        [record(1), record(2, (ALICE,)), record(3, topic=OFFERS), record(4, (BOB,)), record(5, (ALICE,))]
    )
    assert numbers(await store.inbox(ALICE, [NEWS], 0, 100)) == [1, 2, 5]
    assert numbers(await store.inbox(ALICE, [NEWS, OFFERS], 1, 2)) == [2, 3]
    assert numbers(await store.inbox(ALICE, [], 0, 100)) == [2, 5]


async def test_void_messages_are_in_no_answer_and_do_not_use_up_the_limit(store: AnyStore) -> None:
    await store.commit([record(n) for n in range(1, 9)] + [record(9, EVERYBODY, EVERYBODY), record(11, (ALICE,))])
    await store.commit([VoidMark(n) for n in (1, 2, 3, 5, 9)])
    assert numbers(await store.inbox(ALICE, [NEWS], 0, 3)) == [4, 6, 7]
    assert numbers(await store.topic_messages([NEWS], 7, None, 10)) == [8, 10]
    await store.commit([VoidMark(11), VoidMark(11)])
    assert await store.targeted_messages(ALICE, 0, None, 10) == []
    assert await store.voids(1, 9) == {2, 3, 5}
    assert await store.is_void([1, 4, 9]) == {1, 9}
    assert [item.first_commit for item in await store.log(0, 10_000)] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 11]


async def test_many_topics_at_once_are_merged(store: AnyStore) -> None:
    topics = [Topic(SHOP, f"topic-{n}") for n in range(150)]
    await store.commit([record(n, topic=topics[n % 150]) for n in range(1, 601)])
    assert numbers(await store.topic_messages(topics[:149], 0, None, 200)) == [
        n for n in range(1, 202) if n % 150 != 149
    ]


def voucher(
    stream: bytes, sequence: int, account: Account = ALICE, epoch: int = 7, fork: bytes | None = None
) -> VoucherRecord:
    return VoucherRecord(Epoch(epoch), account, KEY, stream, sequence, 10 * sequence, 20 * sequence, b"v", fork)


async def test_the_last_voucher_of_a_stream_wins_and_an_equivocated_one_counts_nothing(store: AnyStore) -> None:
    await store.commit([voucher(b"a", 1), voucher(b"a", 2), voucher(b"b", 5)])
    await store.commit(
        [voucher(b"b", 6), voucher(b"a", 9, epoch=8), voucher(b"c", 1, BOB), voucher(b"d", 7, BOB, fork=b"x")]
    )
    assert await store.vouchers(Epoch(7)) == [
        voucher(b"a", 2),
        voucher(b"b", 6),
        voucher(b"c", 1, BOB),
        voucher(b"d", 7, BOB, fork=b"x"),
    ]
    assert await store.vouchers(Epoch(8)) == [voucher(b"a", 9, epoch=8)]
    assert await store.epoch_totals(Epoch(7)) == [(ALICE, 80, 160), (BOB, 10, 20)]


async def test_decisions_are_kept_as_long_as_their_message(store: AnyStore) -> None:
    first = DecisionRecord(ALICE, 1, "drop", "muted", "rule 3", UnixMs(NOW), *HASHES)
    second = DecisionRecord(ALICE, 3, "silent", "quiet-hours", "rule 4", UnixMs(NOW), *HASHES)
    await store.commit([record(1), record(2, EVERYBODY, EVERYBODY, expires_at=NOW), first, second])
    assert await store.decisions(ALICE, [3, 2, 1]) == [first, second]
    assert await store.decisions(BOB, [1]) == []
    assert await store.decision(ALICE, 3) == second
    assert await store.decision(ALICE, 2) is None
    await store.expire(NOW, 10)
    assert await store.decisions(ALICE, [1, 2, 3]) == [first]


async def test_private_records_tokens_and_cursors_keep_the_last_of_each_key(store: AnyStore) -> None:
    old = PrivateRecord(ALICE, 64, UnixMs(1), UnixMs(NOW), b"old")
    new = PrivateRecord(ALICE, 64, UnixMs(2), UnixMs(NOW), b"new")
    bobs = PrivateRecord(BOB, 64, UnixMs(2), UnixMs(NOW + 1), b"bob")
    topics = (Topic(ALICE, "alerts"), Topic(BOB, "loans"))
    token = TokenRecord(b"d" * 32, ALICE, b"g" * 32, (1, 2), topics, UnixMs(NOW), UnixMs(1), False)
    revoked = replace(token, revoked=True)
    lasting = TokenRecord(b"e" * 32, ALICE, b"g" * 32, (1,), None, UnixMs(NOW + 1), UnixMs(1), False)
    cursors: list[Write] = [CursorRecord(ALICE, "phone", 5, UnixMs(NOW - 1))]
    await store.commit([lasting, old, bobs, new, token, *cursors])
    await store.commit([CursorRecord(ALICE, "phone", 4, UnixMs(NOW)), revoked])
    assert await store.preferences() == [new, bobs]
    assert await store.tokens() == [revoked, lasting]
    assert await store.cursors([(ALICE, ""), (BOB, "")]) == [[CursorRecord(ALICE, "phone", 4, UnixMs(NOW))], []]
    assert await store.wallet_rows() == (1, 0)
    assert await store.wallets() == [(ALICE, NOW)]
    await store.expire(NOW, 10)
    assert await store.preferences() == [bobs]
    assert await store.tokens() == [lasting]


async def test_guests_of_bridges_keep_the_last_word_of_each_and_go_when_they_end(store: AnyStore) -> None:
    first = GuestRecord("home", ALICE, b"g" * 32, b"t" * 32, UnixMs(NOW + 1))
    signed, elsewhere = replace(first, grant_id=None, token=None), replace(first, bridge="away")
    bobs = GuestRecord("home", BOB, b"g" * 32, None, UnixMs(NOW))
    await store.commit([first, elsewhere, bobs])
    await store.commit([signed])
    assert await store.guests() == sorted([elsewhere, signed, bobs], key=lambda guest: (guest.bridge, guest.account))
    await store.commit([replace(elsewhere, expires_at=UnixMs(0))])
    await store.expire(NOW, 10)
    assert await store.guests() == [signed]


async def test_private_words_on_topics_keep_the_last_of_each_and_go_when_they_end(store: AnyStore) -> None:
    def word(account: Account, topic: bytes, data: bytes, ends: int = 0) -> PrivateTopicRecord:
        return PrivateTopicRecord(account, topic, UnixMs(1), UnixMs(NOW + ends), data)

    await store.commit([word(ALICE, b"t", b"old"), word(BOB, b"t", b"bob", 1), word(ALICE, b"u", b"other")])
    await store.commit([word(ALICE, b"t", b"new", 1)])
    kept = [word(ALICE, b"t", b"new", 1), word(BOB, b"t", b"bob", 1)]
    assert await store.private_topics() == [kept[0], word(ALICE, b"u", b"other"), kept[1]]
    await store.expire(NOW, 10)
    assert await store.private_topics() == kept
    assert await store.preferences() == []


async def test_of_a_wallets_devices_the_one_longest_unused_makes_room(store: AnyStore) -> None:
    def heard(device: int, at: int, account: Account = ALICE) -> CursorRecord:
        return CursorRecord(account, f"device {device}", 5, UnixMs(NOW + at))

    async def known(account: Account = ALICE) -> list[int]:
        (found,) = await store.cursors([(account, "")])
        return sorted([int(cursor.device.removeprefix("device ")) for cursor in found])

    await store.commit([heard(0, 0, BOB), *(heard(n, n) for n in range(WALLET_DEVICES))])
    assert await known() == list(range(WALLET_DEVICES))
    await store.commit([heard(0, 90)])
    await store.commit([heard(98, 98)])
    await store.commit([heard(99, 99)])
    assert await known() == [0, *range(3, WALLET_DEVICES), 98, 99]
    await store.commit([heard(n, 100) for n in range(100)])
    assert len(await known()) == WALLET_DEVICES
    assert await known(BOB) == [0]


async def test_what_a_wallet_has_read_is_kept_apart_from_what_its_tokens_have(store: AnyStore) -> None:
    own = ReadRecord(ALICE, "", 7, (9, 12), UnixMs(NOW))
    tokens = ReadRecord(ALICE, "ab", 3, (), UnixMs(NOW))
    await store.commit([ReadRecord(ALICE, "", 5, (6, 9), UnixMs(NOW - 1)), tokens])
    await store.commit([own])
    assert await store.reads([(ALICE, ""), (ALICE, "ab"), (BOB, ""), (ALICE, "a")]) == [own, tokens, None, None]
    assert await store.wallet_rows() == (0, 2)


async def test_devices_that_stand_apart_push_no_other_out(store: AnyStore) -> None:
    def heard(device: str, at: int) -> CursorRecord:
        return CursorRecord(ALICE, device, 5, UnixMs(NOW + at))

    await store.commit([heard("phone", 0), heard("\x1fcd\x1fphone", 0)])
    await store.commit([heard(f"\x1fab\x1f{n}", 1 + n) for n in range(WALLET_DEVICES + 1)])
    own, many, one = await store.cursors([(ALICE, ""), (ALICE, "\x1fab\x1f"), (ALICE, "\x1fcd\x1f")])
    assert [len(own), len(many), len(one)] == [1, APART_DEVICES, 1]
    assert many[-1].device == f"\x1fab\x1f{WALLET_DEVICES}"


async def test_expired_items_are_gone_from_every_answer_and_their_numbers_stay_used(store: AnyStore) -> None:
    dying = [record(1, (ALICE,), expires_at=NOW), record(2, EVERYBODY, EVERYBODY, expires_at=NOW - 1)]
    await store.commit([*dying, record(4, (ALICE,), expires_at=NOW + 1), record(5, kind=GRANT, expires_at=NOW)])
    await store.commit([VoidMark(2)])
    assert not await store.expire(NOW - 2, 10)
    assert await store.expire(NOW, 1)
    assert [item.first_commit for item in await store.log(0, 1_000)] == [1, 4, 5]
    await store.expire(NOW, 10)
    assert numbers(await store.inbox(ALICE, [NEWS], 0, 10)) == [4]
    assert await store.find(id_of(3), NOW) is None
    assert await store.find(id_of(1), None) is None
    assert await store.holders([SlotRange(SHOP, EPOCH, 0, 4)]) == [[]]
    assert await store.state(0, 10) == []
    assert store.last_commit == 5
