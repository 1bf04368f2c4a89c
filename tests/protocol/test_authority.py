from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.schemes import Session
from pushmesh_protocol.authority import MAX_EARLIER, Authority, KnownGrant
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Grant, Kind, Revocation, Scope
from support.bodies import a_network
from support.envelopes import ALICE, BOB, ISSUED_AT, TOPIC, WALLET_RANGE, a_note, a_run, a_session, an_envelope
from support.refusals import refusal_of

NETWORK = a_network()
UNKNOWN, OUTSIDE, REVOKED = ("unknown-grant", "5.15"), ("out-of-scope", "5.15"), ("grant-revoked", "4.11")
OWNED = ("out-of-scope", "5.16")


def a_grant(**changes: Any) -> Envelope:
    return an_envelope(NETWORK, Kind.GRANT, **({"seq": 20} | changes))


def a_cut(grant: Envelope | None = None, author: Any = ALICE, **changes: Any) -> Envelope:
    named = {"grant_id": None if grant is None else grant.id, "before": None if grant else ISSUED_AT + 1}
    cut = {"seq": 21, "cut_time": ISSUED_AT, "cut_seq": 0}
    return an_envelope(NETWORK, Kind.REVOCATION, author, **(named | cut | changes))


def by(grant: Envelope, seq: int = WALLET_RANGE, **changes: Any) -> Envelope:
    return a_note(NETWORK, seq, auth=a_session(grant), **changes).envelopes[0]


def knowing(*envelopes: Envelope) -> Authority:
    authority = Authority()
    for envelope in envelopes:
        authority.add(envelope)
    return authority


GRANT = a_grant()


def test_a_wallets_own_signature_needs_no_grant() -> None:
    Authority().check(a_note(NETWORK).envelopes[0])


def test_a_session_key_signs_once_its_grant_is_known() -> None:
    assert refusal_of(Authority().check, by(GRANT)) == UNKNOWN
    knowing(GRANT).check(by(GRANT))


def test_every_leaf_of_a_batch_is_judged_by_the_grant() -> None:
    run = a_run(NETWORK, 4, WALLET_RANGE + 998, auth=a_session(GRANT))  # the grant's range ends at + 1,000
    authority = knowing(GRANT)
    for leaf in run.envelopes[:2]:
        authority.check(leaf)
    assert [refusal_of(authority.check, leaf) for leaf in run.envelopes[2:]] == [OUTSIDE, OUTSIDE]


def test_a_grant_is_for_its_author_and_its_key() -> None:
    session = Session(b"\x23" * 32, GRANT.id, bytes(64), None)
    assert refusal_of(knowing(GRANT).check, a_note(NETWORK, WALLET_RANGE, auth=session).envelopes[0]) == OUTSIDE
    foreign = an_envelope(NETWORK, Kind.GRANT, BOB, seq=20)
    assert refusal_of(knowing(foreign).check, by(foreign)) == OUTSIDE


def test_a_grant_names_kinds() -> None:
    grant = a_grant(scopes=[int(Scope.SUBSCRIPTION)])
    assert refusal_of(knowing(grant).check, by(grant)) == OUTSIDE
    subscription = an_envelope(NETWORK, Kind.SUBSCRIPTION, auth=a_session(grant), seq=WALLET_RANGE)
    knowing(grant).check(subscription)


def test_a_grant_names_topics_or_all() -> None:
    grant = a_grant(topics=[TOPIC])
    knowing(grant).check(by(grant))
    assert refusal_of(knowing(grant).check, by(grant, topic=Topic(ALICE, "other"))) == OUTSIDE
    knowing(GRANT).check(by(GRANT, topic=Topic(ALICE, "other")))


@pytest.mark.parametrize(
    ("seq", "size", "inside"), [(10, 9, True), (11, 9, False), (9, 9, False), (8, 4_000, True), (9, 4_000, False)]
)
def test_a_grant_has_every_slot(seq: int, size: int, inside: bool) -> None:
    low = 10 if size == 9 else 8
    grant = a_grant(first_seq=WALLET_RANGE + low, end_seq=WALLET_RANGE + 11)
    envelope = by(grant, WALLET_RANGE + seq, body="x" * size)
    if inside:
        knowing(grant).check(envelope)
    else:
        assert refusal_of(knowing(grant).check, envelope) == OUTSIDE


