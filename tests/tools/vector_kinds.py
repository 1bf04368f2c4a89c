"""Vectors about bodies: the rules of each kind (SPEC 4.3-4.20), both sides of each limit, and longest lives.

A Solana account signs them all: its signature binds the id alone, so that nothing but the named fault is wrong."""

from typing import Any

from pushmesh_protocol.auth import ed25519
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import hash_statement, u64
from tools.vector_bodies import (
    HIGH,
    binding,
    grant,
    note,
    preferences,
    private_subscription,
    retraction,
    revocation,
    subscription,
    topic,
)
from tools.vector_case import Book, Json, accept, ignore, reject, unreadable
from tools.vector_keys import BOB, CAROL, DAVE, NODE, OTHER_NODE, PHONE, SAFE, EdKey, accounts, seal_keys
from tools.vector_makers import Own, dress, frame, make
from tools.vector_networks import DAY, NOW, ORIGIN, PLAIN
from tools.vector_wallets import WalletProcess

SIGNER = Own(CAROL)
OWNER = CAROL.account
BOX = bytes(80)


class _Kinds:
    """Cases of one kind each."""

    def __init__(self) -> None:
        self.book = Book(now_ms=NOW)

    def good(self, name: str, kind: int, body: list[Any]) -> None:
        made = make(SIGNER, kind, body)
        self.book.judge(name, frame(made), accept(made))

    def bad(self, name: str, rule: str, kind: int, body: list[Any], reason: str = "malformed") -> None:
        self.book.judge(name, frame(make(SIGNER, kind, body)), reject(reason, rule))


def starts(_wallets: WalletProcess) -> Book:
    kinds = _Kinds()
    kinds.bad("expires-at equal to issued-at", "4.3", 5, note(expires_at=NOW))
    kinds.bad("expires-at before issued-at", "4.3", 5, note(expires_at=NOW - 1))
    kinds.good("expires-at one millisecond after issued-at", 5, note(expires_at=NOW + 1))
    kinds.bad("issued before the network's origin", "1.6", 5, note(issued_at=ORIGIN - 1, expires_at=NOW + 1))
    kinds.bad("a notification without a topic", "4.3", 5, [*note()[:3], None, *note()[4:]])
    kinds.bad("a subscription without a topic", "4.3", 4, [*subscription()[:3], None, *subscription()[4:]])
    kinds.bad("a grant with a topic", "4.3", 2, grant(topic=[OWNER, "news"]))
    kinds.bad("a revocation with a topic", "4.3", 3, revocation(bytes(32), topic=[OWNER, "news"]))
    kinds.bad(
        "a subscription to a topic whose owner is no account", "2.1", 4, subscription(topic=[b"\x00" * 20, "news"])
    )
    kinds.bad("a topic whose name has a capital", "2.3", 4, subscription(topic=[OWNER, "News"]))
    kinds.good("a subscription to another's topic", 4, subscription(owner=BOB.account))
    for name, kind, body in (
        ("a notification on another's topic", 5, note(owner=BOB.account)),
        ("a topic that another owns", 1, topic(owner=DAVE.account)),
        ("a retraction on another's topic", 6, retraction(bytes(32), owner=BOB.account)),
    ):
        kinds.bad(name, "4.6", kind, body, "not-topic-owner")
    book = kinds.book
    for kind in (0, 8, 63, 128, 255):
        made = make(SIGNER, kind, note())
        book.judge(f"kind {kind} is not known here", frame(made), unreadable("unknown-kind", "4.5"))
    for kind in (64, 66, 127):
        made = make(SIGNER, kind, preferences([]))
        book.judge(f"kind {kind} is private", frame(made), reject("private-kind", "4.5"))
    good, strange = make(SIGNER, 5, note()), make(SIGNER, 8, note())
    answers = [accept(good), unreadable("unknown-kind", "4.5")]
    book.judge("an unknown kind does not harm its neighbour", frame(good, strange), answers)
    made = dress(5, b"\x03" + bytes(20), good.body, good.auth)
    book.judge("an author that is no account", frame(made), reject("malformed", "2.1"))
    return book


