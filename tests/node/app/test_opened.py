import pytest

from pushmesh_node.app.opened import Opener
from pushmesh_node.engine.records import StoredEnvelope, StoredItem
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind
from support.app_world import NETWORK, a_note_now
from support.envelopes import a_run
from support.wallets import a_wallet


def test_a_stored_envelope_opens_to_its_part_and_place() -> None:
    run = a_run(NETWORK, count=4)
    opener = Opener(NETWORK)
    part, index = opener.open(StoredEnvelope(12, 2, Kind.NOTIFICATION, encode_frame([run])))
    assert (part, index) == (run, 2)


def test_neighbours_of_one_run_share_one_opening_and_another_frame_is_opened_itself() -> None:
    run, single = a_run(NETWORK, count=3), Part((a_note_now(a_wallet()),))
    opener = Opener(NETWORK)
    first = opener.part(StoredItem(10, 3, Kind.NOTIFICATION, encode_frame([run])))
    again, _ = opener.open(StoredEnvelope(11, 1, Kind.NOTIFICATION, encode_frame([run])))
    assert again is first
    assert opener.part(StoredItem(13, 1, Kind.NOTIFICATION, encode_frame([single]))) == single
    assert opener.part(StoredItem(10, 3, Kind.NOTIFICATION, encode_frame([run]))) == run


def test_a_damaged_record_is_a_refusal_and_leaves_the_opener_as_it_was() -> None:
    data = encode_frame([Part((a_note_now(a_wallet()),))])
    opener = Opener(NETWORK)
    for broken in (data[:-1], b"", data + b"\x00"):
        with pytest.raises(Refusal):
            opener.part(StoredItem(1, 1, Kind.NOTIFICATION, broken))
    assert opener.part(StoredItem(1, 1, Kind.NOTIFICATION, data)).envelopes[0].kind == Kind.NOTIFICATION
