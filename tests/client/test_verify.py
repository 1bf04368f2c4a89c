from dataclasses import replace

import msgspec
import pytest

from pushmesh_client import verify as verifying
from pushmesh_client.compose import frames_of_batch, signed_envelope
from pushmesh_client.errors import BadAnswer
from pushmesh_client.session_key import grant_body
from pushmesh_client.verify import ShownGrants, SignedBy, learn_grant, verify_delivery
from pushmesh_protocol.accounts import contract_account
from pushmesh_protocol.auth.schemes import Erc1271
from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.checks import check_item
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.frames import Part, encode_frame, open_publish
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS
from support.bodies import ISSUED_AT, a_network
from support.wallets import GENEROUS, a_note, a_session, a_signed_batch, a_signed_note, a_wallet

NETWORK = a_network(parameters=GENEROUS)
OWNER, READER = a_wallet(1), a_wallet(2)


def verify(frame: bytes, authority: Authority | None = None) -> tuple[Envelope, SignedBy]:
    verified = verify_delivery(NETWORK, authority or Authority(), READER.account, frame)
    return verified.envelope, verified.signed_by


def reason_of(frame: bytes, authority: Authority | None = None) -> str:
    with pytest.raises(BadAnswer) as caught:
        verify(frame, authority)
    return caught.value.reason


def test_a_broadcast_and_a_message_to_me_verify() -> None:
    for audience in (None, [READER.account]):
        note = a_signed_note(NETWORK, OWNER, ISSUED_AT, audience=audience)
        assert verify(encode_frame([Part((note,))])) == (note, SignedBy.WALLET)


def test_a_leaf_of_a_batch_verifies_by_its_path() -> None:
    frames = frames_of_batch(a_signed_batch(NETWORK, OWNER, ISSUED_AT, 6), 1, 1)
    assert len(frames) == 6
    assert verify(frames[3])[0].body.seq == 103


def test_a_message_to_others_is_the_nodes_fault() -> None:
    note = a_signed_note(NETWORK, OWNER, ISSUED_AT, audience=[OWNER.account])
    assert reason_of(encode_frame([Part((note,))])) == "not-in-audience"


def test_a_forged_signature_and_changed_bytes_are_found() -> None:
    note, other = (a_signed_note(NETWORK, OWNER, ISSUED_AT, seq) for seq in (1, 2))
    swapped = msgspec.structs.replace(note, auth=other.auth)
    assert reason_of(encode_frame([Part((swapped,))])) == "bad-signature"
    assert reason_of(encode_frame([Part((note,))])[:-1]) == "malformed"


def test_a_frame_of_several_or_of_another_kind_is_no_delivery() -> None:
    notes = [a_signed_note(NETWORK, OWNER, ISSUED_AT, seq) for seq in (1, 2)]
    assert reason_of(encode_frame([Part((note,)) for note in notes])) == "malformed"
    assert reason_of(frames_of_batch(a_signed_batch(NETWORK, OWNER, ISSUED_AT, 2), 2**21, 2**18)[0]) == "malformed"
    assert reason_of(a_session(NETWORK, OWNER, ISSUED_AT).frame) == "malformed"


def test_a_session_key_needs_its_grant_and_keeps_to_it() -> None:
    session = a_session(NETWORK, OWNER, ISSUED_AT, (Kind.NOTIFICATION,))
    body = a_note(OWNER, ISSUED_AT, 2**31 + 5)
    note = signed_envelope(NETWORK, session.key, OWNER.account, Kind.NOTIFICATION, body)
    assert verify(encode_frame([Part((note,))]))[1] is SignedBy.UNKNOWN_GRANT
    authority = Authority()
    assert verify(encode_frame([Part((note,))], [session.grant]), authority)[1] is SignedBy.SESSION
    assert verify(encode_frame([Part((note,))]), authority)[1] is SignedBy.SESSION
    outside = signed_envelope(
        NETWORK, session.key, OWNER.account, Kind.NOTIFICATION, a_note(OWNER, ISSUED_AT, 2**31 + 5000)
    )
    assert reason_of(encode_frame([Part((outside,))]), authority) == "out-of-scope"