def topics(_wallets: WalletProcess) -> Book:
    kinds = _Kinds()

    def good(name: str, **changes: Any) -> None:
        kinds.good(name, 1, topic(**changes))

    def bad(name: str, **changes: Any) -> None:
        kinds.bad(name, "4.8", 1, topic(**changes))

    def slugs(count: int) -> list[str]:
        return [f"s{number:02d}" for number in range(count)]

    good("a topic with nothing but a title")
    good("a topic's title of 128 code points", title="t" * 128)
    bad("a topic's title of 129 code points", title="t" * 129)
    bad("a topic without a title", title=None)
    good("a topic's description of 1,024 code points", description="d" * 1024)
    bad("a topic's description of 1,025 code points", description="d" * 1025)
    good("an icon of 8,192 bytes", icon=bytes(8192))
    bad("an icon of 8,193 bytes", icon=bytes(8193))
    good("32 categories", categories=[[slug, "t"] for slug in slugs(32)])
    bad("33 categories", categories=[[slug, "t"] for slug in slugs(33)])
    bad("categories out of order", categories=[["b", "t"], ["a", "t"]])
    bad("a category twice", categories=[["a", "t"], ["a", "u"]])
    bad("a category's title of 65 code points", categories=[["a", "t" * 65]])
    good("a boolean setting", settings=[["a", 0, "t", 1, 0, 1]])
    bad("a boolean setting that runs to 2", settings=[["a", 0, "t", 1, 0, 2]])
    good("a range that is one value", settings=[["a", 1, "t", 5, 5, 5]])
    good("a range over all that is allowed", settings=[["a", 1, "t", 0, -(2**53), 2**53]])
    bad("a range one past what is allowed", settings=[["a", 1, "t", 0, 0, 2**53 + 1]])
    bad("a range from one below what is allowed", settings=[["a", 1, "t", 0, -(2**53) - 1, 0]])
    bad("a default above its range", settings=[["a", 1, "t", 6, 0, 5]])
    bad("a default below its range", settings=[["a", 1, "t", -1, 0, 5]])
    bad("a setting of type 2", settings=[["a", 2, "t", 0, 0, 1]])
    bad("settings out of order", settings=[["b", 0, "t", 0, 0, 1], ["a", 0, "t", 0, 0, 1]])
    return kinds.book


def grants(_wallets: WalletProcess) -> Book:
    kinds = _Kinds()

    def good(name: str, **changes: Any) -> None:
        kinds.good(name, 2, grant(**changes))

    def bad(name: str, **changes: Any) -> None:
        kinds.bad(name, "4.9", 2, grant(**changes))

    good("a grant of everything", seal_key=bytes(32))
    good("a grant of one scope", scopes=[128])
    bad("a grant of nothing", scopes=[])
    bad("a grant to grant", scopes=[1, 2])
    bad("a grant of a scope that does not exist", scopes=[131])
    bad("a grant of private preferences", scopes=[64])
    bad("scopes out of order", scopes=[5, 1])
    bad("a scope twice", scopes=[5, 5])
    many = [[OWNER, f"t{number:02d}"] for number in range(33)]
    good("a grant for 32 topics", topics=many[:32])
    bad("a grant for 33 topics", topics=many)
    bad("a grant for no topics", topics=[])
    bad("topics out of order by name", topics=[[OWNER, "b"], [OWNER, "a"]])
    bad("topics out of order by owner", topics=[[OWNER, "a"], [BOB.account, "b"]])
    good("a grant for another owner's topics too", topics=[[BOB.account, "b"], [OWNER, "a"]])
    bad("a grant that begins in the wallet's own range", first_seq=HIGH - 1)
    good("a grant of one seq", first_seq=HIGH, end_seq=HIGH + 1)
    bad("a grant of no seq", first_seq=HIGH, end_seq=HIGH)
    good("a grant to the end of all seqs", end_seq=2**32 - 1)
    bad("a grant past the end of all seqs", end_seq=2**32)
    good("a grant that begins in its last millisecond", not_before=NOW + 30 * DAY - 1)
    bad("a grant that begins when it ends", not_before=NOW + 30 * DAY)
    bad("a grant that begins before it was issued", not_before=NOW - 1)
    bad("a session key of 31 bytes", key=bytes(31))
    return kinds.book


def revocations(_wallets: WalletProcess) -> Book:
    kinds = _Kinds()
    kinds.good("a revocation of a grant that is not known yet", 3, revocation(bytes(32)))
    kinds.good("a revocation of all earlier grants", 3, revocation(None, before=NOW))
    kinds.bad("a revocation of one grant and of all", "4.10", 3, revocation(bytes(32), before=NOW))
    kinds.bad("a revocation of nothing", "4.10", 3, revocation(None))
    for days_ms, what in ((490 * DAY - 1, "a millisecond less"), (490 * DAY + 1, "a millisecond more")):
        body = revocation(bytes(32), expires_at=NOW + days_ms)
        kinds.bad(f"a revocation that lives {what} than 490 days", "4.4", 3, body)
    kinds.good(
        "a cut in the future and at the last seq", 3, revocation(bytes(32), cut_time=NOW + DAY, cut_seq=2**32 - 1)
    )
    kinds.bad("a cut past the last seq", "4.10", 3, revocation(bytes(32), cut_seq=2**32))
    return kinds.book


