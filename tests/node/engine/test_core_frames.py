"""What the engine makes of gossiped frames and of catch-up."""

import msgspec

from pushmesh_node.engine.core import YOUNG_MS
from pushmesh_node.engine.effects import Judge, Relay, Store, Tally
from pushmesh_node.engine.events import Candidate, CaughtUp, Gossiped, Offer, Offered
from pushmesh_node.engine.records import Holder, SentMark
from pushmesh_protocol.auth.schemes import Eip712, Session
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Reason, Verdict
from support.engine_world import NETWORK, PEER, an_engine, gossip, grant_for, offer, only, reasons
from support.envelopes import NOW, TOPIC, WALLET_RANGE, a_note, a_session


def test_a_frame_of_new_items_is_accepted_before_anything_is_stored() -> None:
    effects = gossip(an_engine(), a_note(NETWORK, 1), a_note(NETWORK, 2))
    assert [type(effect) for effect in effects] == [Judge, Store, Tally]
    assert effects[0].verdict is Verdict.ACCEPT  # type: ignore[union-attr]  # it is a Judge
    assert all(write.sent for write in only(effects, Store).writes)


def test_nothing_is_taken_from_a_rejected_frame() -> None:
    engine = an_engine()
    bad = Refusal(Reason.BAD_SIGNATURE, "5.3", "")
    candidates = [Candidate(a_note(NETWORK, 1)), Candidate(a_note(NETWORK, 2), failures=[bad])]
    effects = engine.handle(Offered([Offer(Gossiped(PEER, 5, 1_000), candidates)]), NOW)
    assert effects == [
        Judge(5, Verdict.REJECT, Reason.BAD_SIGNATURE, 0),
        Tally("gossiped", Verdict.REJECT, Reason.BAD_SIGNATURE, 1),
    ]
    assert engine.last_commit == 0


def test_new_items_of_an_ignored_frame_go_into_the_own_next_frame() -> None:
    engine = an_engine()
    stale, fresh = a_note(NETWORK, 1), a_note(NETWORK, 2)
    expired = Refusal(Reason.EXPIRED, "7.2", "")
    candidates = [Candidate(stale, failures=[expired], sizes=[400]), Candidate(fresh, sizes=[400])]
    effects = engine.handle(Offered([Offer(Gossiped(PEER, 5, 800), candidates)]), NOW)
    assert only(effects, Judge).verdict is Verdict.IGNORE
    assert only(effects, Relay).parts == [fresh]


def test_what_catch_up_brought_is_new_to_the_mesh_once() -> None:
    engine = an_engine()
    part = a_note(NETWORK, 1)
    held = Holder(1, 2, part.envelopes[0].id, 3, False)
    effects = gossip(engine, part, holders=[held])
    assert only(effects, Judge).verdict is Verdict.ACCEPT
    assert only(effects, Store).writes == [SentMark(3)]


def test_what_catch_up_brought_is_new_to_the_mesh_only_once_before_the_store_says_so() -> None:
    engine = an_engine()
    part = a_note(NETWORK, 1)
    held = Holder(1, 2, part.envelopes[0].id, 3, False)
    assert only(gossip(engine, part, holders=[held]), Judge).verdict is Verdict.ACCEPT
    again = gossip(engine, part, holders=[held])
    assert (only(again, Judge).verdict, only(again, Judge).reason) == (Verdict.IGNORE, Reason.DUPLICATE)
    assert not any(isinstance(effect, Store) for effect in again)


def test_a_known_id_under_an_unknown_grant_holds_the_frame_back() -> None:
    """Anybody can put an auth of their own on an envelope that they saw."""
    engine = an_engine()
    grant = grant_for()
    offer(engine, grant, real := a_note(NETWORK, WALLET_RANGE, auth=a_session(grant.envelopes[0])))
    stolen = a_note(NETWORK, WALLET_RANGE, auth=Session(b"\x66" * 32, b"\x67" * 32, b"\x68" * 64, None))
    assert stolen.envelopes[0].id == real.envelopes[0].id
    judged = only(gossip(engine, stolen, a_note(NETWORK, 5)), Judge)
    assert (judged.verdict, judged.reason) == (Verdict.IGNORE, Reason.UNKNOWN_GRANT)
    assert reasons(offer(engine, stolen)) == [Reason.DUPLICATE]  # its publisher still gets the receipt


