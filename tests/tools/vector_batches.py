"""Vectors about batches (SPEC 5.10-5.12, 8.3): one signature for many, and what must not hide behind a root."""

from typing import Any

from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.tree import root_of
from tools.vector_bodies import HIGH, grant, note, retraction
from tools.vector_case import Book, accept, ignore, reject, unreadable
from tools.vector_keys import ALICE, BOB, CAROL, DAVE, LAPTOP, PHONE, SAFE
from tools.vector_makers import (
    MadeBatch,
    Own,
    Session,
    Texts,
    Typed,
    dress_batch,
    frame,
    id_of,
    make,
    make_batch,
    redress,
    sign_batch,
)
from tools.vector_networks import DAY, EPOCH, HOUR, NOW, OTHER, PLAIN, SMALL
from tools.vector_wallets import WalletProcess

OWNER = CAROL.account
CAROL_SIGNS = Own(CAROL)


def _notes(count: int, first: int = 10, owner: bytes = OWNER, **changes: Any) -> list[list[Any]]:
    return [note(owner, seq=first + place, title=f"Message {place}", **changes) for place in range(count)]


def _frame(batch: MadeBatch, *runs: list[Any], grants: Any = ()) -> bytes:
    return frame(*(runs or (batch.run(),)), statements=[batch.statement], grants=grants)


