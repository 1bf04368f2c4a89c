from collections.abc import Sequence
from random import Random
from typing import Any

from pushmesh_node.gossip.frames.packer import FrameClass, Packed, Packer
from pushmesh_protocol.accounts import Topic, contract_account
from pushmesh_protocol.auth.schemes import Eip712, Erc1271, Session
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.frames import Part, gossip_topic_of, open_frame
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import ByteLimits, Parameters
from support.bodies import ISSUED_AT, a_network
from support.envelopes import ALICE, NOW, WALLET_RANGE, a_note, a_run, a_session, an_envelope

NETWORK = a_network(parameters=Parameters(0, 0, 4_096, {}, {}))
GRANT = an_envelope(NETWORK, Kind.GRANT, seq=20)
SESSION = a_session(GRANT)
CONTRACT = contract_account(1, b"\x0c" * 20)
WORKED = Eip712(None, b"\x01" * 65, 7)


def a_packer() -> Packer:
    """One whose topics are all busy, so that nothing leaves before its time unless a frame is full."""
    packer = Packer(NETWORK)
    for envelope in (a_note(NETWORK, 900), a_note(NETWORK, 901, auth=WORKED)):
        packer.add([envelope], [], NOW)
    return packer


def opened(packed: Packed) -> tuple[list[Envelope | object], list[Part | object]]:
    """Grants and parts as a peer sees them on that gossip topic; a frame that it would REJECT raises here."""
    frame = open_frame(NETWORK, packed.data, gossip_topic=packed.topic)
    return list(frame.grants), list(frame.parts)


def envelopes_in(frames: Sequence[Packed]) -> list[Envelope]:
    return [e for frame in frames for e in open_frame(NETWORK, frame.data, gossip_topic=frame.topic).envelopes()]


def test_an_idle_topic_sends_its_first_item_at_once() -> None:
    packer = Packer(NETWORK)
    (packed,) = packer.add([a_note(NETWORK)], [], NOW)
    assert packed.topic == gossip_topic_of(NETWORK, a_note(NETWORK).envelopes[0])
    assert opened(packed) == ([], [a_note(NETWORK)])
    assert packer.next_due_ms() is None


def test_the_second_waits_for_company_and_leaves_with_it() -> None:
    packer = Packer(NETWORK)
    packer.add([a_note(NETWORK, 1)], [], NOW)
    assert packer.add([a_note(NETWORK, 2)], [], NOW + 1) == []
    assert packer.add([a_note(NETWORK, 3)], [], NOW + 5) == []
    assert packer.next_due_ms() == NOW + 21
    assert packer.due(NOW + 20) == []
    (packed,) = packer.due(NOW + 21)
    assert opened(packed)[1] == [a_note(NETWORK, 2), a_note(NETWORK, 3)]
    assert packer.next_due_ms() is None


def test_what_has_waited_more_than_half_leaves_with_what_has_waited_enough() -> None:
    for later_ms, together in ((10, 2), (11, 1)):
        packer = a_packer()
        assert packer.add([a_note(NETWORK, 1)], [], NOW) == []
        assert packer.add([a_note(NETWORK, 2, auth=WORKED)], [], NOW + later_ms) == []
        assert packer.due(NOW + 19) == []
        frames = packer.due(NOW + 20)
        assert len(envelopes_in(frames)) == len(frames) == together
        assert packer.next_due_ms() == (None if together == 2 else NOW + 20 + later_ms)


def test_under_load_frames_wait_longer_up_to_a_bound_and_then_less_again() -> None:
    packer, now, waits = a_packer(), int(NOW), []
    for seq in range(6):
        packer.add([a_note(NETWORK, seq)], [], now)
        due = packer.next_due_ms()
        assert due is not None
        waits.append(due - now)
        now = due
        assert len(packer.due(now)) == 1
    assert waits == [20, 40, 80, 100, 100, 100]
    assert len(packer.add([a_note(NETWORK, 9)], [], now + 100)) == 1  # idle again
    packer.add([a_note(NETWORK, 10)], [], now + 100)
    assert packer.next_due_ms() == now + 120


