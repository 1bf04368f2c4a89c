from collections.abc import Collection, Sequence

import msgspec

from pushmesh_node.engine.answers import Level, Outcome
from pushmesh_node.engine.effects import Judge
from pushmesh_node.engine.events import Candidate, Gossiped, Offer
from pushmesh_node.engine.frame_rule import first_reject, is_new, judge, riders
from pushmesh_node.gossip.rotating import RotatingSet
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope, item_bytes
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Reason, Verdict
from pushmesh_protocol.tree import audit_path
from support.bodies import a_network
from support.envelopes import TOPIC, WALLET_RANGE, a_note, a_run, a_session, an_envelope

NETWORK = a_network()
PEER = b"\x0e" * 32
NEW = (Level.DURABLE, Reason.OK)
VOID = (Level.DURABLE, Reason.SLOT_VOID)
HELD = (Level.DURABLE, Reason.DUPLICATE)
LATE = (Level.REFUSED, Reason.EXPIRED)
Answer = tuple[Level, Reason]


def sizes_of(part: Part) -> list[int]:
    if part.statement is None:
        return [len(item_bytes(part.envelopes[0]))]
    return [len(pack(leaf.body_bytes)) for leaf in part.envelopes]


def judged(
    parts: Sequence[Part],
    answers: Sequence[Sequence[Answer]],
    *,
    grants: Sequence[Envelope] = (),
    known: Sequence[Sequence[bool]] | None = None,
    unreadable: Sequence[tuple[int, Refusal]] = (),
    ridden: Collection[bytes] = (),
) -> Judge:
    """The judgement of a real frame of these parts; the answers begin with those of the grants."""
    everything = [*(Part((grant,)) for grant in grants), *parts]
    flags = known or [()] * len(everything)
    candidates = [
        Candidate(part, known=list(flag), sizes=sizes_of(part)) for part, flag in zip(everything, flags, strict=True)
    ]
    outcomes = [
        [
            Outcome(envelope.id, level, reason, "", "", None)
            for envelope, (level, reason) in zip(part.envelopes, told, strict=True)
        ]
        for part, told in zip(everything, answers, strict=True)
    ]
    source = Gossiped(PEER, 5, len(encode_frame(parts, grants)))
    sent = RotatingSet(100)
    sent.update(ridden)
    return judge(source, Offer(source, candidates, unreadable), outcomes, sent)


def verdict(judgement: Judge) -> tuple[Verdict, Reason]:
    return judgement.verdict, judgement.reason


ACCEPTED = (Verdict.ACCEPT, Reason.OK)
STALE = (Verdict.IGNORE, Reason.STALE_FRAME)
NOTES = [a_note(NETWORK, seq) for seq in range(1, 8)]


def test_the_first_item_that_holds_a_frame_back_gives_the_reason() -> None:
    surplus = (Level.REFUSED, Reason.SURPLUS)
    parts = [a_note(NETWORK, seq) for seq in (1, 2, 3)]
    assert verdict(judged(parts, [[NEW], [LATE], [surplus]])) == (Verdict.IGNORE, Reason.EXPIRED)
    first = [(0, Refusal(Reason.UNKNOWN_KIND, "4.5", ""))]
    assert verdict(judged(parts, [[NEW], [LATE], [surplus]], unreadable=first)) == (Verdict.IGNORE, Reason.UNKNOWN_KIND)


def test_a_frame_of_new_items_goes_on_and_earns_their_bytes() -> None:
    judgement = judged(NOTES[:2], [[NEW], [VOID]])
    assert judgement == Judge(5, Verdict.ACCEPT, Reason.OK, sum(sizes_of(NOTES[0]) + sizes_of(NOTES[1])))


def test_one_item_that_is_neither_accepted_nor_known_holds_the_frame_back() -> None:
    judgement = judged(NOTES[:3], [[NEW], [LATE], [NEW]])
    assert verdict(judgement) == (Verdict.IGNORE, Reason.EXPIRED)
    assert judgement.new_bytes > 0
    unreadable = [(1, Refusal(Reason.UNKNOWN_KIND, "4.5", ""))]
    assert verdict(judged(NOTES[:1], [[NEW]], unreadable=unreadable)) == (Verdict.IGNORE, Reason.UNKNOWN_KIND)


def test_a_known_item_hash_holds_nothing_back_whatever_is_said_of_it_now() -> None:
    known = [[True], [False], [False]]
    assert verdict(judged(NOTES[:3], [[LATE], [NEW], [NEW]], known=known)) == ACCEPTED
    assert verdict(judged(NOTES[:3], [[NEW], [LATE], [NEW]], known=known)) == (Verdict.IGNORE, Reason.EXPIRED)


def test_a_known_id_with_another_authorised_auth_counts_as_known() -> None:
    assert verdict(judged(NOTES[:3], [[HELD], [NEW], [NEW]])) == ACCEPTED


def test_a_frame_without_anything_new_is_a_duplicate() -> None:
    assert judged(NOTES[:2], [[HELD], [HELD]]) == Judge(5, Verdict.IGNORE, Reason.DUPLICATE, 0)


