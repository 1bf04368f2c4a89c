from random import Random
from typing import Any

import pytest

from pushmesh_client.compose import signed_envelope
from pushmesh_client.session_key import SessionGrant, grant_body
from pushmesh_client.wallet import Wallet, new_wallet
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Kind, SettingChoice
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.opt_in import check_opt_in, opt_in_of, read_word
from support.bodies import ISSUED_AT, a_body, a_network
from support.refusals import refusal_of
from support.wallets import GENEROUS, a_signed_note, a_wallet

NETWORK = a_network(parameters=GENEROUS)
OWNER, READER, OTHER = a_wallet(1), a_wallet(2), a_wallet(3)
NEWS, LOANS = Topic(OWNER.account, "news"), Topic(OWNER.account, "loans")
NOW = ISSUED_AT + 1_000


def signed(kind: int, wallet: Wallet = READER, *, key: Any = None, **changes: Any) -> Envelope:
    body = a_body(kind, wallet.account, **changes)
    return signed_envelope(NETWORK, key or wallet.key, wallet.account, kind, body)


def word(at: int = 0, *, on: bool = True, kind: int = Kind.SUBSCRIPTION, **changes: Any) -> Envelope:
    ends = ISSUED_AT + at + (DAY_MS if on else 400 * DAY_MS)
    values: dict[str, Any] = {"topic": NEWS, "on": on, "issued_at": ISSUED_AT + at, "expires_at": ends}
    if kind == Kind.PRIVATE_SUBSCRIPTION:
        values["seq"] = 0
    return signed(kind, **values | changes)


def a_session(wallet: Wallet = READER, scopes: tuple[int, ...] = (4,), **changes: Any) -> SessionGrant:
    body = grant_body(b"s" * 32, scopes, (2**31, 2**31 + 64), ISSUED_AT - 9, 3, **changes)
    return SessionGrant(b"s" * 32, signed_envelope(NETWORK, wallet.key, wallet.account, Kind.GRANT, body))


def by_session(session: SessionGrant, at: int = 0, **changes: Any) -> Envelope:
    return word(at, key=session.key, **{"seq": 2**31 + at % 64} | changes)


def proof(envelope: Envelope, grant: Envelope | None = None) -> bytes:
    return opt_in_of(NETWORK, envelope, grant)


def refused(data: bytes, **asked: Any) -> tuple[str, str]:
    return refusal_of(check_opt_in, NETWORK, data, **{"at_ms": NOW} | asked)


def test_a_wallets_yes_is_shown_without_a_node() -> None:
    yes = word(settings=[SettingChoice("min-priority", 3)], receipts=True)
    shown = check_opt_in(NETWORK, proof(yes), at_ms=NOW, topic=NEWS, account=READER.account)
    assert (shown.envelope, shown.grant) == (yes, None)


def test_a_yes_by_a_session_key_is_shown_with_its_grant() -> None:
    session = a_session()
    shown = check_opt_in(NETWORK, proof(by_session(session), session.grant), at_ms=NOW)
    assert (shown.envelope, shown.grant) == (by_session(session), session.grant)


def test_a_private_yes_and_one_of_a_solana_wallet_are_shown_too() -> None:
    wallet = new_wallet(solana=True)
    for yes in (word(kind=Kind.PRIVATE_SUBSCRIPTION), signed(Kind.SUBSCRIPTION, wallet)):
        assert check_opt_in(NETWORK, proof(yes), at_ms=NOW).envelope == yes