def subscriptions(_wallets: WalletProcess) -> Book:
    kinds = _Kinds()
    many = [[f"s{number:02d}", number] for number in range(33)]
    kinds.good("an on subscription without receipts", 4, subscription(receipts=False))
    kinds.good("32 settings", 4, subscription(settings=many[:32]))
    kinds.bad("33 settings", "4.13", 4, subscription(settings=many))
    kinds.bad("a subscriber's settings out of order", "4.13", 4, subscription(settings=[["b", 0], ["a", 0]]))
    kinds.bad("a setting's value past 2^53", "4.13", 4, subscription(settings=[["a", 2**53 + 1]]))
    kinds.bad("a setting's value as a boolean", "4.13", 4, subscription(settings=[["a", True]]))
    kinds.good("an off subscription of exactly 400 days", 4, subscription(on=False, expires_at=NOW + 400 * DAY))
    kinds.bad(
        "an off subscription a millisecond short of 400 days",
        "4.4",
        4,
        subscription(on=False, expires_at=NOW + 400 * DAY - 1),
    )
    kinds.bad("an off subscription of 30 days", "4.4", 4, subscription(on=False))
    return kinds.book


def notifications(_wallets: WalletProcess) -> Book:
    kinds = _Kinds()

    def good(name: str, **changes: Any) -> None:
        kinds.good(name, 5, note(**changes))

    def bad(name: str, rule: str = "4.15", **changes: Any) -> None:
        kinds.bad(name, rule, 5, note(**changes))

    def sealed(boxes: int, size: int = 1) -> list[Any]:
        return [bytes(24), bytes(size), [[key, BOX] for key in seal_keys(boxes)]]

    action = ["Open", "https://example.org"]
    full: dict[str, Any] = {
        **{
            "audience": accounts(3),
            "title": "Hello",
            "body": "World",
            "url": "https://example.org/x",
            "actions": [action] * 3,
        },
        **{"category": "market", "priority": 5, "collapse": "price", "not_before": NOW + 1, "language": "en-GB"},
        **{"thread": bytes(16), "origin": NODE.public, "sealed": sealed(2)},
    }
    good("a notification with every member", **full)
    good("a notification with a body alone", title=None, body="b")
    good("a notification with a sealed part alone", title=None, audience=accounts(1), sealed=sealed(1))
    bad("a notification that says nothing", title=None)
    bad("a notification with a url alone", title=None, url="https://example.org")
    good("an audience of 2,000", audience=accounts(2000))
    bad("an audience of 2,001", audience=accounts(2001))
    bad("an audience out of order", audience=list(reversed(accounts(2))))
    bad("an audience with one twice", audience=accounts(1) * 2)
    bad("an audience with one that is no account", "2.1", audience=[b"\x00" + bytes(19)])
    good("an audience of every type of account", audience=[BOB.account, SAFE, OWNER])
    bad("four actions", actions=[action] * 4)
    bad("an action without a title", actions=[["", "https://example.org"]])
    bad("an action without a url", actions=[["Open", None]])
    good("priority 1", priority=1)
    bad("priority 0", priority=0)
    bad("priority 6", priority=6)
    bad("no priority", priority=None)
    good("not-before in the last millisecond", not_before=NOW + DAY - 1)
    bad("not-before at expires-at", not_before=NOW + DAY)
    good("not-before before issued-at", not_before=NOW - DAY)
    bad("a thread of 15 bytes", thread=bytes(15))
    bad("an origin of 33 bytes", origin=bytes(33))
    bad("a sealed part for all subscribers", "4.16", sealed=sealed(1))
    good("a sealed part for an audience of 500", audience=accounts(500), sealed=sealed(1))
    bad("a sealed part for an audience of 501", "4.16", audience=accounts(501), sealed=sealed(1))
    bad("a sealed part without boxes", "4.16", audience=accounts(1), sealed=sealed(0))
    bad(
        "a sealed part whose keys are out of order",
        "4.16",
        audience=accounts(1),
        sealed=[bytes(24), b"c", [[key, BOX] for key in reversed(seal_keys(2))]],
    )
    bad(
        "a sealed part with one key twice",
        "4.16",
        audience=accounts(1),
        sealed=[bytes(24), b"c", [[bytes(32), BOX]] * 2],
    )
    bad("a box of 79 bytes", "4.16", audience=accounts(1), sealed=[bytes(24), b"c", [[bytes(32), BOX[1:]]]])
    bad(
        "a sealed part with a nonce of 23 bytes",
        "4.16",
        audience=accounts(1),
        sealed=[bytes(23), b"c", [[bytes(32), BOX]]],
    )
    good("a ciphertext of 65,536 bytes", audience=accounts(1), sealed=sealed(1, 65_536))
    bad("a ciphertext of 65,537 bytes", "4.16", audience=accounts(1), sealed=sealed(1, 65_537))
    bad("a ciphertext of no bytes", "4.16", audience=accounts(1), sealed=sealed(1, 0))
    return kinds.book


