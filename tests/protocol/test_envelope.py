import msgspec

from pushmesh_protocol.auth.schemes import Eip712
from pushmesh_protocol.envelope import item_bytes, item_hash
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.kinds import Kind
from support.bodies import a_network
from support.envelopes import ALICE, TOPIC, a_note, a_run, a_session, an_envelope

NETWORK = a_network()
OTHER_AUTH = Eip712(1, b"\x02" * 65, None)


def test_an_item_with_its_own_auth_is_hashed_as_frames_carry_it() -> None:
    (envelope,) = a_note(NETWORK).envelopes
    carried = msgspec.msgpack.decode(encode_frame([Part((envelope,))]))[3][0]
    assert item_bytes(envelope) == msgspec.msgpack.encode(carried)
    assert item_hash(envelope) == sha256(item_bytes(envelope))


def test_auth_is_outside_the_id_and_inside_the_item_hash() -> None:
    (one,), (other,) = a_note(NETWORK).envelopes, a_note(NETWORK, auth=OTHER_AUTH).envelopes
    assert one.id == other.id
    assert item_hash(one) != item_hash(other)


def test_a_leaf_is_hashed_with_its_statement_and_index_and_never_its_path() -> None:
    run, again = a_run(NETWORK, 4), a_run(NETWORK, 4, auth=OTHER_AUTH)
    leaf = run.envelopes[2]
    assert msgspec.msgpack.decode(item_bytes(leaf))[0:3:2] == [1, 2]
    assert item_bytes(leaf).endswith(leaf.body_bytes)
    hashes = {item_hash(envelope) for part in (run, again) for envelope in part.envelopes}
    assert len(hashes) == 8


def test_topic_and_order_come_from_the_body() -> None:
    (envelope,) = a_note(NETWORK, 5).envelopes
    assert envelope.topic == TOPIC
    assert envelope.order == (envelope.body.issued_at, 5, envelope.id)


def test_a_session_shows_directly_and_through_a_statement() -> None:
    grant = an_envelope(NETWORK, Kind.GRANT, ALICE, seq=20)
    session = a_session(grant)
    assert a_note(NETWORK).envelopes[0].session is None
    assert a_note(NETWORK, 2**31, auth=session).envelopes[0].session is session
    assert a_run(NETWORK, 2, 2**31, auth=session).envelopes[1].session is session
