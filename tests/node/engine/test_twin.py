"""The engine against the smallest memory that a whole verdict needs: the same frames, the same envelopes taken in."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from pushmesh_node.curation import NO_POLICY
from pushmesh_node.engine.core import Engine
from pushmesh_node.engine.effects import Store
from pushmesh_node.engine.events import Candidate, Gossiped, Offer, Offered
from pushmesh_node.engine.records import Record, VoidMark
from pushmesh_protocol.auth.schemes import Eip712
from pushmesh_protocol.auth.verify import verify_one
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.examine import cheap_failures, claim_of
from pushmesh_protocol.frames import Part, encode_frame, open_frame
from pushmesh_protocol.kinds import Kind, Scope
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.memory import Memory, judge
from pushmesh_protocol.network import Network, Parameters
from pushmesh_protocol.reasons import Verdict
from pushmesh_protocol.types import EnvelopeId
from support.bodies import a_network
from support.envelopes import NOW, a_note
from support.signed import (
    ALERTS,
    HOLDER,
    ISSUED_AT,
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

NETWORK = a_network(parameters=Parameters(0, 0, 200, {}, {}))
FORGED = Eip712(None, b"\x01" * 64 + b"\x1b", None)


class EngineUnderTest:
    """An engine behind the same checks that the node makes, and what it told its store."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._engine = Engine(network, next_commit=1, policy=NO_POLICY)
        self._ids: dict[int, EnvelopeId] = {}
        self._voids: set[int] = set()

    def take(self, data: bytes) -> None:
        try:
            frame = open_frame(self._network, data)
        except Refusal:
            return
        grants = [Part((grant,)) for grant in frame.grants if isinstance(grant, Envelope)]
        parts = grants + [part for part in frame.parts if isinstance(part, Part)]
        unreadable = [(0, entry) for entry in (*frame.grants, *frame.parts) if isinstance(entry, Refusal)]
        candidates = [Candidate(part, self._failures(part)) for part in parts]
        for effect in self._engine.handle(
            Offered([Offer(Gossiped(bytes(32), 1, len(data)), candidates, unreadable)]), NOW
        ):
            if isinstance(effect, Store):
                for write in effect.writes:
                    if isinstance(write, Record):
                        self._ids |= enumerate_from(write.first_commit, write.ids)
                    elif isinstance(write, VoidMark):
                        self._voids.add(write.commit_no)

    def _failures(self, part: Part) -> Sequence[Refusal | None]:
        failures = cheap_failures(self._network, part, NOW)
        if failures and all(failures):
            return failures
        refusal = verify_one(self._network, claim_of(self._network, part))
        return failures if refusal is None else [refusal] * len(part.envelopes)

    @property
    def taken(self) -> set[EnvelopeId]:
        return set(self._ids.values())

    @property
    def void(self) -> set[EnvelopeId]:
        return {self._ids[number] for number in self._voids}


def enumerate_from(first: int, ids: Sequence[EnvelopeId]) -> dict[int, EnvelopeId]:
    return dict(enumerate(ids, first))