def test_no_bit_of_it_can_be_another(rng: Random) -> None:
    session = a_session()
    for data in (proof(word()), proof(by_session(session), session.grant)):
        for place in rng.sample(range(len(data) * 8), 300):
            broken = bytearray(data)
            broken[place // 8] ^= 1 << place % 8
            with pytest.raises(Refusal):
                check_opt_in(NETWORK, bytes(broken), at_ms=NOW, topic=NEWS, account=READER.account)


def test_it_is_about_one_topic_and_one_wallet() -> None:
    assert refused(proof(word()), topic=LOANS) == ("not-subscribed", "4.29")
    assert refused(proof(word()), account=OTHER.account) == ("not-subscribed", "4.29")


def test_a_no_shows_no_yes_though_it_holds() -> None:
    no = word(on=False)
    assert read_word(NETWORK, proof(no)).envelope == no
    assert refused(proof(no)) == ("not-subscribed", "4.29")


def test_it_shows_a_yes_as_long_as_it_lasts() -> None:
    data = proof(word())
    for at_ms in (ISSUED_AT - 60_000, ISSUED_AT + DAY_MS - 1):
        check_opt_in(NETWORK, data, at_ms=at_ms)
    assert refused(data, at_ms=ISSUED_AT - 60_001) == ("ahead-of-time", "4.29")
    assert refused(data, at_ms=ISSUED_AT + DAY_MS) == ("expired", "4.29")


def test_a_later_no_speaks_against_it_and_an_earlier_one_does_not() -> None:
    data = proof(word(5))
    for at, counts in ((6, True), (5, True), (4, False)):
        no = proof(word(at, on=False))
        if counts:
            assert refused(data, against=[no]) == ("not-subscribed", "4.14")
        else:
            check_opt_in(NETWORK, data, at_ms=NOW, against=[no])
    assert refused(data, against=[proof(word(3)), proof(word(9, on=False))]) == ("not-subscribed", "4.14")


def test_what_another_wallet_says_or_of_another_topic_or_kind_does_not_speak_against_it() -> None:
    others = [
        word(9, on=False, wallet=OTHER),
        word(9, on=False, topic=LOANS),
        word(9, on=False, kind=Kind.PRIVATE_SUBSCRIPTION),
        word(100_000, on=False),
        word(9),
    ]
    check_opt_in(NETWORK, proof(word()), at_ms=NOW, against=[proof(other) for other in others])


def test_a_forged_no_is_refused_and_not_believed() -> None:
    no = word(9, on=False, wallet=OTHER)
    forged = pack([1, NETWORK.id, [0, 4, READER.account, no.body_bytes, no.auth], None])
    assert refused(proof(word()), against=[forged]) == ("bad-signature", "5.3")


def test_a_revocation_of_the_key_speaks_against_what_it_signed_whenever_that_was() -> None:
    session = a_session()
    ends = NOW + 490 * DAY_MS
    members: dict[str, Any] = {"issued_at": NOW, "expires_at": ends, "cut_time": NOW, "cut_seq": 0}
    cut = proof(signed(Kind.REVOCATION, grant_id=session.grant_id, **members))
    general = proof(signed(Kind.REVOCATION, grant_id=None, before=NOW, **members))
    strangers = proof(signed(Kind.REVOCATION, OTHER, grant_id=session.grant_id, **members))
    data = proof(by_session(session), session.grant)
    for against in (cut, general):
        assert refused(data, against=[against]) == ("grant-revoked", "4.14")
    check_opt_in(NETWORK, data, at_ms=NOW, against=[strangers])
    check_opt_in(NETWORK, proof(word()), at_ms=NOW, against=[cut, general])
    assert refused(cut) == ("malformed", "4.29")


def test_a_session_key_needs_a_grant_that_lets_it_say_so() -> None:
    session = a_session()
    yes = by_session(session)
    assert refused(proof(yes)) == ("unknown-grant", "5.15")
    for wrong in (a_session(scopes=(128,)), a_session(topics=[LOANS]), a_session(life_ms=5)):
        assert refused(proof(by_session(wrong), wrong.grant)) == ("out-of-scope", "5.15")
    assert refused(proof(yes, a_session(OTHER).grant)) == ("unknown-grant", "5.15")
    theirs = a_session(OTHER)
    stolen = word(key=SessionKey(theirs.seed, theirs.grant_id), seq=2**31)
    assert refused(proof(stolen, theirs.grant)) == ("out-of-scope", "5.15")


def test_what_shows_something_else_or_more_is_refused() -> None:
    session, yes = a_session(), word()
    assert refused(proof(yes, session.grant)) == ("unreferenced", "4.29")
    assert refused(proof(a_signed_note(NETWORK, READER, ISSUED_AT))) == ("malformed", "4.29")
    assert refused(proof(by_session(session), yes)) == ("malformed", "4.29")
    assert refused(proof(yes) + b"\x00") == ("malformed", "3.1")
    assert refused(pack([2, NETWORK.id, [0, 4, READER.account, yes.body_bytes, yes.auth], None]))[0] == "malformed"
    other = a_network(name="other", parameters=GENEROUS)
    assert refusal_of(check_opt_in, other, proof(yes), at_ms=NOW) == ("other-network", "4.29")
    assert refused(opt_in_of(other, yes)) == ("other-network", "4.29")