def test_a_grant_has_its_time() -> None:
    grant = a_grant(not_before=ISSUED_AT + 10, expires_at=ISSUED_AT + 20)
    authority = knowing(grant)
    for at in (10, 19):
        authority.check(by(grant, issued_at=ISSUED_AT + at))
    for at in (9, 20):
        assert refusal_of(authority.check, by(grant, issued_at=ISSUED_AT + at)) == OUTSIDE


# Overlaps (SPEC 5.16)


def two_grants(**later: Any) -> tuple[Envelope, Envelope]:
    first = a_grant(seq=1, end_seq=WALLET_RANGE + 10, expires_at=ISSUED_AT + 1_000)
    return first, a_grant(**({"seq": 2, "issued_at": ISSUED_AT + 1, "not_before": ISSUED_AT + 1} | later))


def test_the_earlier_of_two_grants_owns_common_slots_while_its_time_runs() -> None:
    first, second = two_grants()
    for authority in (knowing(first, second), knowing(second, first)):
        assert refusal_of(authority.check, by(second, WALLET_RANGE + 9, issued_at=ISSUED_AT + 999)) == OWNED
        authority.check(by(second, WALLET_RANGE + 10, issued_at=ISSUED_AT + 999))
        authority.check(by(second, WALLET_RANGE + 9, issued_at=ISSUED_AT + 1_000))
        authority.check(by(first, WALLET_RANGE + 9))


def test_one_common_slot_of_many_is_enough() -> None:
    first, second = two_grants()
    first = a_grant(seq=1, first_seq=WALLET_RANGE + 12, end_seq=WALLET_RANGE + 13)
    wide = by(second, WALLET_RANGE + 10, issued_at=ISSUED_AT + 5, body="x" * 4_000)
    assert wide.cost == 3
    assert refusal_of(knowing(first, second).check, wide) == OWNED


def test_of_two_grants_of_one_time_the_lower_id_owns() -> None:
    low, high = sorted((a_grant(seq=1), a_grant(seq=2)), key=lambda grant: grant.id)
    authority = knowing(high, low)
    authority.check(by(low))
    assert refusal_of(authority.check, by(high)) == OWNED


def test_an_earlier_grant_that_is_learned_late_is_heeded() -> None:
    first, second = two_grants()
    authority = knowing(second)
    envelope = by(second, issued_at=ISSUED_AT + 5)
    authority.check(envelope)
    assert authority.counts(envelope)
    authority.add(first)
    assert refusal_of(authority.check, envelope) == OWNED
    assert not authority.counts(envelope)


def test_what_an_author_with_many_overlapping_grants_costs_is_bounded() -> None:
    grants = [a_grant(seq=n, issued_at=ISSUED_AT + n, not_before=ISSUED_AT + n) for n in range(3 * MAX_EARLIER)]
    authority = knowing(*grants)
    for grant in grants[1:]:
        assert refusal_of(authority.check, by(grant, issued_at=ISSUED_AT + 999)) == OWNED
    assert max(len(earlier.found) for earlier in authority._earlier.values()) == MAX_EARLIER + 1
    authority.check(by(grants[0], issued_at=ISSUED_AT + 999))


# Cuts (SPEC 4.10, 4.11)


@pytest.mark.parametrize("revocation_first", [False, True])
def test_what_is_after_the_cut_is_revoked(revocation_first: bool) -> None:
    cut = a_cut(GRANT, cut_time=ISSUED_AT + 5, cut_seq=WALLET_RANGE + 5)
    authority = knowing(cut, GRANT) if revocation_first else knowing(GRANT, cut)
    authority.check(by(GRANT, WALLET_RANGE + 9, issued_at=ISSUED_AT + 4))
    authority.check(by(GRANT, WALLET_RANGE + 5, issued_at=ISSUED_AT + 5))
    assert refusal_of(authority.check, by(GRANT, WALLET_RANGE + 6, issued_at=ISSUED_AT + 5)) == REVOKED
    assert refusal_of(authority.check, by(GRANT, issued_at=ISSUED_AT + 6)) == REVOKED