def batches(wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    for count in (1, 2, 3, 8, 11):
        batch = make_batch(CAROL_SIGNS, _notes(count))
        book.judge(f"a whole batch of {count}", _frame(batch), map(accept, batch.leaves))
    for first, size in ((0, 1), (0, 8), (4, 4), (6, 2), (10, 1), (8, 3)):
        batch = make_batch(CAROL_SIGNS, _notes(11))
        answers = [accept(leaf) for leaf in batch.leaves[first : first + size]]
        book.judge(f"the {size} leaves from {first} of 11", _frame(batch, batch.run(first, size)), answers)
    batch = make_batch(CAROL_SIGNS, _notes(11))
    answers = [accept(leaf) for leaf in (*batch.leaves[8:], *batch.leaves[:4])]
    book.judge("two runs of one batch in one frame", _frame(batch, batch.run(8), batch.run(0, 4)), answers)
    signers: list[tuple[str, Typed]] = [
        ("typed data", Typed(wallets, ALICE)),
        ("typed data on chain 10", Typed(wallets, ALICE, 10)),
        ("a text", Texts(wallets, ALICE)),
    ]
    for how, signer in signers:
        batch = make_batch(signer, _notes(3, owner=ALICE.account))
        book.judge(f"a batch signed as {how}", _frame(batch), map(accept, batch.leaves))
    granted = make(CAROL_SIGNS, 2, grant())
    session = Session(PHONE, OWNER, granted.id)
    batch = make_batch(session, _notes(3, first=HIGH))
    answers = [accept(granted), *map(accept, batch.leaves)]
    book.judge("a batch signed by a session, with its grant in the frame", _frame(batch, grants=[granted]), answers)
    bodies = [retraction(bytes(32), seq=10 + place) for place in range(2)]
    batch = make_batch(CAROL_SIGNS, bodies, leaf_kind=6)
    book.judge("a batch of retractions", _frame(batch), map(accept, batch.leaves))
    one, two = make_batch(CAROL_SIGNS, _notes(2)), make_batch(Own(DAVE), _notes(2, owner=DAVE.account))
    both = frame(two.run(place=1), one.run(place=0), statements=[one.statement, two.statement])
    book.judge("two batches in one frame, the second first", both, map(accept, [*two.leaves, *one.leaves]))
    batch = make_batch(CAROL_SIGNS, _notes(2, first=HIGH - 2))
    book.judge("a batch up to the wallet's last seq", _frame(batch), map(accept, batch.leaves))
    batch = make_batch(CAROL_SIGNS, _notes(2), expires_at=NOW + 2 * DAY)
    book.judge("a statement that outlives its leaves", _frame(batch), map(accept, batch.leaves))
    long = note(seq=10, body="b" * 1900)
    long = note(seq=10, body="b" * (1900 + 2048 - len(pack(long))))
    assert len(pack(long)) == 2048
    batch = make_batch(CAROL_SIGNS, [long])
    book.judge("a leaf of 2,048 bytes of body costs one slot", _frame(batch), map(accept, batch.leaves))
    return book


def statements(wallets: WalletProcess) -> Book:
    """A statement that breaks a rule of its own."""
    book = Book(now_ms=NOW)

    def bad(
        name: str, rule: str, reason: str = "malformed", bodies: Any = None, signer: Any = CAROL_SIGNS, **changes: Any
    ) -> None:
        batch = make_batch(signer, bodies or _notes(2), **changes)
        book.judge(name, _frame(batch), reject(reason, rule))

    bad("a batch of grants", "5.10", bodies=[_with_topic(grant(LAPTOP.public, seq=10))], leaf_kind=2)
    for kind in (1, 3, 4, 7, 64):
        bad(f"a batch of kind {kind}", "5.10", leaf_kind=kind)
    bad("a batch of a kind that is not known", "5.10", leaf_kind=9)
    bad("a batch of none", "5.10", count=0)
    bad("a batch that claims 1,025", "5.10", count=1025)
    bad("a batch that reaches past the wallet's range", "6.1", bodies=_notes(2, first=HIGH - 1))
    bad("a wallet's batch in the range of session keys", "6.1", bodies=_notes(2, first=HIGH))
    session = Session(PHONE, OWNER, bytes(32))
    bad("a session's batch in the wallet's range", "6.1", signer=session)
    bad("a session's batch past the last seq", "6.1", bodies=_notes(2, first=2**32 - 2), signer=session, count=3)
    bad("a root of 31 bytes", "5.10", root=bytes(31))
    bad("a statement with an owner that is no account", "2.1", topic=[b"\x05", "news"])
    bad("a statement with a topic name in capitals", "2.3", topic=[OWNER, "NEWS"])
    bad("a statement on another's topic", "4.6", "not-topic-owner", topic=[DAVE.account, "news"])
    bad("a statement past the year 9999", "5.10", expires_at=253_402_300_800_000)
    batch = make_batch(CAROL_SIGNS, _notes(2))
    contract = make_batch(Session(PHONE, SAFE, bytes(32)), _notes(1, first=HIGH, owner=SAFE))
    for number in (5, 6):
        wrong = dress_batch([*contract.statement[:8], [number, b"contract", None]], contract.bodies)
        book.judge(f"a contract's batch with scheme {number}", _frame(wrong), reject("scheme-not-allowed", "5.2"))
    for number in (1, 2):
        auth = [1, None, bytes(65), None] if number == 1 else [2, bytes(65), None]
        wrong = dress_batch([*batch.statement[:8], auth], batch.bodies)
        book.judge(f"a Solana key's batch with scheme {number}", _frame(wrong), reject("scheme-not-allowed", "5.2"))
    strange = dress_batch([*batch.statement[:8], [9, b"new"]], batch.bodies)
    book.judge("a statement with a scheme that is not known", _frame(strange), unreadable("unknown-scheme", "5.1"))
    long = [*batch.statement, None]
    book.judge("a statement with a member too many", frame(batch.run(), statements=[long]), reject("malformed", "5.10"))
    batch_in_batch = dress_batch([*batch.statement[:8], batch.statement], batch.bodies)
    book.judge("a batch signed by a batch", _frame(batch_in_batch), reject("malformed", "5.10"))
    _forged_statements(book, wallets)
    return book


def _with_topic(body: list[Any]) -> list[Any]:
    body[3] = [OWNER, "news"]
    return body


def _forged_statements(book: Book, wallets: WalletProcess) -> None:
    good = make_batch(CAROL_SIGNS, _notes(2))

    def bad(name: str, batch: MadeBatch, rule: str = "5.9") -> None:
        book.judge(name, _frame(batch), reject("bad-signature", rule, batch.leaves[0]))

    auth = good.statement[8]
    other = make_batch(CAROL_SIGNS, _notes(2), expires_at=NOW + 2 * DAY)
    bad("the signature of a statement with another expiry", dress_batch([*other.statement[:8], auth], good.bodies))
    foreign = make_batch(CAROL_SIGNS, _notes(2), network=OTHER)
    bad("a statement signed for another network", dress_batch([*good.statement[:8], foreign.statement[8]], good.bodies))
    bad(
        "a statement that another account signed",
        dress_batch([*good.statement[:8], sign_batch(Own(DAVE), PLAIN, good.statement[:8])], good.bodies),
    )
    first = make(CAROL_SIGNS, 5, _notes(1)[0])
    alone = make_batch(CAROL_SIGNS, _notes(1))
    bad(
        "an item's signature does not serve its batch of one",
        dress_batch([*alone.statement[:8], first.auth], alone.bodies),
    )
    leaf = make(CAROL_SIGNS, 5, _notes(1)[0])
    swapped = [0, 5, OWNER, leaf.body, alone.statement[8]]
    wrong = redress(leaf, alone.statement[8])
    book.judge(
        "a batch's signature does not serve its leaf alone", frame(swapped), reject("bad-signature", "5.9", wrong)
    )
    wallet = Typed(wallets, ALICE)
    signed = make_batch(wallet, _notes(2, owner=ALICE.account))
    high = [*signed.statement[:8], [1, 1, signed.statement[8][2], None]]
    bad("a typed statement shown for another chain", dress_batch(high, signed.bodies), "5.3")
    by_bob = [*signed.statement[:8], sign_batch(Typed(wallets, BOB), PLAIN, signed.statement[:8])]
    bad("a typed statement that another wallet signed", dress_batch(by_bob, signed.bodies), "5.3")


def leaves(_wallets: WalletProcess) -> Book:
    """A leaf, a path or a run that does not fit its statement."""
    book = Book(now_ms=NOW)

    def bad(name: str, data: bytes, rule: str = "5.11") -> None:
        book.judge(name, data, reject("bad-batch-leaf", rule))

    def whole(name: str, bodies: list[list[Any]], **changes: Any) -> None:
        bad(name, _frame(make_batch(CAROL_SIGNS, bodies, **changes)))

    whole("a leaf in another slot than its place", [note(seq=10), note(seq=12)])
    whole("leaves in the wrong order", [note(seq=11), note(seq=10)])
    whole("two leaves in one slot", [note(seq=10), note(seq=10, title="x")])
    whole("a leaf on another topic of the same owner", [note(seq=10), note(seq=11, topic=[OWNER, "alerts"])])
    whole("a leaf of another epoch", [note(seq=10), note(seq=11, issued_at=NOW - HOUR)])
    whole("leaves of another epoch than the statement's", _notes(2), epoch=EPOCH - 1)
    whole("a leaf that outlives its statement by a millisecond", _notes(2), expires_at=NOW + DAY - 1)
    long = note(seq=10, body="b" * 1900)
    long = note(seq=10, body="b" * (1900 + 2049 - len(pack(long))))
    whole("a leaf of 2,049 bytes of body", [long])
    book.judge(
        "a leaf that is no notification",
        _frame(make_batch(CAROL_SIGNS, [retraction(bytes(32), seq=10)])),
        reject("malformed", "4.15"),
    )
    hidden = make_batch(CAROL_SIGNS, [_with_topic(grant(LAPTOP.public, seq=10))])
    book.judge("a grant that hides among notifications", _frame(hidden), reject("malformed", "4.15"))
    smuggled = make(CAROL_SIGNS, 2, grant(LAPTOP.public))
    said = [
        *make_batch(CAROL_SIGNS, _notes(2)).statement[:7],
        root_of([id_of(5, OWNER, pack(_notes(1)[0])), smuggled.id]),
    ]
    blind = dress_batch([*said, sign_batch(CAROL_SIGNS, PLAIN, said)], [pack(_notes(1)[0])], shown=CAROL_SIGNS.shown)
    path = [sha256(b"\x00" + smuggled.id)]
    stolen = Session(LAPTOP, OWNER, smuggled.id)
    theft = make(stolen, 5, note(seq=HIGH))
    run = [1, 0, 0, path, blind.bodies]
    answers = [accept(blind.leaves[0]), ignore(theft, "unknown-grant", "5.15")]
    book.judge("a root over a grant's id makes no grant", frame(run, theft, statements=[blind.statement]), answers)
    owned = make_batch(Own(DAVE), _notes(2, owner=DAVE.account))
    foreign = dress_batch(owned.statement, [pack(body) for body in _notes(2)])
    book.judge("leaves of another author's topic", _frame(foreign), reject("not-topic-owner", "4.6"))

    batch = make_batch(CAROL_SIGNS, _notes(11))
    part = batch.run(4, 4)
    true_path: list[bytes] = part[3]

    def run_of(first: int, path: list[bytes], bodies: list[bytes]) -> bytes:
        return _frame(batch, [1, 0, first, path, bodies])

    four = batch.bodies[4:8]
    bad("a run at another place", run_of(0, true_path, four))
    bad("a run with a path too short", run_of(4, true_path[:-1], four), "5.12")
    bad("a run with a path too long", run_of(4, [*true_path, bytes(32)], four), "5.12")
    bad("a run with its path in another order", run_of(4, true_path[::-1], four), "5.12")
    bad("a run with a wrong path", run_of(4, [bytes(32), *true_path[1:]], four), "5.12")
    bad("a run of three leaves in the middle", run_of(4, true_path, batch.bodies[4:7]), "5.12")
    bad("a run of two leaves that are no subtree", run_of(5, true_path, batch.bodies[5:7]), "5.12")
    bad("a run that reaches past the batch", run_of(8, batch.run(8)[3], [*batch.bodies[8:], batch.bodies[0]]), "8.3")
    bad("a whole batch with a path", run_of(0, [bytes(32)], batch.bodies), "5.12")
    bad("a leaf with another title", run_of(4, true_path, [pack(note(seq=14)), *four[1:]]), "5.12")
    bad("another root", _frame(make_batch(CAROL_SIGNS, _notes(2), root=bytes(32))), "5.12")
    bad("another count", _frame(make_batch(CAROL_SIGNS, _notes(2), count=3)), "5.12")
    level = [sha256(b"\x00" + leaf.id) for leaf in batch.leaves]
    bad(
        "a root without the tree's prefixes",
        _frame(make_batch(CAROL_SIGNS, _notes(2), root=sha256(level[0] + level[1]))),
        "5.12",
    )
    for name, run in (
        ("a run of no leaves", [1, 0, 0, [], []]),
        ("a run with a path of 11", [1, 0, 0, [bytes(32)] * 11, batch.bodies[:1]]),
        ("a path member of 31 bytes", [1, 0, 4, [*true_path[:-1], bytes(31)], four]),
        ("a run with a member too many", [*part, None]),
        ("a run whose first is below zero", [1, 0, -1, true_path, four]),
    ):
        book.judge(name, _frame(batch, run), reject("malformed", "8.1"))
    other = make_batch(CAROL_SIGNS, _notes(2, first=100))
    lost = frame(batch.run(), other.run(place=1), statements=[batch.statement])
    book.judge("a run of a statement that is not there", lost, reject("malformed", "8.1"))
    small = make_batch(CAROL_SIGNS, [note(seq=10 + place) for place in range(8)], network=SMALL)
    book.judge("more leaves than a frame may carry", _frame(small), reject("oversize", "8.2"), network="small")
    return book


SUBJECTS = {"batches": batches, "batch_statements": statements, "batch_leaves": leaves}
