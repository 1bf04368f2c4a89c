"""Messages whose time lies ahead, as the engine decides about them."""

from collections.abc import Sequence

from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.effects import Deliver, Relay, Store
from pushmesh_node.engine.events import Candidate, DueCame, ListenerCame, Offer, Offered, Published
from pushmesh_node.engine.records import DueRecord, Record, Unscheduled
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import UnixMs
from support.bodies import a_network
from support.envelopes import ALICE, BOB, NOW, TOPIC, a_note, a_run, an_envelope

NETWORK = a_network()
DUE = UnixMs(NOW + 60_000)


def an_engine() -> Engine:
    engine = Engine(NETWORK, next_commit=1, policy=NO_POLICY)
    engine.handle(ListenerCame(BOB), NOW)
    offer(engine, Part((an_envelope(NETWORK, Kind.SUBSCRIPTION, BOB, topic=TOPIC, seq=40),)))
    return engine


def offer(engine: Engine, *parts: Part) -> list[object]:
    return list(engine.handle(Offered([Offer(Published(1), [Candidate(part) for part in parts])]), NOW))


def of(effects: Sequence[object], kind: type) -> list[object]:
    return [effect for effect in effects if isinstance(effect, kind)]


def writes(effects: Sequence[object]) -> list[object]:
    return [write for effect in effects if isinstance(effect, Store) for write in effect.writes]


def test_before_its_time_it_is_stored_and_relayed_at_once_and_delivered_to_nobody() -> None:
    effects = offer(an_engine(), part := a_note(NETWORK, seq=1, not_before=DUE))
    (record,) = writes(effects)
    assert isinstance(record, Record) and record.due_ats == (DUE,)
    assert of(effects, Relay) == [Relay([part], [])]
    assert of(effects, Deliver) == []


def test_what_is_due_when_it_comes_is_shown_at_once() -> None:
    effects = offer(an_engine(), a_note(NETWORK, seq=1, not_before=NOW))
    (record,) = writes(effects)
    assert isinstance(record, Record) and record.due_ats == ()
    assert len(of(effects, Deliver)) == 1


def test_at_its_time_it_gets_a_new_number_and_is_delivered_but_not_relayed_again() -> None:
    engine = an_engine()
    offer(engine, part := a_note(NETWORK, seq=1, not_before=DUE))
    effects = list(engine.handle(DueCame([(2, DUE, (part, 0), False)]), DUE))
    assert writes(effects) == [DueRecord(3, 2, DUE, None, encode_frame([part]))]
    (deliver,) = of(effects, Deliver)
    assert isinstance(deliver, Deliver)
    assert (deliver.commit_no, [list(group.accounts) for group in deliver.groups]) == (3, [[BOB]])
    assert of(effects, Relay) == [] and engine.last_commit == 3


def test_a_leaf_of_a_run_is_shown_by_itself() -> None:
    engine = an_engine()
    run = a_run(NETWORK, count=4, not_before=DUE)
    offer(engine, run)
    (shown,) = writes(list(engine.handle(DueCame([(4, DUE, (run, 2), False)]), DUE)))
    assert isinstance(shown, DueRecord) and (shown.commit_no, shown.origin) == (6, 4)
    assert len(shown.data) < len(encode_frame([run]))


def test_what_is_over_or_gone_when_its_time_comes_is_taken_off() -> None:
    engine = an_engine()
    part = a_note(NETWORK, seq=1, not_before=DUE, expires_at=DUE + 10)
    assert writes(
        list(engine.handle(DueCame([(2, DUE, (part, 0), False), (3, DUE, None, False)]), UnixMs(DUE + 10)))
    ) == [
        Unscheduled(2, DUE),
        Unscheduled(3, DUE),
    ]


def test_one_that_was_cancelled_before_its_time_is_delivered_to_nobody() -> None:
    engine = an_engine()
    (note,) = (part := a_note(NETWORK, seq=1, not_before=DUE)).envelopes
    offer(engine, part)
    cancel = an_envelope(
        NETWORK, Kind.RETRACTION, ALICE, seq=2, target=note.id, mode=2, expires_at=note.body.expires_at
    )
    offer(engine, Part((cancel,)))
    effects = list(engine.handle(DueCame([(2, DUE, (part, 0), False)]), DUE))
    assert of(effects, Deliver) == []


def test_what_was_found_due_is_delivered_though_the_clock_was_put_back_since() -> None:
    """Whoever reads on goes on behind it: what is held once more is lost to them."""
    engine = an_engine()
    offer(engine, part := a_note(NETWORK, seq=1, not_before=DUE))
    before = UnixMs(DUE - 5)
    effects = list(engine.handle(DueCame([(2, DUE, (part, 0), False)]), before))
    assert len(of(effects, Deliver)) == 1
    (note,) = part.envelopes
    assert engine.state.curator.decide(note, BOB, before).verdict == "now"
    assert engine.state.curator.explain(note, BOB, before, void=False).decision.reason == "not-yet"
