from dataclasses import replace
from random import Random

from pushmesh_node.gossip.frames.outline import AllowanceOf, Outline, digests_of, outline
from pushmesh_protocol.auth.schemes import Eip712
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import item_hash
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.examine import cheap_failures
from pushmesh_protocol.frames import OpenFrame, Part
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.network import Parameters
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account
from support.bodies import ISSUED_AT, a_network
from support.envelopes import ALICE, BOB, NOW, a_note, a_run

NETWORK = a_network(parameters=Parameters(0, 0, 64, {}, {}))
HOUR_MS = 3_600_000
WORKED = Eip712(None, b"\x01" * 65, 7)


def outlined(*parts: Part, refused: int = 0) -> Outline:
    refusals = (Refusal(Reason.UNKNOWN_KIND, "3.1", "new"),) * refused
    return outline(NETWORK, OpenFrame((), (*parts, *refusals)), digests_of)


def allowances(slots: int) -> AllowanceOf:
    return lambda author, epoch: slots


def test_it_has_every_hash_once_and_one_key_for_the_runs_of_a_batch() -> None:
    note, run = a_note(NETWORK, 20), a_run(NETWORK, 4)
    first = Part(run.envelopes[:2], run.statement, 0, run.path)
    second = Part(run.envelopes[2:], run.statement, 2, run.path)
    found = outlined(first, note, second)
    assert found.hashes == {item_hash(envelope) for part in (note, run) for envelope in part.envelopes}
    assert found.signed == {sha256(pack(run.statement)): [0, 2], item_hash(note.envelopes[0]): [1]}
    assert [hashes for hashes, _ in found.digests] == [digests_of(part)[0] for part in found.parts]


def test_a_grant_comes_before_the_parts_and_a_refused_entry_leaves_the_frame_not_whole() -> None:
    grant, note = a_note(NETWORK, 2), a_note(NETWORK, 3)
    frame = OpenFrame(grant.envelopes, (note,))
    assert outline(NETWORK, frame, digests_of).parts == [grant, note]
    assert outlined(note).is_whole
    assert not outlined(note, refused=1).is_whole


def test_work_is_always_looked_at() -> None:
    assert outlined(a_note(NETWORK)).passes(NOW, allowances(64))
    assert not outlined(a_note(NETWORK, auth=WORKED)).passes(NOW, allowances(64))


def test_each_author_has_its_own_allowance_in_each_epoch() -> None:
    parts = [a_note(NETWORK, 1, ALICE), a_note(NETWORK, 20, BOB), a_note(NETWORK, 2, ALICE, issued_at=NOW - HOUR_MS)]
    found = outlined(*parts)
    assert len(found.asked) == 3
    for whose, asked in found.asked.items():
        slots = {each: asked - 1 if each == whose else 99 for each in found.asked}
        assert not found.passes(NOW, lambda author, epoch, slots=slots: slots[author, epoch])  # type: ignore[misc]
        slots[whose] = asked
        assert found.passes(NOW, lambda author, epoch, slots=slots: slots[author, epoch])  # type: ignore[misc]


def test_it_passes_exactly_where_no_cheap_check_of_any_part_fails(rng: Random) -> None:
    outcomes = set()
    for _ in range(600):
        parts = [_any_part(rng) for _ in range(rng.randint(1, 4))]
        now_ms = ISSUED_AT + rng.choice([-61_000, -60_000, 0, 500_000, 500_001, HOUR_MS, 2 * HOUR_MS])
        slots = {author: rng.choice([4, 12, 40, 64]) for author in (ALICE, BOB)}

        def allowance_of(author: Account, epoch: int, slots: dict[Account, int] = slots) -> int:
            return slots[author]

        fails = any(cheap_failures(NETWORK, part, now_ms, allowance=slots[part.envelopes[0].author]) for part in parts)
        passes = outlined(*parts).passes(now_ms, allowance_of)
        assert passes is not fails
        outcomes.add(passes)
    assert outcomes == {True, False}


def test_an_outline_without_parts_passes_at_any_time() -> None:
    nothing = outlined()
    assert nothing.passes(NOW, allowances(0))
    assert replace(nothing, from_ms=NOW + 1).passes(NOW, allowances(0)) is False


def _any_part(rng: Random) -> Part:
    expires_at = ISSUED_AT + rng.choice([500_000, 3 * HOUR_MS])
    if rng.random() < 0.3:
        return a_run(NETWORK, rng.randint(1, 4), rng.randint(1, 25), expires_at=expires_at)
    return a_note(NETWORK, rng.randint(1, 25), rng.choice([ALICE, BOB]), expires_at=expires_at)