def retractions(_wallets: WalletProcess) -> Book:
    kinds = _Kinds()
    target = bytes(32)
    kinds.good("a retraction before its target", 6, retraction(target))
    kinds.good("a cancellation", 6, retraction(target, mode=2))
    kinds.good("a replacement", 6, retraction(target, mode=3, replacement=bytes(32)))
    kinds.bad("a replacement by nothing", "4.17", 6, retraction(target, mode=3))
    kinds.bad("a retraction with a replacement", "4.17", 6, retraction(target, replacement=bytes(32)))
    kinds.bad("a retraction of mode 0", "4.17", 6, retraction(target, mode=0))
    kinds.bad("a retraction of mode 4", "4.17", 6, retraction(target, mode=4))
    kinds.bad("a target of 31 bytes", "4.17", 6, retraction(target[1:]))
    return kinds.book


def bindings(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)

    def agreed(
        key: EdKey = NODE, name: str = "node-binding", author: bytes = OWNER, expires_at: int = NOW + 30 * DAY
    ) -> bytes:
        return ed25519.sign(key.seed, hash_statement(name, PLAIN.id, author, u64(expires_at)))

    made = make(SIGNER, 7, binding(NODE.public, agreed()))
    book.judge("a binding that the node agrees to", frame(made), accept(made))
    for name, signature in (
        ("a binding that another node agrees to", agreed(OTHER_NODE)),
        ("a binding that the node agreed to for another author", agreed(author=DAVE.account)),
        ("a binding that the node agreed to for another time", agreed(expires_at=NOW + 30 * DAY + 1)),
        ("a binding whose node signature is empty space", bytes(64)),
    ):
        made = make(SIGNER, 7, binding(NODE.public, signature))
        book.judge(name, frame(made), reject("bad-signature", "4.18", made))
    made = make(SIGNER, 7, binding(NODE.public[1:], agreed()))
    book.judge("a binding of a node id of 31 bytes", frame(made), reject("malformed", "4.18"))
    return book


def lives(_wallets: WalletProcess) -> Book:
    kinds = _Kinds()
    bound = ed25519.sign(NODE.seed, hash_statement("node-binding", PLAIN.id, OWNER, u64(NOW + 180 * DAY)))
    limits: list[tuple[str, int, int, Any]] = [
        ("a topic", 1, 400, topic),
        ("a grant", 2, 90, grant),
        ("an on subscription", 4, 400, subscription),
        ("a notification", 5, 30, note),
        ("a retraction", 6, 30, lambda **changes: retraction(bytes(32), **changes)),
        ("a node binding", 7, 180, lambda **changes: binding(NODE.public, bound, **changes)),
    ]
    for name, kind, days, body in limits:
        longest = NOW + days * DAY
        kinds.good(f"{name} of {days} days", kind, body(expires_at=longest))
        kinds.bad(
            f"{name} a millisecond longer than {days} days", "4.4", kind, body(expires_at=longest + 1), "life-too-long"
        )
    contract_auth = [5, b"contract", None]
    made = make(SIGNER, 2, grant(expires_at=NOW + 7 * DAY), author=SAFE)
    made = dress(2, SAFE, made.body, contract_auth)
    kinds.book.judge("a contract's grant of 7 days", frame(made), ignore(made, "chain-unavailable", "5.14"))
    made = make(SIGNER, 2, grant(expires_at=NOW + 7 * DAY + 1), author=SAFE)
    made = dress(2, SAFE, made.body, contract_auth)
    kinds.book.judge("a contract's grant a millisecond longer than 7 days", frame(made), reject("life-too-long", "4.4"))
    kinds.good("a revocation of 490 days", 3, revocation(PHONE.public))
    return kinds.book


