from pushmesh_node.engine.answers import Level, Outcome
from pushmesh_node.engine.effects import Answer, Deliver, EndAccess, Judge, Relay, Reoffer, Store, Tally
from pushmesh_node.engine.records import SentMark
from pushmesh_node.engine.turn import Turn
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Reason, Verdict
from support.bodies import a_network
from support.envelopes import NOW, a_note, an_envelope

NETWORK = a_network()
NOTE = a_note(NETWORK)
GRANT = an_envelope(NETWORK, Kind.GRANT, seq=20)
PEER = b"\x0e" * 32


def test_a_turn_in_which_nothing_happened_has_no_effects() -> None:
    assert Turn(NOW).effects() == []


def test_effects_come_out_in_the_one_order() -> None:
    turn = Turn(NOW)
    outcome = Outcome(NOTE.envelopes[0].id, Level.DURABLE, Reason.OK, "", "", 1)
    turn.tally("published", Verdict.ACCEPT, Reason.OK)
    turn.released.append((PEER, NOTE))
    turn.ended.append(GRANT.id)
    turn.deliveries.append(Deliver(1, NOTE, 0, []))
    turn.riding[GRANT.id] = GRANT
    turn.relayed.append(NOTE)
    turn.answers.append(Answer(1, [outcome]))
    turn.writes.append(SentMark(3))
    turn.judges.append(Judge(5, Verdict.ACCEPT, Reason.OK, 9))
    assert turn.effects() == [
        Judge(5, Verdict.ACCEPT, Reason.OK, 9),
        Store([SentMark(3)]),
        Answer(1, [outcome]),
        Relay([NOTE], [GRANT]),
        Deliver(1, NOTE, 0, []),
        EndAccess([GRANT.id]),
        Reoffer([(PEER, NOTE)]),
        Tally("published", Verdict.ACCEPT, Reason.OK, 1),
    ]


def test_answers_of_one_kind_are_counted_together() -> None:
    turn = Turn(NOW)
    for reason, count in ((Reason.OK, 1), (Reason.EXPIRED, 2), (Reason.OK, 3)):
        turn.tally("gossiped", Verdict.ACCEPT, reason, count)
    tallies = [Tally("gossiped", Verdict.ACCEPT, Reason.OK, 4), Tally("gossiped", Verdict.ACCEPT, Reason.EXPIRED, 2)]
    assert turn.effects() == tallies
