"""Networks and bodies for tests: one plain body of each kind, and random ones that use every optional field."""

from collections.abc import Callable
from random import Random
from typing import Any

from pushmesh_protocol.accounts import Topic, contract_account, evm_account, solana_account
from pushmesh_protocol.codec import pack
from pushmesh_protocol.kinds import (
    GENESIS_KINDS,
    PRIVATE_KINDS,
    Action,
    AnyBody,
    Category,
    Grant,
    Kind,
    NodeBinding,
    Notification,
    Preference,
    Preferences,
    PrivateSubscription,
    Retraction,
    Revocation,
    Scope,
    Sealed,
    SealedBox,
    Setting,
    SettingChoice,
    Subscription,
    TopicDetails,
)
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.network import ByteLimits, Network, Parameters
from pushmesh_protocol.types import Account, EnvelopeId

ISSUED_AT = 1_790_000_000_123
SUBSCRIPTIONS = (Kind.SUBSCRIPTION, Kind.PRIVATE_SUBSCRIPTION)
WALLET_RANGE = 2**31
LETTERS = "abc XYZ 019 äöü ßñ 漢字 🔔 \\ \" ' : / {} 0x"


def a_network(**changes: Any) -> Network:
    values: dict[str, Any] = {
        "name": "test",
        "nonce": b"\x01" * 16,
        "epoch_length_ms": 3_600_000,
        "epoch_origin_ms": 1_700_000_000_000,
        "shard_count": 8,
        "wallet_range": WALLET_RANGE,
        "slot_bytes": 2048,
        "limits": ByteLimits(),
        "lives_ms": dict.fromkeys(GENESIS_KINDS, 400 * DAY_MS) | {Kind.REVOCATION: 490 * DAY_MS},
        "admins": (),
        "threshold": 1,
        "parameters": Parameters(0, 0, 64, {}, {}),
    }
    return Network(**(values | changes))


def envelope_id(network: Network, author: Account, kind: int, body: AnyBody) -> EnvelopeId:
    return EnvelopeId(network.hash_envelope(bytes((kind,)), author, pack(body)))


def a_body(kind: int, author: Account, **changes: Any) -> Any:
    """A plain body of a kind that passes its checks, unless a change breaks them."""
    topic = Topic(author, "alerts")
    common: dict[str, Any] = {"issued_at": ISSUED_AT, "seq": 7, "expires_at": ISSUED_AT + DAY_MS, "topic": topic}
    alone = common | {"topic": None}
    bodies: dict[int, tuple[type, dict[str, Any]]] = {
        Kind.TOPIC: (
            TopicDetails,
            common | {"title": "Alerts", "description": None, "icon": None, "categories": None, "settings": None},
        ),
        Kind.GRANT: (
            Grant,
            alone
            | {
                "key": b"\x22" * 32,
                "seal_key": None,
                "scopes": [int(Scope.NOTIFICATION)],
                "topics": None,
                "first_seq": WALLET_RANGE,
                "end_seq": WALLET_RANGE + 1000,
                "not_before": ISSUED_AT,
            },
        ),
        Kind.REVOCATION: (
            Revocation,
            alone
            | {
                "expires_at": ISSUED_AT + 490 * DAY_MS,
                "grant_id": b"\x33" * 32,
                "before": None,
                "cut_time": ISSUED_AT,
                "cut_seq": 7,
            },
        ),
        Kind.SUBSCRIPTION: (Subscription, common | {"on": True, "settings": None, "receipts": False}),
        Kind.NOTIFICATION: (
            Notification,
            common
            | dict.fromkeys(["audience", "url", "actions", "category", "collapse", "not_before", "language"])
            | dict.fromkeys(["thread", "origin", "sealed"])
            | {"title": "Loan at risk", "body": "Repay or add collateral.", "priority": 3},
        ),
        Kind.RETRACTION: (Retraction, common | {"target": b"\x44" * 32, "mode": 1, "replacement": None}),
        Kind.NODE_BINDING: (NodeBinding, alone | {"node_id": b"\x55" * 32, "signature": b"\x66" * 64}),
        Kind.PREFERENCES: (Preferences, alone | {"seq": 0, "entries": []}),
        Kind.PRIVATE_SUBSCRIPTION: (
            PrivateSubscription,
            common | {"seq": 0, "on": True, "settings": None, "receipts": False},
        ),
    }
    body_type, values = bodies[kind]
    return body_type(**(values | changes))


def a_text(rng: Random, most: int) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, most)))


def an_account(rng: Random) -> Account:
    return rng.choice(
        [
            evm_account(rng.randbytes(20)),
            contract_account(rng.randint(1, 2**64 - 1), rng.randbytes(20)),
            solana_account(rng.randbytes(32)),
        ]
    )


def a_random_body(rng: Random, kind: int, author: Account) -> Any:
    """A valid body with random content; each optional field is set or not."""
    issued_at = rng.randint(1_700_000_000_000, 2_000_000_000_000)
    times = {"issued_at": issued_at, "expires_at": issued_at + rng.randint(1, 30 * DAY_MS)}
    if kind == Kind.REVOCATION:
        times["expires_at"] = issued_at + 490 * DAY_MS
    changes = times | _RANDOM[kind](rng, times)
    if kind in (Kind.TOPIC, *SUBSCRIPTIONS, Kind.NOTIFICATION, Kind.RETRACTION):
        owner = an_account(rng) if kind in SUBSCRIPTIONS else author
        changes["topic"] = Topic(owner, rng.choice(["a", "alerts", "x" * 64, "price-1"]))
    if kind in SUBSCRIPTIONS and not changes["on"]:
        changes["expires_at"] = issued_at + 400 * DAY_MS
    if kind not in PRIVATE_KINDS:
        changes["seq"] = rng.randrange(WALLET_RANGE)
    return a_body(kind, author, **changes)