def a_pool() -> list[tuple[Part, Envelope | None]]:
    """Real signed parts that meet each other in slots, grants and cuts, each with the grant it may travel with."""
    wide = a_signed_grant(NETWORK, scopes=[int(Scope.REVOCATION), int(Scope.NOTIFICATION)])
    narrow = a_signed_grant(
        NETWORK, seq=10, issued_at=ISSUED_AT + 1, not_before=ISSUED_AT + 1, end_seq=WALLET_RANGE + 3
    )
    cut: dict[str, Any] = {"grant_id": wide.id, "cut_time": ISSUED_AT + 20, "cut_seq": 0}
    alone = parts_of(
        *[a_signed_note(NETWORK, 1, title=title) for title in ("one", "two", "three")],
        a_signed_note(NETWORK, 4, body="x" * 4_000),
        *[a_signed_note(NETWORK, seq) for seq in (5, 6, 7)],
        a_signed_note(NETWORK, 150),
        a_signed_note(NETWORK, 151, work_bits=0),
        a_signed_note(NETWORK, 8, expires_at=NOW),
        a_signed_note(NETWORK, 8, issued_at=NOW + 100_000, expires_at=NOW + 200_000),
        signed(NETWORK, Kind.SUBSCRIPTION, by=PHONE, author=HOLDER, topic=ALERTS, seq=3),
        signed(NETWORK, Kind.TOPIC, seq=11),
        signed(NETWORK, Kind.TOPIC, seq=12),
        signed(NETWORK, Kind.REVOCATION, seq=30, **cut),
        signed(NETWORK, Kind.REVOCATION, seq=30, **(cut | {"cut_seq": 1})),
        wide,
        narrow,
        signed(NETWORK, Kind.RETRACTION, seq=13, target=b"\x01" * 32),
    )
    last = ISSUED_AT + 40
    own_cut: dict[str, Any] = {
        "grant_id": wide.id,
        "cut_time": last,
        "cut_seq": WALLET_RANGE + 9,
        "seq": WALLET_RANGE + 9,
    }
    own_cut |= {"issued_at": last, "expires_at": last + 490 * DAY_MS}
    by_wide = [
        a_signed_note(NETWORK, WALLET_RANGE + n, by=by_session(wide), issued_at=ISSUED_AT + 10 * n) for n in range(4)
    ]
    by_wide += [  # with its own revocation, below, three ids in one slot
        a_signed_note(NETWORK, WALLET_RANGE + 9, by=by_session(wide), issued_at=ISSUED_AT + 1, title=title)
        for title in ("one", "two")
    ]
    by_narrow = [
        a_signed_note(NETWORK, WALLET_RANGE + n, by=by_session(narrow), issued_at=ISSUED_AT + 5, title=f"{n}")
        for n in range(4)
    ]
    ended = signed(NETWORK, Kind.REVOCATION, by=by_session(wide), **own_cut)
    runs = [a_signed_run(NETWORK, 4, first_seq=4), a_signed_run(NETWORK, 8, first_seq=60, first=4, size=4)]
    session_run = a_signed_run(NETWORK, 4, first_seq=WALLET_RANGE + 998, by=by_session(wide))
    forged = [a_note(NETWORK, 14, OWNER, auth=FORGED)]
    return [
        *((part, None) for part in (*alone, *runs, *forged)),
        *((part, wide) for part in (*parts_of(*by_wide, ended), session_run)),
        *((part, narrow) for part in parts_of(*by_narrow)),
    ]


@pytest.fixture(scope="module")
def pool() -> list[tuple[Part, Envelope | None]]:
    return a_pool()


def a_frame(rng: Random, pool: Sequence[tuple[Part, Envelope | None]]) -> bytes:
    chosen = rng.sample(pool, rng.choice([1, 1, 2, 3, 6]))
    riding = {grant.id: grant for _, grant in chosen if grant is not None and rng.random() < 0.5}
    return encode_frame([part for part, _ in chosen], list(riding.values()))


def test_the_engine_takes_in_what_its_twin_takes_in(rng: Random, pool: list[tuple[Part, Envelope | None]]) -> None:
    reasons: set[str] = set()
    for _ in range(25):
        memory, engine = Memory(), EngineUnderTest(NETWORK)
        taken: set[EnvelopeId | None] = set()
        for _ in range(rng.randint(5, 40)):
            data = a_frame(rng, pool)
            judgements = judge(NETWORK, memory, data, NOW)
            reasons |= {str(judgement.reason) for judgement in judgements}
            taken |= {judgement.id for judgement in judgements if judgement.verdict is Verdict.ACCEPT}
            engine.take(data)
            assert engine.taken == taken
            assert engine.void == memory.voids()
    assert {
        "ok", "duplicate", "surplus", "expired", "ahead-of-time", "over-allowance", "not-enough-work", "bad-signature",
        "unknown-grant", "out-of-scope", "grant-revoked", "repeated",
    } <= reasons  # fmt: skip
