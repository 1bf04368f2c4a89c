import pytest
from msgspec.structs import replace

from pushmesh_node.engine.records import Record
from pushmesh_node.storage import rows
from pushmesh_node.storage.sets import CONTROL_SET
from pushmesh_node.storage.sums import with_sum
from pushmesh_protocol.types import UnixMs
from support.records import ALICE, BOB, EVERYBODY, GRANT, HOUR_MS, NEWS, NOW, SHOP, id_of, record

RUN = record(10, EVERYBODY, (ALICE, BOB), (ALICE,))
SINGLE = record(1, width=3, sent=False)


def test_an_item_row_counts_its_broadcasts() -> None:
    assert rows.item_rows([SINGLE, RUN], {NEWS: (4, 3)}) == [
        with_sum((1, 1, 5, 4, 1, NOW, NOW + 24 * HOUR_MS, None, 3, 7, b"frame 1")),
        with_sum((10, 3, 5, 4, 1, NOW, NOW + 24 * HOUR_MS, None, 3, 8, b"frame 10")),
    ]


def test_control_kinds_are_of_no_shard() -> None:
    found = rows.item_rows([record(1, kind=GRANT, topic=None), record(2, kind=1), record(3, kind=4)], {NEWS: (4, 3)})
    assert [row[8] for row in found] == [CONTROL_SET, CONTROL_SET, 3]


def test_what_has_a_collapse_key_is_told_by_its_number() -> None:
    run = replace(RUN, collapsing=(False, True, True))
    assert rows.collapsing_rows([SINGLE, run]) == [with_sum((11,)), with_sum((12,))]
    with pytest.raises(ValueError, match="collapsing of a record"):
        rows.check_records([replace(RUN, collapsing=(True,))])


def test_only_what_inboxes_show_is_broadcast_or_targeted() -> None:
    retraction = record(3, EVERYBODY, (), (ALICE,), kind=6)
    assert rows.item_rows([retraction], {NEWS: (4, 3)})[0][4] == 1
    assert rows.target_rows([retraction]) == [(0, ALICE, 5)]
    grant = record(1, EVERYBODY, kind=GRANT, topic=None)
    assert rows.item_rows([grant], {})[0][3:5] == (None, 0)
    assert rows.target_rows([record(1, (ALICE,), kind=GRANT)]) == []


def test_a_slot_row_is_wide_when_it_has_more_than_one_slot() -> None:
    assert rows.slot_rows([record(1), SINGLE, RUN]) == [
        with_sum((7, SHOP, 0, 1, 1, 2, id_of(1))),
        with_sum((7, SHOP, 1, 1, 1, 4, id_of(1))),
        with_sum((7, SHOP, 1, 10, 10, 13, None)),
    ]


def test_each_envelope_has_an_id_row_in_the_bucket_of_its_own_time() -> None:
    mixed = replace(RUN, issued_ats=(RUN.issued_at, RUN.issued_at, UnixMs(NOW + HOUR_MS)))
    hour = NOW // HOUR_MS
    assert rows.id_rows([mixed]) == [(hour, id_of(10), 10), (hour, id_of(11), 11), (hour + 1, id_of(12), 12)]
    assert rows.bucket(NOW) == hour


def test_each_recipient_of_each_envelope_has_a_target_row() -> None:
    assert rows.target_rows([SINGLE, RUN]) == [(0, ALICE, 11), (0, BOB, 11), (0, ALICE, 12)]
    assert rows.target_rows([record(3 << 14, (ALICE,))]) == [(3, ALICE, 3 << 14)]


def test_a_run_keeps_its_ids_and_which_leaves_are_for_everybody() -> None:
    assert rows.run_rows([SINGLE, RUN]) == [with_sum((10, id_of(10) + id_of(11) + id_of(12), b"\x01\x00\x00", b""))]
    assert rows.broadcast_mask([True, True]) is None
    assert rows.broadcast_mask([False, False]) is None


def test_what_is_scheduled_stands_in_no_inbox() -> None:
    run = record(10, EVERYBODY, (ALICE,), EVERYBODY, due_ats=(UnixMs(NOW + 1), UnixMs(NOW + 2), None))
    assert rows.scheduled_rows([SINGLE, run]) == [with_sum((NOW + 1, 10)), with_sum((NOW + 2, 11))]
    assert rows.broadcasts(run) == [False, False, True]
    assert rows.target_rows([run]) == []
    assert rows.item_rows([run], {NEWS: (4, 0)})[0][4] == 1


def test_every_envelope_of_an_unsent_record_has_an_unsent_row_and_no_other() -> None:
    assert rows.unsent_rows([SINGLE, RUN]) == [with_sum((1,))]
    assert rows.unsent_rows([replace(RUN, sent=False)]) == [
        with_sum((RUN.first_commit + leaf,)) for leaf in range(RUN.count)
    ]


@pytest.mark.parametrize(
    "bad",
    [
        replace(RUN, ids=()),
        replace(RUN, due_ats=(None,)),
        replace(RUN, ids=RUN.ids[:2]),
        replace(RUN, audiences=RUN.audiences[:2]),
        replace(RUN, end_seq=RUN.end_seq + 1),
        replace(SINGLE, end_seq=SINGLE.first_seq),
        replace(SINGLE, end_seq=SINGLE.first_seq + 1_025),
    ],
)
def test_a_record_that_contradicts_itself_is_a_loud_mistake(bad: Record) -> None:
    with pytest.raises(ValueError, match="envelope"):
        rows.check_records([RUN, bad])