def test_frames_are_filled_to_the_target_and_a_larger_item_travels_alone() -> None:
    packer = a_packer()
    notes = [a_note(NETWORK, 1 + 3 * n, body="x" * 4_000) for n in range(40)]
    frames = packer.add(notes, [], NOW + 1)
    assert [len(frame.data) // 1_024 for frame in frames] == [61, 61]
    large = a_note(NETWORK, 200, audience=[b"\x02" + n.to_bytes(32, "big") for n in range(1_990)])
    first, second = packer.add([large], [], NOW + 2)
    assert opened(second)[1] == [large]
    assert len(opened(first)[1]) == 10


def test_classes_never_ride_together() -> None:
    own = an_envelope(NETWORK, Kind.TOPIC, CONTRACT, auth=Erc1271(b"\x01", None), seq=1)
    contract_grant = Session(b"\x01" * 32, b"\x02" * 32, bytes(64), None)
    theirs = an_envelope(NETWORK, Kind.TOPIC, CONTRACT, auth=contract_grant, seq=WALLET_RANGE)
    alices = an_envelope(NETWORK, Kind.TOPIC, seq=1)
    soon = an_envelope(NETWORK, Kind.TOPIC, seq=2, expires_at=NOW + 59_999)
    later = an_envelope(NETWORK, Kind.TOPIC, seq=3, expires_at=NOW + 60_000)
    ahead = an_envelope(NETWORK, Kind.TOPIC, seq=4, issued_at=NOW + 30_001)
    near = an_envelope(NETWORK, Kind.TOPIC, seq=5, issued_at=NOW + 30_000)
    worked = an_envelope(NETWORK, Kind.TOPIC, seq=6, auth=WORKED)
    both = an_envelope(NETWORK, Kind.TOPIC, seq=7, auth=WORKED, expires_at=NOW + 59_999)
    parts = [Part((e,)) for e in (own, theirs, alices, soon, later, ahead, near, worked, both)]
    frames = Packer(NETWORK).add(parts, [], NOW)
    together = [[e.body.seq for e in envelopes_in([frame])] for frame in frames]
    assert together == [[1, WALLET_RANGE], [1, 3, 5], [2, 4], [6], [7]]


def test_the_end_of_the_window_is_an_edge() -> None:
    epoch_end = (NETWORK.epoch(ISSUED_AT) + 2) * NETWORK.epoch_length_ms + NETWORK.epoch_origin_ms
    for left, expected in ((60_000, FrameClass.ALLOWANCE), (59_999, FrameClass.EDGE)):
        assert Packer(NETWORK)._class_of(a_note(NETWORK), epoch_end - left) == expected


def test_a_young_grant_rides_once_with_all_that_needs_it() -> None:
    packer = a_packer()
    notes = [a_note(NETWORK, WALLET_RANGE + n, auth=SESSION) for n in range(3)]
    packer.add([notes[0], a_note(NETWORK, 5)], [GRANT], NOW + 1)
    packer.add(notes[1:], [GRANT], NOW + 1)
    (packed,) = packer.due(NOW + 30)
    assert opened(packed) == ([GRANT], [notes[0], a_note(NETWORK, 5), *notes[1:]])


def test_a_grant_that_is_not_given_does_not_ride() -> None:
    (packed,) = Packer(NETWORK).add([a_note(NETWORK, WALLET_RANGE, auth=SESSION)], [], NOW)
    assert opened(packed)[0] == []


def test_only_the_first_frame_carries_the_grant() -> None:
    packer = a_packer()
    notes = [a_note(NETWORK, WALLET_RANGE + 3 * n, auth=SESSION, body="x" * 4_000) for n in range(20)]
    first = packer.add(notes, [GRANT], NOW + 1)
    second = packer.due(NOW + 30)
    assert [opened(frame)[0] for frame in (*first, *second)] == [[GRANT], []]


def test_a_whole_batch_leaves_no_room_for_its_grant_which_travels_by_itself() -> None:
    run = a_run(NETWORK, 1_024, WALLET_RANGE, auth=SESSION)
    frames = Packer(NETWORK).add([run], [GRANT], NOW)
    assert [opened(frame) for frame in frames] == [([], [run]), ([], [Part((GRANT,))])]
    fits = a_run(NETWORK, 1_023, WALLET_RANGE, auth=SESSION)
    (packed,) = Packer(NETWORK).add([fits], [GRANT], NOW)
    assert opened(packed) == ([GRANT], [fits])


def test_a_batch_of_many_bytes_leaves_no_room_for_its_grant_either() -> None:
    count = 130
    run = a_run(NETWORK, count, WALLET_RANGE, auth=SESSION, body="x" * 1_900)
    size = len(Packer(NETWORK).add([run], [], NOW)[0].data)
    for spare, rides in ((0, False), (1_000, True)):
        network = a_network(limits=ByteLimits(frame_bytes=size + spare))
        grant = an_envelope(network, Kind.GRANT, seq=20)
        again = a_run(network, count, WALLET_RANGE, auth=a_session(grant), body="x" * 1_900)
        first, *others = Packer(network).add([again], [grant], NOW)
        assert len(first.data) <= size + spare
        assert len(open_frame(network, first.data).grants) == rides
        assert [open_frame(network, other.data).parts for other in others] == [(Part((grant,)),)] * (not rides)


def test_the_same_envelope_never_rides_twice_in_one_frame() -> None:
    packer = a_packer()
    note = a_note(NETWORK, 1)
    run = a_run(NETWORK, 4, 10)
    again = a_note(NETWORK, 10, body="leaf 0")
    frames = packer.add([note, note, run, again], [], NOW + 1) + packer.due(NOW + 30)
    assert [opened(frame)[1] for frame in frames] == [[note], [note, run], [again]]


def test_every_envelope_leaves_in_frames_that_no_peer_rejects(rng: Random) -> None:
    """Random parts of all sizes, auths and topics, in random bursts."""
    packer, now = Packer(NETWORK), int(NOW)
    sent: list[Packed] = []
    given: list[Envelope] = []
    for step in range(60):
        parts = [_some_part(rng, 1 + step * 40 + 8 * place) for place in range(rng.randint(1, 4))]
        given += [envelope for part in parts for envelope in part.envelopes]
        sent += packer.add(parts, [GRANT] if rng.random() < 0.7 else [], now)
        now += rng.randrange(60)
        sent += packer.due(now)
    sent += packer.due(now + 100)
    assert packer.next_due_ms() is None
    gone = [envelope for envelope in envelopes_in(sent) if envelope.id != GRANT.id]
    assert sorted(e.id for e in gone) == sorted(e.id for e in given)
    assert all(len(frame.data) <= 65_536 + 300 or len(opened(frame)[1]) == 1 for frame in sent)


def _some_part(rng: Random, seq: int) -> Part:
    topic = Topic(ALICE, rng.choice("abc"))
    size = rng.choice([1, 300, 4_000])
    changes: dict[str, Any] = {"topic": topic, "body": "x" * size}
    match rng.randrange(4):
        case 0:
            return a_note(NETWORK, seq, auth=rng.choice([Eip712(None, b"\x01" * 65, None), WORKED]), **changes)
        case 1:
            return a_note(NETWORK, WALLET_RANGE + seq, auth=SESSION, **changes)
        case 2:
            auth = Erc1271(bytes(rng.choice([1, 70_000])), None)
            return Part((an_envelope(NETWORK, Kind.TOPIC, CONTRACT, auth=auth, seq=seq),))
        case _:
            return a_run(NETWORK, rng.randint(1, 8), seq, body="y" * min(size, 1_500))
