from pushmesh_node.engine.seal_keys import MAX_GRANTS_SHOWN, seal_grants
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.limits import DAY_MS
from support.bodies import a_network
from support.envelopes import ALICE, BOB, ISSUED_AT, NOW, an_envelope

NETWORK = a_network()


def a_grant(seq: int, seal_key: bytes | None = b"k" * 32, *, at: int = 0, life: int = DAY_MS) -> Envelope:
    start = ISSUED_AT + at
    times = {"issued_at": start, "not_before": start, "expires_at": start + life}
    return an_envelope(NETWORK, Kind.GRANT, ALICE, **{"seq": seq, "seal_key": seal_key, **times})  # type: ignore[arg-type]  # members of a body


def shown(*envelopes: Envelope, now_ms: int = NOW) -> list[Envelope]:
    authority = Authority()
    known = {}
    for envelope in envelopes:
        authority.add(envelope)
        known[envelope.id] = envelope
    return list(seal_grants(authority, lambda id_: known.get(id_), ALICE, now_ms))  # type: ignore[call-overload]  # an id is bytes


def test_grants_with_a_seal_key_are_shown_the_newest_first_and_others_not() -> None:
    phone, laptop, without = a_grant(1), a_grant(2, at=1), a_grant(3, None, at=2)
    assert shown(phone, without, laptop) == [laptop, phone]


def test_a_grant_whose_time_is_over_or_has_not_come_is_not_shown() -> None:
    grant = a_grant(1)
    assert shown(grant, now_ms=ISSUED_AT - 1) == shown(grant, now_ms=ISSUED_AT + DAY_MS) == []
    assert shown(grant, now_ms=ISSUED_AT) == shown(grant, now_ms=ISSUED_AT + DAY_MS - 1) == [grant]


def test_a_grant_with_any_cut_is_not_shown() -> None:
    phone, laptop = a_grant(1), a_grant(2, at=1)
    ends = ISSUED_AT + 490 * DAY_MS
    late = an_envelope(NETWORK, Kind.REVOCATION, ALICE, grant_id=phone.id, cut_time=NOW + DAY_MS, expires_at=ends)
    assert shown(phone, laptop, late) == [laptop]
    strangers = an_envelope(NETWORK, Kind.REVOCATION, BOB, grant_id=phone.id, expires_at=ends)
    assert shown(phone, laptop, strangers) == [laptop, phone]


def test_of_many_grants_the_newest_are_shown() -> None:
    many = [a_grant(number, at=number) for number in range(MAX_GRANTS_SHOWN + 3)]
    assert shown(*many) == many[:2:-1]
