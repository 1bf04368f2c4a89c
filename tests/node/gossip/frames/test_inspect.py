from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from pushmesh_node.gossip.frames import inspect
from pushmesh_node.gossip.frames.inspect import FrameInspector
from pushmesh_node.gossip.frames.inspection import Inspection
from pushmesh_node.ipc import Allowances, ItemVerdict
from pushmesh_protocol.auth.schemes import Eip712, Session
from pushmesh_protocol.auth.verify import verify_one
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope, item_hash
from pushmesh_protocol.frames import Part, encode_frame, gossip_topic_of, open_frame
from pushmesh_protocol.kinds import Kind, Scope
from pushmesh_protocol.network import ByteLimits, Parameters
from pushmesh_protocol.reasons import Reason, Verdict, verdict_of
from support.bodies import a_network
from support.damage import damaged
from support.envelopes import NOW, a_note, a_run
from support.signed import (
    ALERTS,
    HOLDER,
    OWNER,
    PHONE,
    WALLET_RANGE,
    a_signed_grant,
    a_signed_note,
    a_signed_run,
    by_session,
    parts_of,
    signed,
)

NETWORK = a_network(parameters=Parameters(0, 0, 4_096, {}, {}))
PEER = b"\x0e" * 32
TOPIC = gossip_topic_of(NETWORK, a_signed_note(NETWORK))
GRANT = a_signed_grant(NETWORK)
FORGED = Eip712(None, b"\x01" * 64 + b"\x1b", None)
REJECTED = Inspection(Verdict.REJECT, Reason.BAD_SIGNATURE, [])
DUPLICATE = Inspection(Verdict.IGNORE, Reason.DUPLICATE, [])


def in_order(_: list[int]) -> None:
    """As they come, so that a test knows which signature is looked at first."""


def an_inspector(shuffle: Callable[[list[int]], None] = in_order) -> FrameInspector:
    return FrameInspector(NETWORK, checks_per_peer_per_s=2_000, shuffle=shuffle)


def inspected(inspector: FrameInspector, parts: Sequence[Part], grants: Sequence[Envelope] = ()) -> Inspection:
    return inspector.inspect(PEER, TOPIC, encode_frame(parts, grants), NOW)