def test_the_earliest_cut_holds() -> None:
    cuts = [a_cut(GRANT, seq=30 + n, cut_time=ISSUED_AT + time) for n, time in enumerate((9, 3, 7))]
    for order in (cuts, cuts[::-1]):
        assert knowing(GRANT, *order).cut_of(known(GRANT)) == (ISSUED_AT + 3, 0)


def known(grant: Envelope) -> KnownGrant:
    assert isinstance(grant.body, Grant)
    return KnownGrant(grant.id, grant.author, grant.body)


def test_a_general_revocation_acts_on_what_was_issued_before() -> None:
    old = a_grant(seq=1, issued_at=ISSUED_AT - 1, not_before=ISSUED_AT - 1)
    authority = knowing(old, GRANT, a_cut(None, before=ISSUED_AT))
    assert authority.is_revoked(old.id)
    assert not authority.is_revoked(GRANT.id)
    assert not authority.is_revoked(b"\x01" * 32)


def test_nobody_revokes_anothers_grant() -> None:
    authority = knowing(GRANT, a_cut(GRANT, BOB), a_cut(None, BOB))
    assert not authority.is_revoked(GRANT.id)
    assert authority.revoked_by(BOB, revocation(a_cut(GRANT, BOB))) == ()


def revocation(envelope: Envelope) -> Revocation:
    assert isinstance(envelope.body, Revocation)
    return envelope.body


def test_a_revocation_is_told_with_what_it_acts_on() -> None:
    later = a_grant(seq=3, issued_at=ISSUED_AT + 9, not_before=ISSUED_AT + 9)
    older = a_grant(seq=4, issued_at=ISSUED_AT - 9, not_before=ISSUED_AT - 9)
    authority = knowing(later, GRANT, older)
    assert authority.revoked_by(ALICE, revocation(a_cut(later))) == (known(later),)
    assert authority.revoked_by(ALICE, revocation(a_cut(a_grant(seq=99)))) == ()
    general = revocation(a_cut(None, before=ISSUED_AT + 1))
    assert authority.revoked_by(ALICE, general) == (known(older), known(GRANT))
    assert authority.revoked_by(ALICE, revocation(a_cut(None, before=ISSUED_AT))) == (known(older),)
    assert authority.grants_of(ALICE) == (known(older), known(GRANT), known(later))
    assert authority.grants_of(BOB) == ()
    assert authority.grant(GRANT.id) == known(GRANT)


def test_what_rests_on_a_cut_grant_stops_counting_whatever_its_time() -> None:
    subscription = by(GRANT)
    assert not Authority().counts(subscription)
    assert knowing(GRANT).counts(subscription)
    assert not knowing(GRANT, a_cut(GRANT, cut_time=ISSUED_AT + 99)).counts(subscription)
    assert knowing(a_cut(None)).counts(a_note(NETWORK).envelopes[0])


def test_only_a_key_that_ends_itself_while_nothing_has_is_a_first_cut() -> None:
    own = a_cut(GRANT, auth=a_session(GRANT), seq=WALLET_RANGE, cut_seq=WALLET_RANGE)
    knowing(GRANT).check(own)  # it needs no scope for that (SPEC 4.12)
    assert knowing(GRANT).is_first_cut(own)
    assert not knowing(GRANT, own).is_first_cut(own)
    assert not knowing(GRANT, a_cut(None)).is_first_cut(own)
    assert not knowing(GRANT).is_first_cut(a_cut(GRANT))
    assert not knowing(GRANT).is_first_cut(by(GRANT))


# Live sessions (SPEC 11.4)