def test_new_items_are_at_least_half_of_the_bytes() -> None:
    small, large = a_note(NETWORK, 1), a_note(NETWORK, 2, body="x" * 3_000)
    assert verdict(judged([small, large], [[NEW], [HELD]])) == STALE
    assert verdict(judged([small, large], [[HELD], [NEW]])) == ACCEPTED


def test_exactly_half_is_enough() -> None:
    frame = len(encode_frame(NOTES[:1]))
    header = frame - sizes_of(NOTES[0])[0]
    equal = a_note(NETWORK, 2, body="Repay or add collateral." + "x" * header)
    assert sizes_of(equal)[0] == sizes_of(NOTES[0])[0] + header
    assert verdict(judged([NOTES[0], equal], [[NEW], [HELD]])) == ACCEPTED
    longer = a_note(NETWORK, 2, body="Repay or add collateral." + "x" * (header + 2))
    assert verdict(judged([NOTES[0], longer], [[NEW], [HELD]])) == STALE


def test_a_grant_counts_as_new_when_a_new_item_refers_to_it() -> None:
    topics = sorted({msgspec.structs.replace(TOPIC, name=f"topic-{n}") for n in range(31)} | {TOPIC})
    grant = an_envelope(NETWORK, Kind.GRANT, seq=20, topics=topics)
    note = a_note(NETWORK, WALLET_RANGE, auth=a_session(grant))
    other = a_note(NETWORK, WALLET_RANGE + 1, auth=a_session(grant))
    assert sizes_of(Part((grant,)))[0] > 2 * sizes_of(note)[0]
    assert verdict(judged([note], [[HELD], [NEW]], grants=[grant])) == ACCEPTED
    assert verdict(judged([note, NOTES[0]], [[HELD], [HELD], [NEW]], grants=[grant])) == STALE
    assert verdict(judged([note, other], [[HELD], [HELD], [NEW]], grants=[grant])) == ACCEPTED


def test_a_grant_that_was_sent_beside_an_item_before_counts_as_known() -> None:
    topics = sorted({msgspec.structs.replace(TOPIC, name=f"topic-{n}") for n in range(31)} | {TOPIC})
    grant = an_envelope(NETWORK, Kind.GRANT, seq=20, topics=topics)
    note = a_note(NETWORK, WALLET_RANGE, auth=a_session(grant))
    large = a_note(NETWORK, WALLET_RANGE + 1, auth=a_session(grant), body="x" * 3_900)
    assert verdict(judged([note], [[HELD], [NEW]], grants=[grant], ridden=[grant.id])) == STALE
    assert verdict(judged([large], [[HELD], [NEW]], grants=[grant], ridden=[grant.id])) == ACCEPTED


def test_riders_are_the_grants_that_items_beside_them_name() -> None:
    grant, alone = an_envelope(NETWORK, Kind.GRANT, seq=20), an_envelope(NETWORK, Kind.GRANT, seq=21)
    note = a_note(NETWORK, WALLET_RANGE, auth=a_session(grant))
    source = Gossiped(PEER, 5, 100)
    assert riders(Offer(source, [Candidate(part) for part in (Part((grant,)), note, NOTES[0])])) == [grant.id]
    assert riders(Offer(source, [Candidate(Part((alone,))), Candidate(Part((grant,)))])) == []


def test_a_path_and_a_statement_count_as_new_when_a_new_leaf_refers_to_them() -> None:
    whole = a_run(NETWORK, 1_024)
    ids = [leaf.id for leaf in whole.envelopes]
    first, second = (
        Part((whole.envelopes[at],), whole.statement, at, tuple(audit_path(ids, at, 1))) for at in (0, 512)
    )
    assert len(first.path) == 10
    assert sizes_of(first)[0] * 3 < len(encode_frame([first]))
    assert verdict(judged([first], [[NEW]])) == ACCEPTED
    assert verdict(judged([first, second], [[NEW], [HELD]])) == ACCEPTED  # the statement is the new one's too
    tiny = a_note(NETWORK, 1)
    assert verdict(judged([first, tiny], [[HELD], [NEW]])) == STALE


def test_the_first_reject_of_an_offer_is_found_anywhere_in_it() -> None:
    late, bad = Refusal(Reason.EXPIRED, "7.2", ""), Refusal(Reason.BAD_SIGNATURE, "5.3", "")
    candidates = [Candidate(NOTES[0], failures=[late]), Candidate(NOTES[1]), Candidate(NOTES[2], failures=[bad])]
    source = Gossiped(PEER, 5, 100)
    assert first_reject(Offer(source, candidates)) is bad
    assert first_reject(Offer(source, candidates[:2], [(0, late)])) is None
    assert first_reject(Offer(source, candidates[:2], [(0, bad)])) is bad


def test_new_is_what_was_stored_or_never_sent() -> None:
    found = [is_new(Outcome(NOTES[0].envelopes[0].id, *answer, "", "", None)) for answer in (NEW, VOID, HELD, LATE)]
    assert found == [True, True, False, False]
