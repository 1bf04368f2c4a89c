"""Bodies as plain lists, so that a case can break any member: a good body of each kind, with named changes."""

from typing import Any

from pushmesh_protocol.auth import ed25519
from pushmesh_protocol.hashing import hash_statement, u64
from tools.vector_keys import CAROL, NODE, PHONE, accounts
from tools.vector_networks import DAY, NOW, PLAIN

START = ("issued_at", "seq", "expires_at", "topic")
FIELDS = {
    1: (*START, "title", "description", "icon", "categories", "settings"),
    2: (*START, "key", "seal_key", "scopes", "topics", "first_seq", "end_seq", "not_before"),
    3: (*START, "grant_id", "before", "cut_time", "cut_seq"),
    4: (*START, "on", "settings", "receipts"),
    5: (
        *START,
        *("audience", "title", "body", "url", "actions", "category", "priority"),
        *("collapse", "not_before", "language", "thread", "origin", "sealed"),
    ),
    6: (*START, "target", "mode", "replacement"),
    7: (*START, "node_id", "signature"),
    64: (*START, "entries"),
    65: (*START, "on", "settings", "receipts"),
}
HIGH = 2**31
"""The first seq of session keys."""

Body = list[Any]


def news(owner: bytes) -> list[Any]:
    """The owner's topic `news`."""
    return [owner, "news"]


def _body(kind: int, values: dict[str, Any], changes: dict[str, Any]) -> Body:
    unknown = set(changes) - set(FIELDS[kind])
    assert not unknown, unknown
    values = {"issued_at": NOW, "seq": 5, **values, **changes}
    return [values.get(name) for name in FIELDS[kind]]


def topic(owner: bytes = CAROL.account, **changes: Any) -> Body:
    """A `topic` body of 30 days."""
    return _body(1, {"expires_at": NOW + 30 * DAY, "topic": news(owner), "title": "News"}, changes)


def grant(key: bytes = PHONE.public, **changes: Any) -> Body:
    """A `grant` of 30 days for everything a session key may do, in seqs 2^31 .. 2^31 + 1000."""
    start = changes.get("issued_at", NOW)
    values = {
        "expires_at": start + 30 * DAY,
        "key": key,
        "scopes": [1, 3, 4, 5, 6, 7, 128, 129, 130],
        "first_seq": HIGH,
        "end_seq": HIGH + 1000,
        "not_before": start,
    }
    return _body(2, values, changes)


def revocation(grant_id: bytes | None, **changes: Any) -> Body:
    """A `revocation` whose cut is its own issued-at and seq 0."""
    start = changes.get("issued_at", NOW)
    values = {"expires_at": start + 490 * DAY, "grant_id": grant_id, "cut_time": start, "cut_seq": 0}
    return _body(3, values, changes)


def subscription(owner: bytes = CAROL.account, **changes: Any) -> Body:
    """An `on` subscription of 30 days that allows receipts, to the owner's `news`."""
    values = {"expires_at": NOW + 30 * DAY, "topic": news(owner), "on": True, "receipts": True}
    return _body(4, values, changes)


def note(owner: bytes = CAROL.account, **changes: Any) -> Body:
    """A `notification` of one day to all subscribers of the owner's `news`, titled Hello."""
    start = changes.get("issued_at", NOW)
    values = {"expires_at": start + DAY, "topic": news(owner), "title": "Hello", "priority": 3}
    return _body(5, values, changes)


def retraction(target: bytes, owner: bytes = CAROL.account, **changes: Any) -> Body:
    """A `retraction` of one day, mode retract."""
    return _body(6, {"expires_at": NOW + DAY, "topic": news(owner), "target": target, "mode": 1}, changes)


def binding(node_id: bytes, signature: bytes, **changes: Any) -> Body:
    """A `node_binding` of 30 days."""
    return _body(7, {"expires_at": NOW + 30 * DAY, "node_id": node_id, "signature": signature}, changes)


def preferences(entries: list[Any], **changes: Any) -> Body:
    """A private `preferences` body of 30 days, seq 0."""
    return _body(64, {"expires_at": NOW + 30 * DAY, "seq": 0, "entries": entries}, changes)


def private_subscription(owner: bytes = CAROL.account, **changes: Any) -> Body:
    """A private `on` subscription of 30 days to the owner's `news`, seq 0."""
    values = {"expires_at": NOW + 30 * DAY, "seq": 0, "topic": news(owner), "on": True, "receipts": False}
    return _body(65, values, changes)


def full_bodies(owner: bytes, seq: int = 5) -> dict[int, Body]:
    """A body of each gossiped kind, with all that a person reads."""
    agreed = ed25519.sign(NODE.seed, hash_statement("node-binding", PLAIN.id, owner, u64(NOW + 30 * DAY)))
    return {
        1: topic(
            owner,
            seq=seq,
            description="What is new",
            icon=b"\x89PNG",
            categories=[["a", "A"]],
            settings=[["b", 1, "B", 2, 1, 3]],
        ),
        2: grant(seal_key=b"\x07" * 32, topics=[[owner, "alerts"], [owner, "news"]], not_before=NOW + 1),
        3: revocation(None, seq=seq, before=NOW - 1),
        4: subscription(owner, seq=seq, settings=[["b", 3]]),
        5: note(
            owner,
            **{
                "seq": seq,
                "title": "Price \U0001f514",
                "body": "back\\slash\n\ttab",
                "url": "https://example.org/?a=1&b=2",
            },
            **{"audience": accounts(2), "actions": [["Open", "https://example.org"]]},
            sealed=[bytes(24), b"c", [[bytes(32), bytes(80)]]],
        ),
        6: retraction(b"\x09" * 32, owner, seq=seq, mode=3, replacement=b"\x0a" * 32),
        7: binding(NODE.public, agreed, seq=seq),
    }
