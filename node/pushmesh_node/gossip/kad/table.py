"""The routing table: who is worth asking, near this node much and far from it little. Pure.

Only nodes that were reached enter it. Whoever is in and alive stays, however many others come: a table cannot be taken
over by newcomers, and no address group gets more than its share of it.
"""

from collections import Counter, deque
from collections.abc import Container
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Final

from .contacts import Contact, K, place_of, shared_bits

BUCKETS: Final = 24
"""Contacts that share 23 leading bits with this node or more are in one bucket: enough for millions of nodes."""

GROUP_IN_BUCKET: Final = 2
GROUP_IN_TABLE: Final = 8
WAITING: Final = 4
CHECK_AFTER_MS: Final = 600_000
CHECK_FULL_AFTER_MS: Final = 30_000
CHECK_AGAIN_MS: Final = 30_000
CHECK_TIMEOUT_MS: Final = 60_000
MAX_CHECKS: Final = 4
MAX_FAILURES: Final = 2


@dataclass(frozen=True, slots=True)
class Reached:
    """This node dialled the contact at one of its addresses, or had an answer of it, just now."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class Unreachable:
    """It could not be dialled, or did not answer."""

    node_id: bytes


@dataclass(frozen=True, slots=True)
class Ticked:
    """Some seconds passed."""


@dataclass(frozen=True, slots=True)
class Check:
    """See whether the contact can still be reached, and answer with `Reached` or `Unreachable`."""

    contact: Contact


Event = Reached | Unreachable | Ticked


@dataclass(slots=True)
class _Entry:
    contact: Contact
    place: int
    next_check_ms: int
    checked_ms: int | None = None  # a check is out since then
    failures: int = 0


@dataclass(slots=True)
class _Bucket:
    entries: dict[bytes, _Entry] = field(default_factory=dict)  # the one seen longest ago first
    waiting: deque[Contact] = field(default_factory=lambda: deque(maxlen=WAITING))

    def oldest(self) -> _Entry:
        return next(iter(self.entries.values()))


class RoutingTable:
    """`handle` is the only way in. At most 20 contacts in each of 24 buckets, and 4 that wait for one to go."""

    def __init__(self, node_id: bytes) -> None:
        self._node_id = node_id
        self._place = place_of(node_id)
        self._buckets = [_Bucket() for _ in range(BUCKETS)]
        self._groups: Counter[str] = Counter()

    def __len__(self) -> int:
        """Contacts in the table."""
        return sum(len(bucket.entries) for bucket in self._buckets)

    def __contains__(self, node_id: bytes) -> bool:
        return node_id in self._bucket_of(place_of(node_id)).entries

    def nearest(self, position: int, without: Container[bytes] = (), limit: int = K) -> list[Contact]:
        """The contacts nearest to a position, the nearest first, that have not failed since they were seen."""
        entries = [
            entry
            for bucket in self._buckets
            for entry in bucket.entries.values()
            if not entry.failures and entry.contact.node_id not in without
        ]
        return [entry.contact for entry in nsmallest(limit, entries, key=lambda entry: entry.place ^ position)]

    def handle(self, event: Event, now_ms: int) -> list[Check]:
        """What is to be checked because of it."""
        match event:
            case Reached(contact):
                return self._reached(contact, now_ms)
            case Unreachable(node_id):
                self._unreachable(node_id, now_ms)
                return []
            case Ticked():
                return self._stale(now_ms)

    def _bucket_of(self, place: int) -> _Bucket:
        return self._buckets[min(shared_bits(self._place, place), BUCKETS - 1)]

    def _reached(self, contact: Contact, now_ms: int) -> list[Check]:
        if contact.node_id == self._node_id or not contact.addresses:
            return []
        place = place_of(contact.node_id)
        bucket = self._bucket_of(place)
        known = bucket.entries.pop(contact.node_id, None)
        if known is not None:
            self._leave_group(known.contact)
            if self._has_room_for(contact.group, bucket):
                self._enter(bucket, _Entry(contact, place, now_ms + CHECK_AFTER_MS))
            return []
        if not self._has_room_for(contact.group, bucket):
            return []
        if len(bucket.entries) < K:
            self._enter(bucket, _Entry(contact, place, now_ms + CHECK_AFTER_MS))
            return []
        if all(waiting.node_id != contact.node_id for waiting in bucket.waiting):
            bucket.waiting.append(contact)
        oldest = bucket.oldest()
        if oldest.checked_ms is not None or oldest.next_check_ms - now_ms > CHECK_AFTER_MS - CHECK_FULL_AFTER_MS:
            return []
        return [self._check(oldest, now_ms)]

    def _unreachable(self, node_id: bytes, now_ms: int) -> None:
        bucket = self._bucket_of(place_of(node_id))
        entry = bucket.entries.get(node_id)
        if entry is None:
            return
        entry.failures += 1
        entry.checked_ms = None
        entry.next_check_ms = now_ms + CHECK_AGAIN_MS
        if entry.failures < MAX_FAILURES:
            return
        del bucket.entries[node_id]
        self._leave_group(entry.contact)
        while bucket.waiting and len(bucket.entries) < K:
            contact = bucket.waiting.pop()  # the one seen last
            if contact.node_id not in bucket.entries and self._has_room_for(contact.group, bucket):
                self._enter(bucket, _Entry(contact, place_of(contact.node_id), now_ms))

    def _stale(self, now_ms: int) -> list[Check]:
        entries = [entry for bucket in self._buckets for entry in bucket.entries.values()]
        for entry in entries:
            if entry.checked_ms is not None and now_ms - entry.checked_ms > CHECK_TIMEOUT_MS:
                entry.checked_ms = None  # nobody answered for it
        out = sum(entry.checked_ms is not None for entry in entries)
        due = [entry for entry in entries if entry.checked_ms is None and entry.next_check_ms <= now_ms]
        first = nsmallest(max(0, MAX_CHECKS - out), due, key=lambda entry: entry.next_check_ms)
        return [self._check(entry, now_ms) for entry in first]

    def _check(self, entry: _Entry, now_ms: int) -> Check:
        entry.checked_ms = now_ms
        return Check(entry.contact)

    def _enter(self, bucket: _Bucket, entry: _Entry) -> None:
        bucket.entries[entry.contact.node_id] = entry
        if entry.contact.group:
            self._groups[entry.contact.group] += 1

    def _leave_group(self, contact: Contact) -> None:
        if contact.group:
            self._groups[contact.group] -= 1
            if not self._groups[contact.group]:
                del self._groups[contact.group]

    def _has_room_for(self, group: str, bucket: _Bucket) -> bool:
        if not group:
            return True
        in_bucket = sum(entry.contact.group == group for entry in bucket.entries.values())
        return in_bucket < GROUP_IN_BUCKET and self._groups[group] < GROUP_IN_TABLE
