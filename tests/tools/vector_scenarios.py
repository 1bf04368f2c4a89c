"""Random hours of one author: overlapping grants, revocations, batches and full slots, in one frame in some order.

Two implementations must judge them alike; every signature is good, so that authority and slots decide."""

import random
from collections.abc import Iterator
from typing import Any

from tools.vector_bodies import HIGH, grant, note, revocation, subscription
from tools.vector_case import Json, Made
from tools.vector_keys import CAROL, DAVE, LAPTOP, PHONE, EdKey
from tools.vector_makers import MadeBatch, Own, Session, frame, make, make_batch
from tools.vector_networks import DAY, NETWORKS, NOW
from tools.vector_run import run

Entry = Made | MadeBatch
OWNER = CAROL.account
SEQS = 8
"""So few that slots and ranges meet."""


def scenarios(count: int, rng: random.Random) -> Iterator[Json]:
    """Vectors that expect what our Python code says."""
    for number in range(count):
        entries = _entries(rng)
        items: list[Made | list[Any]] = []
        statements: list[list[Any]] = []
        for entry in entries:
            if isinstance(entry, MadeBatch):
                items.append(entry.run(place=len(statements)))
                statements.append(entry.statement)
            else:
                items.append(entry)
        vector: Json = {
            "name": f"scenario {number}",
            "do": "judge",
            "given": {"network": "plain", "now_ms": NOW + rng.choice((0, 0, 0, 300)), "state": []},
            "input": {"frame": frame(*items, statements=statements).hex()},
        }
        yield {**vector, "expect": run(NETWORKS, vector)}


def _entries(rng: random.Random) -> list[Entry]:
    keys = [rng.choice((PHONE, LAPTOP)) for _ in range(rng.randrange(1, 5))]
    grants = [_grant(rng, number, key) for number, key in enumerate(keys)]
    signers: list[Own | Session] = [Own(CAROL)]
    signers += [
        Session(rng.choice((key, key, key, PHONE)), OWNER, granted.id)
        for key, granted in zip(keys, grants, strict=True)
    ]
    entries: list[Entry] = [*grants]
    entries += [_entry(rng, rng.choice(signers), grants, number) for number in range(rng.randrange(2, 14))]
    if rng.random() < 0.3:
        rng.shuffle(entries)
    return _without_repeats(entries)


def _time(rng: random.Random) -> int:
    return NOW - 1000 + 100 * rng.randrange(8)


def _grant(rng: random.Random, number: int, key: EdKey) -> Made:
    issued_at, first = _time(rng), HIGH + rng.randrange(SEQS)
    begins = issued_at + rng.choice((0, 0, 100, 200))
    body = grant(
        key.public,
        issued_at=issued_at,
        seq=100 + number // 2,
        not_before=begins,
        expires_at=begins + rng.choice((900, 1200, DAY)),
        first_seq=first,
        end_seq=first + rng.randrange(1, SEQS),
        scopes=rng.choice(([3, 4, 5], [5], [4, 128], [1, 3, 4, 5, 6, 7])),
        topics=rng.choice((None, None, [[OWNER, "news"]], [[OWNER, "other"]])),
    )
    return make(Own(rng.choice((*[CAROL] * 7, DAVE))), 2, body)


def _entry(rng: random.Random, signer: Own | Session, grants: list[Made], number: int) -> Entry:
    issued_at = _time(rng)
    seq = rng.randrange(SEQS) + (HIGH if isinstance(signer, Session) else 0)
    kind = rng.choice(("note", "note", "wide", "batch", "subscription", "revocation", "revocation"))
    if kind == "batch":
        count = rng.randrange(1, 5)
        bodies = [
            note(issued_at=issued_at, seq=seq + place, thread=bytes(15) + bytes((number,))) for place in range(count)
        ]
        return make_batch(signer, bodies)
    if kind == "subscription":
        return make(signer, 4, subscription(issued_at=issued_at, seq=seq))
    if kind == "revocation":
        return make(signer, 3, _revocation(rng, signer, grants, issued_at, seq))
    return make(
        signer,
        5,
        note(issued_at=issued_at, seq=seq, title=rng.choice("ab"), body="b" * (2048 if kind == "wide" else 1)),
    )


def _revocation(rng: random.Random, signer: Own | Session, grants: list[Made], issued_at: int, seq: int) -> list[Any]:
    if isinstance(signer, Session):
        return revocation(signer.grant_id, issued_at=issued_at, seq=seq, cut_seq=seq)
    cut: dict[str, Any] = {"cut_time": _time(rng), "cut_seq": HIGH + rng.randrange(SEQS)}
    if rng.random() < 0.5:
        return revocation(rng.choice(grants).id, issued_at=issued_at, seq=seq, **cut)
    return revocation(None, before=_time(rng), issued_at=issued_at, seq=seq, **cut)


def _without_repeats(entries: list[Entry]) -> list[Entry]:
    """A frame with an envelope twice is rejected as a whole, which would say nothing of the rest."""
    seen: set[bytes] = set()
    kept: list[Entry] = []
    for entry in entries:
        ids = {leaf.id for leaf in entry.leaves} if isinstance(entry, MadeBatch) else {entry.id}
        if not ids & seen:
            kept.append(entry)
        seen |= ids
    return kept