def test_a_live_grant_has_scope_time_and_no_cut() -> None:
    grant = a_grant(scopes=[128], not_before=ISSUED_AT + 10, expires_at=ISSUED_AT + 20)
    authority, session = knowing(grant), a_session(grant)
    assert authority.check_live(ALICE, session, Scope.LOGIN, ISSUED_AT + 10) == known(grant)
    for now in (9, 20):
        assert refusal_of(authority.check_live, ALICE, session, Scope.LOGIN, ISSUED_AT + now) == OUTSIDE
    assert refusal_of(authority.check_live, ALICE, session, Scope.TOKEN, ISSUED_AT + 10) == OUTSIDE
    assert refusal_of(authority.check_live, BOB, session, Scope.LOGIN, ISSUED_AT + 10) == OUTSIDE
    authority.add(a_cut(grant, cut_time=ISSUED_AT + 99))
    assert refusal_of(authority.check_live, ALICE, session, Scope.LOGIN, ISSUED_AT + 10) == REVOKED


# The index against a list


@dataclass
class NaiveAuthority:
    """The rules read one after the other over everything that is known."""

    grants: list[Envelope] = field(default_factory=list)
    revocations: list[Envelope] = field(default_factory=list)

    def add(self, envelope: Envelope) -> None:
        (self.grants if envelope.kind == Kind.GRANT else self.revocations).append(envelope)

    def cut_of(self, grant: Envelope) -> tuple[int, int] | None:
        acting = [
            revocation(one)
            for one in self.revocations
            if one.author == grant.author
            and (revocation(one).grant_id == grant.id or grant.body.issued_at < (revocation(one).before or 0))
        ]
        return min(((body.cut_time, body.cut_seq) for body in acting), default=None)

    def owned_by_another(self, envelope: Envelope, grant: Envelope) -> bool:
        for other in self.grants:
            body = known(other).body
            earlier = known(other).order < known(grant).order and other.author == grant.author
            slots = range(envelope.body.seq, envelope.body.seq + envelope.cost)
            inside = any(body.first_seq <= seq < body.end_seq for seq in slots)
            if earlier and inside and body.not_before <= envelope.body.issued_at < body.expires_at:
                return True
        return False


@pytest.mark.parametrize("kept", [0, 2, 64])
def test_cuts_and_overlaps_agree_with_a_naive_list_in_any_order(
    rng: Random, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr("pushmesh_protocol.authority.MAX_EARLIER", kept)
    for _ in range(40):
        news = [_some_word(rng, seq) for seq in range(1, rng.randint(3, 25))]
        rng.shuffle(news)
        authority, naive = Authority(), NaiveAuthority()
        for envelope in news:
            authority.add(envelope)
            naive.add(envelope)
            if rng.random() < 0.3:
                _compare(rng, authority, naive)
        _compare(rng, authority, naive)


def _some_word(rng: Random, seq: int) -> Envelope:
    issued_at = ISSUED_AT + rng.randrange(12)
    if rng.random() < 0.5:
        low, begin = rng.randrange(12), issued_at + rng.randrange(6)
        slots = {"first_seq": WALLET_RANGE + low, "end_seq": WALLET_RANGE + low + rng.randint(1, 6)}
        return a_grant(seq=seq, issued_at=issued_at, not_before=begin, expires_at=begin + rng.randint(1, 9), **slots)
    before, cut = ISSUED_AT + rng.randrange(14), ISSUED_AT + rng.randrange(14)
    return a_cut(
        None, seq=seq, issued_at=issued_at, expires_at=issued_at + 490 * 86_400_000, before=before, cut_time=cut
    )


def _compare(rng: Random, authority: Authority, naive: NaiveAuthority) -> None:
    for grant in naive.grants:
        assert authority.cut_of(known(grant)) == naive.cut_of(grant)
        body = known(grant).body
        seq, at = rng.randrange(body.first_seq, body.end_seq), rng.randrange(body.not_before, body.expires_at)
        envelope = by(grant, seq, issued_at=at)
        cut, owned = naive.cut_of(grant), naive.owned_by_another(envelope, grant)
        assert authority.counts(envelope) is (cut is None and not owned)
        expected = OWNED if owned else REVOKED if cut is not None and (at, seq) > cut else None
        if expected is None:
            authority.check(envelope)
        else:
            assert refusal_of(authority.check, envelope) == expected
