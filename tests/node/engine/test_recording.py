from pushmesh_node.engine.recording import audience_of, changes_state, not_before, record_of
from pushmesh_node.engine.records import LateMark, VoidMark
from pushmesh_protocol.frames import Part, encode_frame, open_frame
from pushmesh_protocol.kinds import Kind
from support.bodies import a_network
from support.envelopes import BOB, CAROL, ISSUED_AT, NOW, TOPIC, a_note, a_run, an_envelope

NETWORK = a_network()
EPOCH = NETWORK.epoch(ISSUED_AT)


def test_a_single_envelope_is_a_record_with_all_its_slots() -> None:
    part = a_note(NETWORK, seq=3, body="x" * 3_000)
    record = record_of(NETWORK, part, 7, EPOCH, sent=True, data=None, now_ms=NOW)
    assert (record.first_commit, record.first_seq, record.end_seq, record.count) == (7, 3, 5, 1)
    assert (record.topic, record.due_ats, record.sent) == (TOPIC, (), True)
    assert open_frame(NETWORK, record.data).parts == (part,)


def test_a_run_is_one_record_and_a_frame_that_is_there_is_kept() -> None:
    part = a_run(NETWORK, count=3, first_seq=10)
    data = encode_frame([part])
    record = record_of(NETWORK, part, 1, EPOCH, sent=False, data=data, now_ms=NOW)
    assert record.data is data and (record.first_seq, record.end_seq, record.count) == (10, 13, 3)
    assert record.ids == tuple(leaf.id for leaf in part.envelopes)


def test_the_audience_is_its_list_or_everybody() -> None:
    (listed,) = a_note(NETWORK, audience=sorted([BOB, CAROL])).envelopes
    assert audience_of(listed) == tuple(sorted([BOB, CAROL]))
    assert audience_of(a_note(NETWORK).envelopes[0]) is None
    assert audience_of(an_envelope(NETWORK, Kind.SUBSCRIPTION)) is None
    assert audience_of(an_envelope(NETWORK, Kind.RETRACTION, topic=TOPIC)) == ()


def test_who_gets_what_says_it_not_itself_is_told_by_the_caller() -> None:
    part = Part((an_envelope(NETWORK, Kind.RETRACTION, topic=TOPIC),))
    told = record_of(NETWORK, part, 1, EPOCH, sent=True, data=None, now_ms=NOW, audiences=((BOB,),))
    untold = record_of(NETWORK, part, 1, EPOCH, sent=True, data=None, now_ms=NOW)
    assert (told.audiences, untold.audiences) == (((BOB,),), ((),))


def test_what_has_a_collapse_key_is_marked() -> None:
    plain = record_of(NETWORK, a_note(NETWORK), 1, EPOCH, sent=True, data=None, now_ms=NOW)
    keyed = record_of(NETWORK, a_run(NETWORK, count=2, collapse="x"), 1, EPOCH, sent=True, data=None, now_ms=NOW)
    assert (plain.collapsing, keyed.collapsing) == ((), (True, True))


def test_a_time_that_lies_ahead_is_kept_and_one_that_has_come_is_not() -> None:
    for time, due_ats in ((NOW + 1, (NOW + 1,)), (NOW, ()), (NOW - 1, ()), (None, ())):
        part = a_note(NETWORK, not_before=time)
        assert record_of(NETWORK, part, 1, EPOCH, sent=True, data=None, now_ms=NOW).due_ats == due_ats
        assert not_before(part.envelopes[0]) == (time or 0)


def test_a_notification_changes_no_state_and_whatever_else_is_stored_of_others_does() -> None:
    note = record_of(NETWORK, a_note(NETWORK), 1, EPOCH, sent=True, data=None, now_ms=NOW)
    part = Part((an_envelope(NETWORK, Kind.RETRACTION, topic=TOPIC),))
    retraction = record_of(NETWORK, part, 1, EPOCH, sent=True, data=None, now_ms=NOW)
    assert [changes_state(write) for write in (note, retraction, VoidMark(1), LateMark(1))] == [
        False,
        True,
        True,
        False,
    ]
