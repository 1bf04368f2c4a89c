"""The store's naive twin: the same contract in memory, by the plainest code. A fake for other rooms' tests."""

from collections.abc import Iterator, Sequence
from dataclasses import replace as copy_of

from msgspec.structs import replace

from pushmesh_node.engine.records import (
    CursorRecord,
    DecisionRecord,
    DueRecord,
    GuestRecord,
    Holder,
    LateMark,
    PeerEntry,
    PrivateRecord,
    PrivateTopicRecord,
    ReadRecord,
    Record,
    Scheduled,
    SentMark,
    SlotRange,
    StoredDue,
    StoredEnvelope,
    StoredItem,
    TokenRecord,
    Unscheduled,
    VoidMark,
    VoucherRecord,
    Write,
)
from pushmesh_node.storage.keyed import prefix_of
from pushmesh_node.storage.transaction import APART_DEVICES, WALLET_DEVICES
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.types import UnixMs

NOTIFICATION = 5
SHOWN_KINDS = (5, 6)
SHARD_KINDS = (4, 5, 6)
HOUR_MS = 3_600_000


class NaiveStore:
    """Everything in lists and dicts; each question walks over all of it. Nothing fails, nothing waits."""

    def __init__(self, incarnation: bytes) -> None:
        self.incarnation = incarnation
        self.last_commit = 0
        self._records: dict[int, Record] = {}
        self._voids: set[int] = set()
        self._late: set[int] = set()
        self._unsent: set[int] = set()
        self._scheduled: set[tuple[int, int]] = set()
        self._copies: dict[int, tuple[int, Record]] = {}
        self._keyed: dict[tuple[object, ...], Write] = {}

    async def commit(self, writes: Sequence[Write]) -> None:
        for write in writes:
            match write:
                case Record():
                    if write.first_commit not in self._records:
                        self._records[write.first_commit] = write
                        if not write.sent:
                            self._unsent |= set(range(write.first_commit, write.first_commit + write.count))
                        self._scheduled |= {
                            (due_at, write.first_commit + index)
                            for index, due_at in enumerate(write.due_ats)
                            if due_at is not None
                        }
                    self.last_commit = max(self.last_commit, write.first_commit + write.count - 1)
                case DueRecord():
                    self._show(write)
                    self._scheduled.discard((write.due_at, write.origin))
                    self.last_commit = max(self.last_commit, write.commit_no)
                case Scheduled():
                    self._scheduled.add((write.due_at, write.commit_no))
                case Unscheduled():
                    self._scheduled.discard((write.due_at, write.commit_no))
                case SentMark():
                    self._unsent.discard(write.commit_no)
                case VoidMark():
                    self._voids.add(write.commit_no)
                    self._voids |= {n for n, (origin, _record) in self._copies.items() if origin == write.commit_no}
                case LateMark():
                    self._late.add(write.commit_no)
                    self._late |= {n for n, (origin, _record) in self._copies.items() if origin == write.commit_no}
                case _:
                    self._keyed[key_of(write)] = write
        cursors = [write for write in writes if isinstance(write, CursorRecord)]
        for account, prefix in {(write.account, prefix_of(write.device)) for write in cursors}:
            mine = sorted(self._group(account, prefix), key=lambda cursor: (-cursor.at, cursor.device))
            for cursor in mine[APART_DEVICES if prefix else WALLET_DEVICES :]:
                del self._keyed[key_of(cursor)]

    async def close(self) -> None:
        return

    async def expire(self, now_ms: int, limit: int, before_epoch: int = 0) -> bool:
        """It has no walks that could go on, so that what it says is about items alone."""
        held = [*self._records.values(), *(record for _origin, record in self._copies.values())]
        ended = [record for record in held if record.expires_at <= now_ms]
        dead = sorted((r.kind not in SHARD_KINDS, r.expires_at, r.count, len(r.data), r.first_commit) for r in ended)
        for *_order, first_commit in dead[:limit]:
            copy = self._copies.pop(first_commit, None)
            removed = self._records.pop(first_commit) if copy is None else copy[1]
            self._voids -= set(range(first_commit, first_commit + removed.count))
            self._late -= set(range(first_commit, first_commit + removed.count))
            self._unsent -= set(range(first_commit, first_commit + removed.count))
        for kind in (PrivateRecord, PrivateTopicRecord, TokenRecord, GuestRecord):
            over = [key for key, w in self._keyed.items() if isinstance(w, kind) and w.expires_at <= now_ms]
            for key in sorted(over, key=lambda key: (self._keyed[key].expires_at, key[1:]))[:limit]:  # type: ignore[union-attr]  # both kinds have it
                del self._keyed[key]
        old = [key for key, w in self._keyed.items() if isinstance(w, VoucherRecord) and w.epoch < before_epoch]
        for key in sorted(old, key=lambda key: key[1:])[:limit]:
            del self._keyed[key]
        return len(dead) >= limit

    async def holders(self, ranges: Sequence[SlotRange]) -> list[list[Holder]]:
        return [
            [
                Holder(first_seq, end_seq, record.ids[index], commit_no, commit_no not in self._unsent)
                for commit_no, index, record in self._envelopes()
                for first_seq, end_seq in [slots_of(record, index)]
                if (record.author, record.epoch) == (wanted.author, wanted.epoch)
                and first_seq < wanted.end_seq
                and wanted.first_seq < end_seq
            ]
            for wanted in ranges
        ]

    async def find(self, id: bytes, issued_at: int | None) -> StoredEnvelope | None:
        held = [
            (-(record.issued_ats[index] // HOUR_MS), commit_no, index, record)
            for commit_no, index, record in self._envelopes()
            if record.ids[index] == id
            and (issued_at is None or record.issued_ats[index] // HOUR_MS == issued_at // HOUR_MS)
        ]
        if not held:
            return None
        _bucket, commit_no, index, record = min(held, key=lambda entry: entry[:2])
        return StoredEnvelope(commit_no, index, record.kind, record.data)

    async def due(self, now_ms: int, limit: int) -> list[StoredDue]:
        found = []
        for due_at, commit_no in sorted(self._scheduled)[:limit]:
            if due_at <= now_ms:
                held = [*self._envelopes(), *((n, 0, record) for n, (_origin, record) in self._copies.items())]
                index, record = next(((i, r) for n, i, r in held if n == commit_no), (0, None))
                data = None if record is None else record.data
                void, late = commit_no in self._voids, commit_no in self._late
                found.append(StoredDue(commit_no, UnixMs(due_at), index, data, void, late))
        return found

    async def state(self, after: int, limit: int) -> list[StoredItem]:
        return [item for item in self._items_after(after) if item.kind != NOTIFICATION][:limit]

    async def collapsing(self, after: int, limit: int) -> tuple[list[StoredEnvelope], int | None]:
        keyed = [
            (commit_no, index, record)
            for commit_no, index, record in self._envelopes()
            if commit_no > after and record.collapsing and record.collapsing[index]
        ]
        found = [
            StoredEnvelope(commit_no, index, record.kind, record.data)
            for commit_no, index, record in keyed[:limit]
            if commit_no not in self._voids
        ]
        return found, keyed[limit - 1][0] if len(keyed) >= limit else None

    async def find_all(self, ids: Sequence[bytes], since_ms: int) -> list[StoredEnvelope]:
        recent = {
            record.ids[index]
            for _, index, record in self._envelopes()
            if record.issued_ats[index] // HOUR_MS >= since_ms // HOUR_MS
        }
        found = [await self.find(id_, None) for id_ in dict.fromkeys(ids) if id_ in recent]
        return sorted([each for each in found if each is not None], key=lambda each: each.commit_no)

    async def log(self, after: int, max_bytes: int) -> list[StoredItem]:
        items = self._items_after(after)
        taken = items[:1]
        for item in items[1:]:
            if sum(len(other.data) for other in [*taken, item]) > max_bytes:
                break
            taken.append(item)
        return taken

    async def topic_messages(
        self, topics: Sequence[Topic], after: int, before: int | None, limit: int
    ) -> list[StoredEnvelope]:
        return [
            StoredEnvelope(commit_no, index, record.kind, record.data)
            for commit_no, index, record in self._messages(after, before)
            if record.audiences[index] is None and record.topic in topics
        ][:limit]

    async def targeted_messages(
        self, account: bytes, after: int, before: int | None, limit: int
    ) -> list[StoredEnvelope]:
        return [
            StoredEnvelope(commit_no, index, record.kind, record.data)
            for commit_no, index, record in self._messages(after, before)
            if account in (record.audiences[index] or ())
        ][:limit]

    async def inbox(self, account: bytes, topics: Sequence[Topic], after: int, limit: int) -> list[StoredEnvelope]:
        found = [
            *await self.topic_messages(topics, after, None, limit),
            *await self.targeted_messages(account, after, None, limit),
        ]
        listed = {envelope.commit_no for envelope in await self.targeted_messages(account, after, None, limit)}
        return [
            copy_of(envelope, late=envelope.commit_no in self._late, listed=envelope.commit_no in listed)
            for envelope in sorted(found, key=lambda envelope: envelope.commit_no)[:limit]
        ]

    async def voids(self, after: int, before: int) -> set[int]:
        return {number for number in self._voids if after < number < before}

    async def is_void(self, commit_nos: Sequence[int]) -> set[int]:
        return self._voids & set(commit_nos)

    async def is_late(self, commit_nos: Sequence[int]) -> set[int]:
        return self._late & set(commit_nos)

    async def vouchers(self, epoch: int) -> list[VoucherRecord]:
        return [voucher for voucher in self._all_vouchers() if voucher.epoch == epoch]

    async def epoch_totals(self, epoch: int) -> list[tuple[bytes, int, int]]:
        counted = [voucher for voucher in await self.vouchers(epoch) if voucher.equivocation is None]
        return [
            (
                account,
                sum(v.count for v in counted if v.account == account),
                sum(v.units for v in counted if v.account == account),
            )
            for account in sorted({voucher.account for voucher in counted})
        ]

    async def decisions(self, account: bytes, commit_nos: Sequence[int]) -> list[DecisionRecord]:
        held = {commit_no for commit_no, _index, _record in self._envelopes()} | self._copies.keys()
        mine = [w for w in self._keyed.values() if isinstance(w, DecisionRecord) and w.account == account]
        return sorted((d for d in mine if d.commit_no in held & set(commit_nos)), key=lambda d: d.commit_no)

    async def decision(self, account: bytes, commit_no: int) -> DecisionRecord | None:
        shown = [number for number, (origin, _record) in self._copies.items() if origin == commit_no]
        found = await self.decisions(account, [commit_no, *shown])
        return found[-1] if found else None

    async def preferences(self) -> list[PrivateRecord]:
        records = [write for write in self._keyed.values() if isinstance(write, PrivateRecord)]
        return sorted(records, key=lambda record: (record.account, record.kind))

    async def private_topics(self) -> list[PrivateTopicRecord]:
        records = [write for write in self._keyed.values() if isinstance(write, PrivateTopicRecord)]
        return sorted(records, key=lambda record: (record.account, record.topic))

    async def tokens(self) -> list[TokenRecord]:
        tokens = [write for write in self._keyed.values() if isinstance(write, TokenRecord)]
        return sorted(tokens, key=lambda token: token.digest)

    async def guests(self) -> list[GuestRecord]:
        guests = [write for write in self._keyed.values() if isinstance(write, GuestRecord)]
        return sorted(guests, key=lambda guest: (guest.bridge, guest.account))

    async def cursors(self, groups: Sequence[tuple[bytes, str]]) -> list[list[CursorRecord]]:
        return [sorted(self._group(*group), key=lambda cursor: (cursor.at, cursor.device)) for group in groups]

    async def reads(self, wanted: Sequence[tuple[bytes, str]]) -> list[ReadRecord | None]:
        found = [self._keyed.get((ReadRecord, *each)) for each in wanted]
        return [each if isinstance(each, ReadRecord) else None for each in found]

    async def wallet_rows(self) -> tuple[int, int]:
        kinds = [type(write) for write in self._keyed.values()]
        return kinds.count(CursorRecord), kinds.count(ReadRecord)

    def _group(self, account: bytes, prefix: str) -> list[CursorRecord]:
        mine = [w for w in self._keyed.values() if isinstance(w, CursorRecord) and w.account == account]
        return [cursor for cursor in mine if prefix_of(cursor.device) == prefix]

    async def wallets(self) -> list[tuple[bytes, int]]:
        seen: dict[bytes, int] = {}
        for write in self._keyed.values():
            if isinstance(write, CursorRecord):
                seen[write.account] = max(seen.get(write.account, 0), write.at)
        return sorted(seen.items())

    async def peers(self) -> list[PeerEntry]:
        peers = [write for write in self._keyed.values() if isinstance(write, PeerEntry)]
        return sorted(peers, key=lambda peer: (-peer.last_seen, peer.node_id))

    def _envelopes(self) -> Iterator[tuple[int, int, Record]]:
        """(commit number, index in the record, record) in commit order."""
        for first_commit, record in sorted(self._records.items()):
            for index in range(record.count):
                yield first_commit + index, index, record

    def _show(self, due: DueRecord) -> None:
        """As a record of its own, where the envelope is still held."""
        for commit_no, index, record in self._envelopes():
            if commit_no == due.origin:
                alone = replace(
                    record,
                    first_commit=due.commit_no,
                    ids=record.ids[index : index + 1],
                    issued_ats=record.issued_ats[index : index + 1],
                    audiences=(due.audience,),
                    data=due.data,
                    due_ats=(),
                )
                self._copies[due.commit_no] = (due.origin, alone)
        for marked in (self._voids, self._late):
            if due.origin in marked:
                marked.add(due.commit_no)

    def _messages(self, after: int, before: int | None) -> Iterator[tuple[int, int, Record]]:
        """What inboxes show."""
        shown = [
            (commit_no, index, record)
            for commit_no, index, record in self._envelopes()
            if not record.due_ats or record.due_ats[index] is None
        ]
        shown += [(number, 0, record) for number, (_origin, record) in self._copies.items()]
        for number, index, record in sorted(shown, key=lambda entry: entry[0]):
            in_range = number > after and (before is None or number < before)
            if record.kind in SHOWN_KINDS and in_range and number not in self._voids:
                yield number, index, record

    def _items_after(self, after: int) -> list[StoredItem]:
        return [
            StoredItem(first_commit, record.count, record.kind, record.data)
            for first_commit, record in sorted(self._records.items())
            if first_commit + record.count - 1 > after
        ]

    def _all_vouchers(self) -> list[VoucherRecord]:
        vouchers = [write for write in self._keyed.values() if isinstance(write, VoucherRecord)]
        return sorted(vouchers, key=lambda v: (v.epoch, v.account, v.key, v.stream))


def slots_of(record: Record, index: int) -> tuple[int, int]:
    """The slots first .. end - 1 of one envelope of a record."""
    if record.count == 1:
        return record.first_seq, record.end_seq
    return record.first_seq + index, record.first_seq + index + 1


def key_of(write: Write) -> tuple[object, ...]:
    """What a keyed write is kept under; the last one with a key wins."""
    match write:
        case VoucherRecord():
            return VoucherRecord, write.epoch, write.account, write.key, write.stream
        case DecisionRecord():
            return DecisionRecord, write.account, write.commit_no
        case PrivateRecord():
            return PrivateRecord, write.account, write.kind
        case PrivateTopicRecord():
            return PrivateTopicRecord, write.account, write.topic
        case TokenRecord():
            return TokenRecord, write.digest
        case GuestRecord():
            return GuestRecord, write.bridge, write.account
        case CursorRecord():
            return CursorRecord, write.account, write.device
        case ReadRecord():
            return ReadRecord, write.account, write.restriction
        case PeerEntry():
            return PeerEntry, write.node_id
    raise AssertionError(f"{write} has no key")