def test_a_known_id_with_another_authorised_auth_holds_nothing_back() -> None:
    engine = an_engine()
    offer(engine, a_note(NETWORK, 1))
    other_auth = a_note(NETWORK, 1, auth=Eip712(1, b"\x02" * 65, None))
    judged = only(gossip(engine, other_auth, a_note(NETWORK, 2), a_note(NETWORK, 3)), Judge)
    assert judged.verdict is Verdict.ACCEPT


def test_young_catch_up_is_relayed_and_old_is_not() -> None:
    young = offer(an_engine(), a_note(NETWORK, 1, issued_at=NOW - YOUNG_MS + 1), source=CaughtUp(PEER))
    assert any(isinstance(effect, Relay) for effect in young)
    old = a_note(NETWORK, 1, issued_at=NOW - YOUNG_MS)
    effects = offer(an_engine(), old, source=CaughtUp(PEER))
    assert not any(isinstance(effect, Relay) for effect in effects)
    assert only(effects, Store).writes[0].sent is False


def test_young_catch_up_of_a_shard_without_part_in_it_goes_no_further_and_stays_new_to_the_mesh() -> None:
    engine, note = an_engine(), a_note(NETWORK, 1, issued_at=NOW - 1)
    shard = NETWORK.shard(pack(note.envelopes[0].topic))
    engine.left_shards = frozenset({shard})
    effects = offer(engine, note, grant_for(), source=CaughtUp(PEER))
    assert [part.envelopes[0].kind for part in only(effects, Relay).parts] == [Kind.GRANT]
    assert [write.sent for write in only(effects, Store).writes] == [False, True]
    assert only(offer(engine, a_note(NETWORK, 2)), Relay).parts == [a_note(NETWORK, 2)]


def test_young_catch_up_of_a_joined_shard_is_relayed_whatever_other_shards_are_left() -> None:
    engine, note = an_engine(), a_note(NETWORK, 1, issued_at=NOW - 1)
    shard = NETWORK.shard(pack(note.envelopes[0].topic))
    engine.left_shards = frozenset(range(NETWORK.shard_count)) - {shard}
    assert only(offer(engine, note, source=CaughtUp(PEER)), Relay).parts == [note]


def test_a_grant_rides_with_the_first_frame_that_rests_on_it_and_no_other() -> None:
    engine, grant = an_engine(), grant_for()
    auth = a_session(grant.envelopes[0])
    assert only(offer(engine, grant), Relay).grants == []
    assert only(offer(engine, a_note(NETWORK, WALLET_RANGE, auth=auth)), Relay).grants == [grant.envelopes[0]]
    assert only(offer(engine, a_note(NETWORK, WALLET_RANGE + 1, auth=auth)), Relay).grants == []


def test_a_grant_that_rode_in_a_forwarded_frame_rides_no_more() -> None:
    engine, grant = an_engine(), grant_for()
    first, second = (a_note(NETWORK, WALLET_RANGE + n, auth=a_session(grant.envelopes[0])) for n in range(2))
    assert only(gossip(engine, grant, first), Judge).verdict is Verdict.ACCEPT
    assert only(offer(engine, second), Relay).grants == []


def test_a_grant_that_came_by_itself_first_may_still_ride_once() -> None:
    """Else the frame of a new key's first item, which its grant overtook, would be packed anew at every node."""
    topics = sorted({msgspec.structs.replace(TOPIC, name=f"topic-{n}") for n in range(31)} | {TOPIC})
    engine, grant = an_engine(), grant_for(topics=topics)
    auth = a_session(grant.envelopes[0])
    assert only(gossip(engine, grant), Judge).verdict is Verdict.ACCEPT
    first, second = (a_note(NETWORK, WALLET_RANGE + n, auth=auth) for n in range(2))
    assert only(gossip(engine, grant, first), Judge).verdict is Verdict.ACCEPT
    again = only(gossip(engine, grant, second), Judge)
    assert (again.verdict, again.reason) == (Verdict.IGNORE, Reason.STALE_FRAME)