def reasons(inspection: Inspection) -> list[str]:
    return [item.reason for item in inspection.items]


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The claims whose signatures were really checked, in order."""
    seen: list[object] = []

    def counting(network: Any, claim: Any) -> Any:
        seen.append(claim.content)
        return verify_one(network, claim)

    monkeypatch.setattr(inspect, "verify_one", counting)
    return seen


def test_one_verdict_an_envelope_in_the_order_of_the_opened_frame() -> None:
    session = a_signed_note(NETWORK, WALLET_RANGE, by=by_session(GRANT))
    subscription = signed(NETWORK, Kind.SUBSCRIPTION, by=PHONE, author=HOLDER, topic=ALERTS, seq=3)
    run = a_signed_run(NETWORK, 8, first=4, size=2)
    parts = [*parts_of(session), run, *parts_of(subscription)]
    inspection = inspected(an_inspector(), parts, [GRANT])
    frame = msgspec.msgpack.decode(encode_frame(parts, [GRANT]))
    sizes = [len(pack(member)) for member in (frame[1][0], frame[3][0], *frame[3][1][4], frame[3][2])]
    envelopes = list(open_frame(NETWORK, encode_frame(parts, [GRANT])).envelopes())
    assert inspection == Inspection(
        None,
        Reason.OK,
        [
            ItemVerdict(Verdict.ACCEPT, Reason.OK, envelope.id, item_hash(envelope), False, size)
            for envelope, size in zip(envelopes, sizes, strict=True)
        ],
    )


def test_a_frame_that_breaks_a_rule_of_bytes_is_rejected_with_it() -> None:
    twice = encode_frame(parts_of(a_signed_note(NETWORK), a_signed_note(NETWORK)))
    assert an_inspector().inspect(PEER, TOPIC, twice, NOW) == Inspection(Verdict.REJECT, Reason.REPEATED, [])
    elsewhere = encode_frame(parts_of(GRANT))
    assert an_inspector().inspect(PEER, TOPIC, elsewhere, NOW) == Inspection(Verdict.REJECT, Reason.WRONG_SHARD, [])


@pytest.mark.parametrize("bad", [a_note(NETWORK, 1, OWNER, auth=FORGED), a_run(NETWORK, 4)])
def test_one_bad_signature_rejects_the_frame(bad: Part) -> None:
    inspector = an_inspector()
    topic = gossip_topic_of(NETWORK, bad.envelopes[0])
    assert inspector.inspect(PEER, topic, encode_frame([bad]), NOW) == REJECTED


def test_signatures_are_checked_in_the_given_order_up_to_the_first_bad_one(checks: list[object]) -> None:
    parts = [
        *parts_of(a_signed_note(NETWORK, 1)),
        a_note(NETWORK, 2, OWNER, auth=FORGED),
        *parts_of(a_signed_note(NETWORK, 3)),
    ]
    assert inspected(an_inspector(), parts) == REJECTED
    assert inspected(an_inspector(list.reverse), parts) == REJECTED
    assert [content.seq for content in checks] == [1, 2, 3, 2]  # type: ignore[attr-defined]  # they are bodies


def test_a_session_signature_is_enough_here_and_its_grant_is_mains_to_judge() -> None:
    session = a_signed_note(NETWORK, WALLET_RANGE, by=by_session(GRANT))
    assert reasons(inspected(an_inspector(), parts_of(session))) == ["ok"]
    forged = a_note(NETWORK, WALLET_RANGE, OWNER, auth=Session(b"\x22" * 32, GRANT.id, b"\x01" * 64, None))
    assert inspected(an_inspector(), [forged]) == REJECTED


def test_clock_and_slots_are_told_without_a_signature_check(checks: list[object]) -> None:
    late = a_signed_note(NETWORK, 1, expires_at=NOW)
    over = a_signed_note(NETWORK, 3_000)
    good = a_signed_note(NETWORK, 2)
    inspection = inspected(an_inspector(), parts_of(late, over, good))
    assert inspection.verdict is None
    assert [(item.verdict, item.reason) for item in inspection.items] == [
        (Verdict.IGNORE, "expired"),
        (Verdict.IGNORE, "over-allowance"),
        (Verdict.ACCEPT, "ok"),
    ]
    assert checks == [good.body]


def test_entries_that_cannot_be_read_have_no_verdict() -> None:
    tree = msgspec.msgpack.decode(encode_frame(parts_of(a_signed_note(NETWORK, 1), a_signed_note(NETWORK, 2))))
    tree[3][0][4] = [9, b"new"]
    inspection = an_inspector().inspect(PEER, TOPIC, pack(tree), NOW)
    assert [item.id for item in inspection.items] == [a_signed_note(NETWORK, 2).id]
    tree[3].pop()
    assert an_inspector().inspect(PEER, TOPIC, pack(tree), NOW) == Inspection(None, Reason.OK, [])


# What is known


def test_what_it_was_told_to_remember_is_not_checked_again(checks: list[object]) -> None:
    inspector = an_inspector()
    known, new = a_signed_note(NETWORK, 1), a_signed_note(NETWORK, 2)
    inspector.remember([item_hash(known)])
    assert inspected(inspector, parts_of(known)) == DUPLICATE
    inspection = inspected(inspector, parts_of(known, new))
    assert [(item.verdict, item.known) for item in inspection.items] == [
        (Verdict.ACCEPT, True),
        (Verdict.ACCEPT, False),
    ]
    assert checks == [new.body]


def test_what_holds_is_not_known_before_main_says_so(checks: list[object]) -> None:
    inspector, parts = an_inspector(), parts_of(a_signed_note(NETWORK))
    assert inspected(inspector, parts) == inspected(inspector, parts)
    assert len(checks) == 2


def test_a_known_item_holds_whatever_the_clock_says() -> None:
    inspector = an_inspector()
    late, new = a_signed_note(NETWORK, 1, expires_at=NOW), a_signed_note(NETWORK, 2)
    inspector.remember([item_hash(late)])
    assert reasons(inspected(inspector, parts_of(late, new))) == ["ok", "ok"]


def test_a_known_id_with_another_auth_is_checked() -> None:
    inspector = an_inspector()
    inspector.remember([item_hash(a_signed_note(NETWORK))])
    forged = a_note(NETWORK, 1, OWNER, auth=FORGED)
    assert forged.envelopes[0].id == a_signed_note(NETWORK).id
    assert inspected(inspector, [forged]) == REJECTED


def test_a_run_of_known_and_late_leaves_needs_no_check(checks: list[object]) -> None:
    inspector = an_inspector()
    run = a_signed_run(NETWORK, 2, expires_at=NOW)
    inspector.remember([item_hash(run.envelopes[0])])
    assert reasons(inspected(inspector, [run])) == ["ok", "expired"]
    assert checks == []


# Batches


def test_the_runs_of_one_batch_have_one_signature(checks: list[object]) -> None:
    inspector = an_inspector()
    runs = [a_signed_run(NETWORK, 8, first=first, size=2) for first in (0, 2, 6)]
    assert reasons(inspected(inspector, runs)) == ["ok"] * 6
    assert reasons(inspected(inspector, [a_signed_run(NETWORK, 8, first=4, size=1)])) == ["ok"]
    assert checks == [runs[0].statement]


def test_a_bad_statement_is_never_remembered_as_good() -> None:
    inspector = an_inspector()
    run = a_run(NETWORK, 4)
    topic = gossip_topic_of(NETWORK, run.envelopes[0])
    for _ in range(2):
        assert inspector.inspect(PEER, topic, encode_frame([run]), NOW) == REJECTED


# Budget and allowances


def test_signature_checks_have_a_budget_per_peer() -> None:
    network = a_network(limits=ByteLimits(frame_items=5))
    inspector = FrameInspector(network, checks_per_peer_per_s=5, shuffle=in_order)  # 10 checks are saved
    topic = gossip_topic_of(network, a_signed_note(network))
    five = encode_frame(parts_of(*[a_signed_note(network, seq) for seq in range(1, 6)]))
    run = encode_frame([a_signed_run(network, 4)])

    def take(data: bytes, peer: bytes = PEER, now_ms: int = NOW) -> tuple[int | None, str]:
        inspection = inspector.inspect(peer, topic, data, now_ms)
        return inspection.verdict, inspection.reason

    passed, throttled = (None, Reason.OK), (Verdict.IGNORE, Reason.THROTTLED)
    assert [take(five), take(five), take(run)] == [passed, passed, throttled]
    assert take(run, peer=b"\x0f" * 32) == passed
    assert take(run) == passed  # by now the statement is known
    assert [take(five, now_ms=NOW + 999), take(five, now_ms=NOW + 1_000)] == [throttled, passed]


def test_pushed_allowances_count_instead_of_the_files_and_change_no_id() -> None:
    network = a_network(parameters=Parameters(0, 0, 0, {}, {}))
    note = a_signed_note(network, 5)
    inspector = FrameInspector(network, checks_per_peer_per_s=9, shuffle=in_order)
    inspector.allow(Allowances(0, [(OWNER, 12)]))
    topic = gossip_topic_of(network, note)
    assert reasons(inspector.inspect(PEER, topic, encode_frame(parts_of(note)), NOW)) == ["ok"]
    inspector.allow(Allowances(0, [(OWNER, 11)]))
    assert reasons(inspector.inspect(PEER, topic, encode_frame(parts_of(note)), NOW)) == ["over-allowance"]
    assert network.parameters.allowances == {}


# Any bytes


def test_damaged_frames_never_raise_and_never_get_in(rng: Random) -> None:
    inspector = FrameInspector(NETWORK, checks_per_peer_per_s=10**6, shuffle=rng.shuffle)
    grant = a_signed_grant(NETWORK, scopes=[int(Scope.NOTIFICATION)])
    session = a_signed_note(NETWORK, WALLET_RANGE, by=by_session(grant))
    frames = [
        encode_frame([*parts_of(session), a_signed_run(NETWORK, 4)], [grant]),
        encode_frame(parts_of(a_signed_note(NETWORK, 1), a_signed_note(NETWORK, 2, work_bits=0))),
        encode_frame([a_signed_run(NETWORK, 8, first=4, size=4), a_signed_run(NETWORK, 8, first=2, size=2)]),
        encode_frame(parts_of(signed(NETWORK, Kind.SUBSCRIPTION, by=PHONE, author=HOLDER, topic=ALERTS, seq=3))),
    ]
    honest = {envelope.id for data in frames for envelope in open_frame(NETWORK, data).envelopes()}
    seen: set[tuple[object, str]] = set()
    for _ in range(10_000):
        inspection = inspector.inspect(PEER, TOPIC, damaged(rng, frames), NOW)
        seen.add((inspection.verdict, inspection.reason))
        for item in inspection.items:
            assert item.verdict == verdict_of(Reason(item.reason))
            assert item.id in honest or item.verdict != Verdict.ACCEPT
    assert (Verdict.REJECT, "bad-signature") in seen
    assert (None, "ok") in seen