def test_a_grant_that_was_asked_for_is_believed_to_its_wallet_alone() -> None:
    session = a_session(NETWORK, OWNER, ISSUED_AT, (Kind.NOTIFICATION,))
    body = a_note(OWNER, ISSUED_AT, 2**31 + 5)
    note = encode_frame([Part((signed_envelope(NETWORK, session.key, OWNER.account, Kind.NOTIFICATION, body),))])
    grant, authority = session.grant, Authority()
    good = ItemForm(grant.kind, grant.author, grant.body_bytes, grant.auth)
    other = a_signed_note(NETWORK, OWNER, ISSUED_AT)
    bad = (
        b"\xc1",
        pack(ItemForm(grant.kind, grant.author, grant.body_bytes, other.auth)),
        pack(ItemForm(other.kind, other.author, other.body_bytes, other.auth)),
    )
    for item in bad:
        learn_grant(NETWORK, authority, item)
        assert verify(note, authority)[1] is SignedBy.UNKNOWN_GRANT
    learn_grant(NETWORK, authority, pack(good))
    assert verify(note, authority)[1] is SignedBy.SESSION


CONTRACT = replace(OWNER, account=contract_account(1, b"\xcc" * 20))


def a_contracts_grant(scopes: tuple[int, ...] = (Kind.NOTIFICATION,)) -> tuple[SessionKey, Envelope]:
    """A session key, and a grant that says that a contract wallet signed it: anybody can write one."""
    body = grant_body(b"\x05" * 32, scopes, (2**31, 2**31 + 4096), ISSUED_AT, 3, life_ms=7 * DAY_MS)
    grant = check_item(NETWORK, Kind.GRANT, CONTRACT.account, pack(body), Erc1271(b"\x01" * 65, None))
    return SessionKey(b"\x05" * 32, grant.id), grant


def a_contracts_note(key: SessionKey, seq: int = 5) -> bytes:
    body = a_note(CONTRACT, ISSUED_AT, 2**31 + seq)
    return encode_frame([Part((signed_envelope(NETWORK, key, CONTRACT.account, Kind.NOTIFICATION, body),))])


@pytest.mark.parametrize("way", ["rides along", "asked for"])
def test_a_contracts_grant_is_never_taken_for_checked(way: str) -> None:
    key, grant = a_contracts_grant()
    authority, shown = Authority(), ShownGrants()
    note = a_contracts_note(key)
    assert verify_delivery(NETWORK, authority, READER.account, note, shown).signed_by is SignedBy.UNKNOWN_GRANT
    if way == "asked for":
        learn_grant(NETWORK, authority, pack(ItemForm(grant.kind, grant.author, grant.body_bytes, grant.auth)), shown)
    else:
        envelope = next(iter(open_publish(NETWORK, note).envelopes()))
        note = encode_frame([Part((envelope,))], [grant])
    for _time in range(2):
        verified = verify_delivery(NETWORK, authority, READER.account, note, shown)
        assert verified.signed_by is SignedBy.UNCHECKED_GRANT
    assert authority.grant(grant.id) is None


def test_what_a_contracts_grant_does_not_allow_is_the_nodes_fault_though_nobody_checked_it() -> None:
    key, grant = a_contracts_grant((Kind.RETRACTION,))
    authority, shown = Authority(), ShownGrants()
    shown.add(grant)
    with pytest.raises(BadAnswer) as caught:
        verify_delivery(NETWORK, authority, READER.account, a_contracts_note(key), shown)
    assert caught.value.reason == "out-of-scope"


def test_of_grants_that_nobody_checked_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "MOST_SHOWN", 2)
    key, grant = a_contracts_grant()
    note = next(iter(open_publish(NETWORK, a_contracts_note(key)).envelopes()))
    shown = ShownGrants()
    shown.add(grant)
    for scopes in ((Kind.RETRACTION,), (Kind.TOPIC,)):
        assert shown.allows(note)
        shown.add(a_contracts_grant(scopes)[1])
    assert not shown.allows(note)