def private(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    given: Json = {"network": "plain", "now_ms": NOW, "state": []}

    def add(name: str, made: Any, answer: Json, now_ms: int = NOW) -> None:
        book.add(name, "private", {**given, "now_ms": now_ms}, {"item": pack(made.form).hex()}, answer)

    def good(name: str, entries: list[Any]) -> None:
        made = make(SIGNER, 64, preferences(entries))
        add(name, made, accept(made))

    def bad(
        name: str, rule: str, body: list[Any], *, reason: str = "malformed", kind: int = 64, work: int | None = None
    ) -> None:
        add(name, make(SIGNER, kind, body, work=work), reject(reason, rule))

    senders = [[2, account] for account in accounts(1025)]
    good("preferences of nothing", [])
    good("preferences of every action", [[1, BOB.account], [2, [BOB.account, "news"]], [3, OWNER]])
    good("1,024 preferences", senders[:1024])
    bad("1,025 preferences", "4.19", preferences(senders))
    bad("preferences of action 0", "4.19", preferences([[0, BOB.account]]))
    bad("preferences of action 4", "4.19", preferences([[4, BOB.account]]))
    bad("preferences out of order", "4.19", preferences([[2, OWNER], [1, OWNER]]))
    bad("preferences with an entry twice", "4.19", preferences([[1, OWNER], [1, OWNER]]))
    bad("preferences for what is no account", "2.1", preferences([[1, b"\x09"]]))
    bad("preferences for a topic with a bad name", "2.3", preferences([[1, [OWNER, "a b"]]]))
    bad("preferences with a topic", "4.3", preferences([], topic=[OWNER, "news"]))
    bad("preferences with a seq", "6.1", preferences([], seq=1))
    bad("preferences with work", "6.1", preferences([]), work=1)
    bad(
        "preferences of more than 400 days",
        "4.4",
        preferences([], expires_at=NOW + 400 * DAY + 1),
        reason="life-too-long",
    )
    bad("a notification on the private way", "4.5", note(), reason="private-kind", kind=5)
    made = make(SIGNER, 64, preferences([]))
    add("preferences that have expired", made, ignore(made, "expired", "7.2"), NOW + 30 * DAY)
    made = make(SIGNER, 64, preferences([]), author=DAVE.account)
    add("preferences that another signed", made, reject("bad-signature", "5.9", made))
    return book


def private_subscriptions(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    given: Json = {"network": "plain", "now_ms": NOW, "state": []}

    def add(name: str, made: Any, answer: Json, **changes: Any) -> None:
        book.add(name, "private", {**given, **changes}, {"item": pack(made.form).hex()}, answer)

    def good(name: str, **changes: Any) -> None:
        made = make(SIGNER, 65, private_subscription(**changes))
        add(name, made, accept(made))

    def bad(name: str, rule: str, reason: str = "malformed", **changes: Any) -> None:
        add(name, make(SIGNER, 65, private_subscription(**changes)), reject(reason, rule))

    good("a private subscription")
    good("a private subscription to another's topic", owner=BOB.account)
    good("a private subscription with settings", settings=[["a", 1], ["b", -3]])
    good("a private subscription that is off", on=False, expires_at=NOW + 400 * DAY)
    good("a private subscription of 400 days", expires_at=NOW + 400 * DAY)
    bad("a private subscription of more than 400 days", "4.4", "life-too-long", expires_at=NOW + 400 * DAY + 1)
    bad("a private subscription that is off for 30 days", "4.4", on=False)
    bad("a private subscription that allows receipts", "4.25", receipts=True)
    bad("a private subscription with settings out of order", "4.13", settings=[["b", 1], ["a", 1]])
    bad("a private subscription with a seq", "6.1", seq=1)
    bad("a private subscription without a topic", "4.3", topic=None)
    made = make(SIGNER, 65, private_subscription())
    book.judge("a private subscription in a frame", frame(made), reject("private-kind", "4.5"))
    made = make(SIGNER, 4, subscription())
    add("a public subscription on the private way", made, reject("private-kind", "4.5"))
    made = make(SIGNER, 65, private_subscription(), author=DAVE.account)
    add("a private subscription that another signed", made, reject("bad-signature", "5.9", made))
    return book


SUBJECTS = {
    "bodies": starts,
    "kind_topic": topics,
    "kind_grant": grants,
    "kind_revocation": revocations,
    "kind_subscription": subscriptions,
    "kind_notification": notifications,
    "kind_retraction": retractions,
    "kind_node_binding": bindings,
    "kind_preferences": private,
    "kind_private_subscription": private_subscriptions,
    "lives": lives,
}
