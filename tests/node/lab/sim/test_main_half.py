from typing import Any

from pushmesh_node.app.offers import Finding, entry_of
from pushmesh_node.engine.effects import Judge
from pushmesh_node.engine.events import CaughtUp, Gossiped
from pushmesh_node.engine.records import Record
from pushmesh_node.gossip.frames.packer import SHORT_WAIT_MS, Packed
from pushmesh_node.lab.sim.clock import Clock
from pushmesh_node.lab.sim.conditions import Costs
from pushmesh_node.lab.sim.main_half import MAX_ENVELOPES, MainHalf
from pushmesh_node.lab.sim.sense import SharedSense
from pushmesh_protocol.frames import Part, open_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.reasons import Reason, Verdict
from support.bodies import ISSUED_AT, a_network
from support.envelopes import a_note
from support.signed import a_signed_grant, a_signed_note, by_session, parts_of, signed

NETWORK = a_network()
PEER = b"\x0e" * 32
COSTS = Costs()


class Main:
    """A main half alone, and what it told."""

    def __init__(self) -> None:
        self.clock = Clock(ISSUED_AT)
        self.judged: list[Judge] = []
        self.sent: list[tuple[int, Packed]] = []
        self.committed: list[tuple[int, Record]] = []
        self.half = MainHalf(
            NETWORK,
            self.clock,
            COSTS,
            SharedSense(NETWORK),
            b"\x01" * 16,
            self.judged.append,
            lambda frame: self.sent.append((self.clock.now_us, frame)),
            lambda record: self.committed.append((self.clock.now_us, record)),
            lambda tally: None,
        )

    def settle(self, seconds: float = 1.0) -> None:
        self.clock.run_until(self.clock.now_us + int(seconds * 1e6))

    def ids(self) -> list[Any]:
        return [id for _, record in self.committed for id in record.ids]


def test_what_is_published_is_sent_only_when_it_is_durable() -> None:
    main, note = Main(), a_signed_note(NETWORK)
    main.half.publish(parts_of(note))
    main.settle()
    ((durable_us, record),) = main.committed
    decided_us = COSTS.ipc_us + COSTS.decide_item_us
    assert (record.ids, durable_us) == ((note.id,), decided_us + COSTS.commit_us)
    assert [(at, open_frame(NETWORK, frame.data).parts) for at, frame in main.sent] == [
        (durable_us, tuple(parts_of(note)))
    ]


def test_what_cannot_be_verified_is_never_stored() -> None:
    main = Main()
    main.half.publish([a_note(NETWORK)])
    main.settle()
    assert (main.committed, main.sent) == ([], [])


def test_a_second_copy_is_judged_and_not_stored_again() -> None:
    main, note = Main(), a_signed_note(NETWORK)
    for number in (1, 2):
        main.half.take(entry_of(Gossiped(PEER, number, 500), parts_of(note), [Finding(sizes=[480])]))
    main.settle()
    assert [(judge.verdict, judge.reason) for judge in main.judged] == [
        (Verdict.ACCEPT, Reason.OK),
        (Verdict.IGNORE, Reason.DUPLICATE),
    ]
    assert main.ids() == [note.id]


def test_what_waits_for_its_grant_is_taken_when_the_grant_comes() -> None:
    main, grant = Main(), a_signed_grant(NETWORK)
    note = signed(NETWORK, Kind.NOTIFICATION, seq=NETWORK.wallet_range, by=by_session(grant))
    main.half.take(entry_of(Gossiped(PEER, 1, 500), parts_of(note)))
    main.settle()
    assert main.ids() == []
    main.half.take(entry_of(CaughtUp(PEER), parts_of(grant)))
    main.settle()
    assert main.ids() == [grant.id, note.id]


def test_without_a_peer_nothing_is_packed() -> None:
    main = Main()
    main.half.relays = False
    main.half.publish(parts_of(a_signed_note(NETWORK)))
    main.settle()
    assert (len(main.committed), main.sent) == (1, [])


def test_a_busy_topic_waits_for_the_packers_timer() -> None:
    main = Main()
    main.half.publish(parts_of(a_signed_note(NETWORK, seq=1)))
    main.settle(0.01)
    main.half.publish(parts_of(a_signed_note(NETWORK, seq=2)))
    main.settle()
    (first_us, _), (second_us, _) = main.sent
    assert second_us - first_us >= SHORT_WAIT_MS * 1_000


def test_entries_have_their_turn_on_the_core_one_after_the_other_and_room_ends() -> None:
    main = Main()
    notes = [Part((a_signed_note(NETWORK, seq=seq),)) for seq in range(1, 4)]
    told: list[int] = []
    for note in notes:
        main.half.take(entry_of(CaughtUp(PEER), [note]), lambda: told.append(main.clock.now_us))
    main.settle()
    assert told[0] == COSTS.ipc_us + COSTS.decide_item_us
    assert told[1] - told[0] == COSTS.decide_item_us
    assert main.half.room()
    main.half.take(entry_of(CaughtUp(PEER), notes * MAX_ENVELOPES))
    assert not main.half.room()


def test_when_durable_comes_after_all_that_was_decided() -> None:
    main = Main()
    main.half.publish(parts_of(a_signed_note(NETWORK)))
    main.settle(0.001)
    seen: list[int] = []
    main.half.when_durable(lambda: seen.append(len(main.committed)))
    main.settle()
    assert seen == [1]


def test_an_envelope_of_an_unknown_grant_is_not_authorised() -> None:
    main, grant = Main(), a_signed_grant(NETWORK)
    note = signed(NETWORK, Kind.NOTIFICATION, seq=NETWORK.wallet_range, by=by_session(grant))
    assert not main.half.is_authorised(note)
    assert main.half.is_authorised(grant)
    main.half.tick()