def _maybe(rng: Random, value: Any) -> Any:
    return value if rng.random() < 0.5 else None


def _random_topic(rng: Random, times: dict[str, int]) -> dict[str, Any]:
    return {
        "title": a_text(rng, 128),
        "description": _maybe(rng, a_text(rng, 1024)),
        "icon": _maybe(rng, rng.randbytes(rng.randint(1, 8192))),
        "categories": _maybe(rng, [Category("a", a_text(rng, 64)), Category("b", "B")]),
        "settings": _maybe(rng, [Setting("on", 0, "On", 1, 0, 1), Setting("x", 1, a_text(rng, 64), -5, -(2**53), 9)]),
    }


def _random_grant(rng: Random, times: dict[str, int]) -> dict[str, Any]:
    first = rng.randint(WALLET_RANGE, 2**32 - 2)
    return {
        "key": rng.randbytes(32),
        "seal_key": _maybe(rng, rng.randbytes(32)),
        "scopes": sorted(int(scope) for scope in rng.sample(list(Scope), rng.randint(1, len(Scope)))),
        "topics": _maybe(rng, sorted(Topic(an_account(rng), name) for name in ("a", "b", "c"))),
        "first_seq": first,
        "end_seq": rng.randint(first + 1, 2**32 - 1),
        "not_before": rng.randint(times["issued_at"], times["expires_at"] - 1),
    }


def _random_revocation(rng: Random, times: dict[str, int]) -> dict[str, Any]:
    named = rng.random() < 0.5
    return {
        "grant_id": rng.randbytes(32) if named else None,
        "before": None if named else rng.randrange(253_402_300_800_000),
        "cut_time": rng.randrange(253_402_300_800_000),
        "cut_seq": rng.randrange(2**32),
    }


def _random_subscription(rng: Random, times: dict[str, int]) -> dict[str, Any]:
    return {
        "on": rng.random() < 0.5,
        "settings": _maybe(rng, [SettingChoice("a", rng.randint(-(2**53), 2**53)), SettingChoice("b", 0)]),
        "receipts": rng.random() < 0.5,
    }


def _random_notification(rng: Random, times: dict[str, int]) -> dict[str, Any]:
    audience = sorted({an_account(rng) for _ in range(rng.randint(1, 50))})
    boxes = sorted((SealedBox(rng.randbytes(32), rng.randbytes(80)) for _ in range(3)), key=lambda box: box.seal_key)
    sealed = _maybe(rng, Sealed(rng.randbytes(24), rng.randbytes(rng.randint(1, 500)), boxes))
    return {
        "audience": audience if sealed is not None else _maybe(rng, audience),
        "title": _maybe(rng, a_text(rng, 256)),
        "body": a_text(rng, 2000) + rng.choice(["", "\nsecond line\n\tindented", "\nid: 0x00"]),
        "url": _maybe(rng, "https://example.org/" + a_text(rng, 50)),
        "actions": _maybe(rng, [Action(a_text(rng, 64), "ipfs://abc")]),
        "category": _maybe(rng, "risk"),
        "priority": rng.randint(1, 5),
        "collapse": _maybe(rng, a_text(rng, 64)),
        "not_before": _maybe(rng, times["issued_at"]),
        "language": _maybe(rng, "pt-BR"),
        "thread": _maybe(rng, rng.randbytes(16)),
        "origin": _maybe(rng, rng.randbytes(32)),
        "sealed": sealed,
    }


def _random_retraction(rng: Random, times: dict[str, int]) -> dict[str, Any]:
    mode = rng.randint(1, 3)
    return {"target": rng.randbytes(32), "mode": mode, "replacement": rng.randbytes(32) if mode == 3 else None}


def _random_binding(rng: Random, times: dict[str, int]) -> dict[str, Any]:
    return {"node_id": rng.randbytes(32), "signature": rng.randbytes(64)}


def _random_preferences(rng: Random, times: dict[str, int]) -> dict[str, Any]:
    subjects = [
        an_account(rng) if rng.random() < 0.5 else Topic(an_account(rng), "t") for _ in range(rng.randint(0, 9))
    ]
    entries = [Preference(rng.randint(1, 3), subject) for subject in subjects]
    return {"entries": sorted(entries, key=lambda entry: (entry.action, pack(entry.subject)))}


_RANDOM: dict[int, Callable[[Random, dict[str, int]], dict[str, Any]]] = {
    Kind.TOPIC: _random_topic,
    Kind.GRANT: _random_grant,
    Kind.REVOCATION: _random_revocation,
    Kind.SUBSCRIPTION: _random_subscription,
    Kind.NOTIFICATION: _random_notification,
    Kind.RETRACTION: _random_retraction,
    Kind.NODE_BINDING: _random_binding,
    Kind.PREFERENCES: _random_preferences,
    Kind.PRIVATE_SUBSCRIPTION: lambda rng, times: _random_subscription(rng, times) | {"receipts": False},
}
