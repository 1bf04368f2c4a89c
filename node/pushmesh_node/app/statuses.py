"""Answers what became of a notification: its receipt for anybody, the rest for its author (SPEC 12.11)."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.armor import to_text
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Notification
from pushmesh_protocol.levels import LEVELS
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.receipts import Seal
from pushmesh_protocol.types import EnvelopeId, UnixMs

from ..engine.answers import Denied, Level, Principal
from ..engine.records import ReachedRecord
from ..storage.store import Store
from .holds import Holds
from .opened import Opener
from .outcome_desk import OutcomeDesk
from .receipts import Held, Receipts
from .store_words import telling_of_the_store


class Statuses:
    """Obeys `api.contract.Statuses`."""

    def __init__(
        self,
        node_id: bytes,
        store: Store,
        opener: Opener,
        receipts: Receipts,
        holds: Holds,
        desk: OutcomeDesk,
        clock: Callable[[], UnixMs],
    ) -> None:
        self._node_id = node_id
        self._store = store
        self._opener = opener
        self._receipts = receipts
        self._holds = holds
        self._desk = desk
        self._clock = clock

    async def receipt(self, id_: EnvelopeId, issued_at: int) -> bytes:
        """The receipt that a publisher was given. Raises Denied `not-found` where none was, or the disk lost it."""
        _, commit_no = await self._find(id_, issued_at)
        receipt = await self._receipts.given(Held(commit_no, id_))
        if receipt is None:
            raise Denied(Reason.NOT_FOUND, "no receipt for it is kept here; publish it, and you get one")
        return pack(receipt)

    async def seals(self, after: int, limit: int) -> Sequence[Seal]:
        """The node's chain, as far as it is kept."""
        return await self._receipts.seals_after(after, limit)

    async def status(
        self, principal: Principal, id_: EnvelopeId, issued_at: int | None, after: bytes, limit: int
    ) -> dict[str, Any]:
        """How far it got, in total and by wallet. Raises Denied `not-found`, or `forbidden` for who is not its
        author."""
        envelope, commit_no = await self._find(id_, issued_at)
        if envelope.author != principal.account:
            raise Denied(Reason.FORBIDDEN, "only its author may ask what became of a notification")
        if principal.topics is not None and envelope.topic not in principal.topics:
            raise Denied(Reason.FORBIDDEN, "the token does not cover its topic", "11.3")
        with telling_of_the_store():
            void = bool(await self._store.is_void([commit_no]))
            totals = await self._store.reached(commit_no)
            named = await self._store.recipients(commit_no, after, limit)
        receipt = await self._receipts.given(Held(commit_no, id_))
        counts = {level: _total(totals, level) for level in (Level.DELIVERED, Level.ACKNOWLEDGED)}
        holders = self._holds.count(id_)
        body = envelope.body
        return {
            "id": id_.hex(),
            "level": _level(counts, holders),
            "void": void,
            "expires_at": body.expires_at,
            "over": body.expires_at <= self._clock(),
            "origin_is_here": isinstance(body, Notification) and body.origin == self._node_id,
            "receipt": None if receipt is None else to_text(pack(receipt)),
            "propagated": {
                "nodes": holders,
                "holds": [to_text(pack(proof)) for proof in self._holds.proofs(id_)],
            },
            **{str(level): count for level, count in counts.items()},
            "recipients": [_recipient(record) for record in named],
            "next": display_account(named[-1].account) if len(named) == limit and named[-1].account else None,
        }

    def watch(self, id_: EnvelopeId, changed: asyncio.Event) -> None:
        """Set the event when more is known."""
        self._desk.watch(id_, changed)
        self._holds.watch(id_, changed)

    def unwatch(self, id_: EnvelopeId, changed: asyncio.Event) -> None:
        """Idempotent."""
        self._desk.unwatch(id_, changed)
        self._holds.unwatch(id_, changed)

    async def _find(self, id_: EnvelopeId, issued_at: int | None) -> tuple[Envelope, int]:
        with telling_of_the_store():
            stored = await self._store.find(id_, issued_at)
        if stored is None:
            raise Denied(Reason.NOT_FOUND, "no envelope with this id is held here")
        part, index = self._opener.open(stored)
        return part.envelopes[index], stored.commit_no


def _level(counts: dict[Level, dict[str, Any]], holders: int) -> Level:
    for level in (Level.ACKNOWLEDGED, Level.DELIVERED):
        if counts[level]["wallets"]:
            return level
    return Level.PROPAGATED if holders else Level.DURABLE


def _total(totals: Sequence[ReachedRecord], level: Level) -> dict[str, Any]:
    mine = [record for record in totals if LEVELS[record.level] == level]
    return {
        "wallets": sum(record.count for record in mine),
        "by_node": {record.node_id.hex(): record.count for record in mine},
    }


def _recipient(record: ReachedRecord) -> dict[str, Any]:
    assert record.account is not None
    return {
        "account": display_account(record.account),
        "level": LEVELS[record.level],
        "at": record.at,
        "node_id": record.node_id.hex(),
        "evidence": None if record.evidence is None else to_text(record.evidence),
    }
