from pushmesh_node.engine.answers import Level, Outcome
from pushmesh_node.engine.events import Offer, Published
from pushmesh_node.engine.outcomes import in_order, refused
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.reasons import Reason
from support.engine_world import NETWORK
from support.envelopes import a_note

(NOTE,) = a_note(NETWORK).envelopes
REFUSAL = Refusal(Reason.MALFORMED, "3.1", "no frame")


def test_what_is_refused_says_why_and_has_no_number() -> None:
    assert refused(NOTE, REFUSAL) == Outcome(NOTE.id, Level.REFUSED, Reason.MALFORMED, "3.1", "no frame", None)
    assert refused(None, REFUSAL).id is None


def test_unreadable_entries_are_answered_in_their_places() -> None:
    answers = [[Outcome(NOTE.id, Level.DURABLE, Reason.OK, "", "", number)] for number in (1, 2)]
    offer = Offer(Published(1), [], [(0, REFUSAL), (2, REFUSAL)])
    assert [outcome.commit_no for outcome in in_order(offer, answers)] == [None, 1, None, 2]
