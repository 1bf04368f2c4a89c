"""Vectors about slots, work and the clock (SPEC section 6, 7.2-7.4): what a quota is, and when a slot is void."""

from collections.abc import Callable
from typing import Any

from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import hash_statement, u64
from pushmesh_protocol.network import Network
from tools.vector_bodies import HIGH, Body, grant, note, retraction, revocation, subscription
from tools.vector_case import Book, Json, Made, accept, ignore, reject
from tools.vector_keys import ALICE, CAROL, DAVE, PHONE
from tools.vector_makers import Own, Session, Typed, frame, id_of, make, make_batch, redress
from tools.vector_networks import DAY, HOUR, NOW, ORIGIN, PLAIN, WORK, WORK_BITS
from tools.vector_wallets import WalletProcess

CAROL_SIGNS = Own(CAROL)
OWNER = CAROL.account


def clock(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    hour = ORIGIN + 1000 * HOUR

    def try_one(name: str, body: Body, answer: Callable[[Made], Json], now_ms: int = NOW, **options: Any) -> None:
        made = make(CAROL_SIGNS, 5, body)
        book.judge(name, frame(made), answer(made), now_ms=now_ms, **options)

    def expired(made: Made) -> Json:
        return ignore(made, "expired", "7.2")

    def too_old(made: Made) -> Json:
        return ignore(made, "too-old", "7.3")

    def ahead(made: Made) -> Json:
        return ignore(made, "ahead-of-time", "7.4")

    short = note(issued_at=NOW - 1000, expires_at=NOW)
    try_one("expires-at is now", short, expired)
    try_one("expires-at is in a millisecond", short, accept, NOW - 1)
    try_one("expired for long", short, expired, NOW + 400 * DAY)
    try_one("issued 60 s ahead", note(issued_at=NOW + 60_000), accept)
    try_one("issued 60 s and a millisecond ahead", note(issued_at=NOW + 60_001), ahead)
    try_one("issued a year ahead", note(issued_at=NOW + 365 * DAY), ahead)
    old = note(issued_at=hour - HOUR)
    try_one("issued in the first millisecond of the previous epoch", old, accept, hour + HOUR - 1)
    try_one("issued in the first millisecond of the epoch before the previous", old, too_old, hour + HOUR)
    last = note(issued_at=hour - HOUR - 1)
    try_one("issued in the last millisecond two epochs ago", last, too_old, hour)
    try_one("issued in the last millisecond of the previous epoch", last, accept, hour - 1)
    try_one("issued at the network's origin", note(issued_at=ORIGIN), accept, ORIGIN)
    try_one("old items come by catch-up", note(issued_at=NOW - 5 * DAY, expires_at=NOW + DAY), accept, by_sync=True)
    try_one("expired items do not come by catch-up", short, expired, by_sync=True)
    try_one("items from the future do not come by catch-up", note(issued_at=NOW + 60_001), ahead, by_sync=True)
    try_one("not-before is no matter of relaying", note(not_before=NOW + 1000), accept)
    unsigned = redress(make(CAROL_SIGNS, 5, short), [4, bytes(64), None])
    book.judge("an expired item's signature is not looked at", frame(unsigned), expired(unsigned))
    known = make(CAROL_SIGNS, 5, note(issued_at=NOW - 1000, expires_at=NOW))
    state = [(NOW - 500, frame(known))]
    book.judge(
        "a known item is a duplicate before it is expired",
        frame(known),
        ignore(known, "duplicate", "7.6", signed=False),
        state=state,
    )
    good, stale = make(CAROL_SIGNS, 5, note(seq=6)), make(CAROL_SIGNS, 5, short)
    book.judge("an expired item does not harm its neighbour", frame(stale, good), [expired(stale), accept(good)])
    batch = make_batch(CAROL_SIGNS, [note(seq=10), note(seq=11, issued_at=NOW - 1, expires_at=NOW + 5)])
    answers = [accept(batch.leaves[0]), expired(batch.leaves[1])]
    book.judge(
        "each leaf of a batch has its own time",
        frame(batch.run(), statements=[batch.statement]),
        answers,
        now_ms=NOW + 5,
    )
    return book


def _nonce(subject: bytes, bits: int) -> int:
    """The first nonce worth exactly that many bits."""
    nonce = 0
    while 256 - int.from_bytes(hash_statement("work", subject, u64(nonce)), "big").bit_length() != bits:
        nonce += 1
    return nonce


def work(wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW, network="work")
    alice = Typed(wallets, ALICE)

    def try_one(name: str, made: Made, answer: Json, *state: bytes) -> None:
        book.judge(name, frame(made), answer, state=state)

    def over(made: Made) -> Json:
        return ignore(made, "over-allowance", "6.4")

    def sized(size: int, owner: bytes, **changes: Any) -> Body:
        """A notification whose pack([kind, author, body]) has that many bytes."""
        missing = size - len(pack([5, owner, pack(note(owner, body="b" * 1024, **changes))]))
        body = note(owner, body="b" * (1024 + missing), **changes)
        assert len(pack([5, owner, pack(body)])) == size
        return body

    for seq, holds in ((0, True), (31, True), (32, False), (HIGH - 1, False)):
        made = make(alice, 5, note(ALICE.account, seq=seq), network=WORK)
        try_one(f"seq {seq} of 64 slots, half of them the wallet's", made, accept(made) if holds else over(made))
    for seq, holds in ((30, True), (31, False)):
        made = make(alice, 5, sized(2049, ALICE.account, seq=seq), network=WORK)
        try_one(f"two slots from seq {seq} of 64", made, accept(made) if holds else over(made))
    made = make(alice, 5, sized(2048, ALICE.account, seq=31), network=WORK)
    try_one("2,048 bytes are one slot", made, accept(made))
    for first, count, holds in ((28, 4, True), (29, 4, False)):
        batch = make_batch(alice, [note(ALICE.account, seq=first + place) for place in range(count)], network=WORK)
        answers = [accept(leaf) if holds else over(leaf) for leaf in batch.leaves]
        book.judge(
            f"a batch of {count} from seq {first} of 64 slots",
            frame(batch.run(), statements=[batch.statement]),
            answers,
        )
    granted = make(alice, 2, grant(seq=0), network=WORK)
    phone = Session(PHONE, ALICE.account, granted.id)
    for seq, holds in ((HIGH + 31, True), (HIGH + 32, False)):
        made = make(phone, 5, note(ALICE.account, seq=seq), network=WORK)
        try_one(
            f"seq 2^31 + {seq - HIGH} of 64 slots, half of them the sessions'",
            made,
            accept(made) if holds else over(made),
            frame(granted),
        )
    made = make(alice, 5, note(ALICE.account), network=WORK, work=0)
    try_one("work where the slot is within allowance", made, ignore(made, "work-not-needed", "6.4"))
    book.judge(
        "needless work where everything is allowed",
        frame(_with_work(PLAIN, note(), 3)),
        ignore(_with_work(PLAIN, note(), 3), "work-not-needed", "6.4"),
        network="plain",
    )

    body = note()
    bare = make(CAROL_SIGNS, 5, body, network=WORK)
    try_one("no allowance and no work", bare, over(bare))
    subject = bare.id
    for bits, what in ((WORK_BITS, "just enough work"), (WORK_BITS + 3, "more work than is asked")):
        made = make(CAROL_SIGNS, 5, body, network=WORK, work=_nonce(subject, bits))
        try_one(what, made, accept(made))
    made = make(CAROL_SIGNS, 5, body, network=WORK, work=_nonce(subject, WORK_BITS - 1))
    try_one("one bit too little", made, ignore(made, "not-enough-work", "6.4"))
    other = make(CAROL_SIGNS, 5, note(seq=6), network=WORK)
    made = make(CAROL_SIGNS, 5, note(seq=6), network=WORK, work=_worthless(other.id, _nonce(subject, WORK_BITS)))
    try_one("another envelope's work", made, ignore(made, "not-enough-work", "6.4"))
    for slots, size, bits in ((1, 2048, 8), (2, 2049, 9), (2, 4096, 9), (3, 4097, 10)):
        body = sized(size, OWNER)
        envelope_id = id_of(5, OWNER, pack(body), network=WORK)
        made = make(CAROL_SIGNS, 5, body, network=WORK, work=_nonce(envelope_id, bits))
        try_one(f"{bits} bits for {slots} slots of {size} bytes", made, accept(made))
        made = make(CAROL_SIGNS, 5, body, network=WORK, work=_nonce(envelope_id, bits - 1))
        try_one(f"{bits - 1} bits for {slots} slots of {size} bytes", made, ignore(made, "not-enough-work", "6.4"))
    for count, bits in ((1, 8), (2, 9), (3, 10), (5, 11)):
        bodies = [note(seq=10 + place) for place in range(count)]
        root: bytes = make_batch(CAROL_SIGNS, bodies, network=WORK).statement[7]
        batch = make_batch(CAROL_SIGNS, bodies, network=WORK, work=_nonce(root, bits))
        data = frame(batch.run(), statements=[batch.statement])
        book.judge(f"{bits} bits over the root of a batch of {count}", data, map(accept, batch.leaves))
        batch = make_batch(CAROL_SIGNS, bodies, network=WORK, work=_nonce(root, bits - 1))
        data = frame(batch.run(), statements=[batch.statement])
        answers = [ignore(leaf, "not-enough-work", "6.4") for leaf in batch.leaves]
        book.judge(f"{bits - 1} bits over the root of a batch of {count}", data, answers)
    batch = make_batch(CAROL_SIGNS, [note(seq=10), note(seq=11)], network=WORK)
    book.judge("a batch without work", frame(batch.run(), statements=[batch.statement]), map(over, batch.leaves))
    unsigned = redress(bare, [4, bytes(64), None])
    try_one("without work the signature is not looked at", unsigned, over(unsigned))
    worked = _nonce(subject, WORK_BITS)
    unsigned = redress(bare, [4, bytes(64), worked])
    try_one("work does not replace a signature", unsigned, reject("bad-signature", "5.9", unsigned))
    made = make(CAROL_SIGNS, 5, note(), network=WORK, work=2**64 - 1)
    try_one("the highest nonce", made, ignore(made, "not-enough-work", "6.4"))
    return book


def _with_work(network: Network, body: Body, nonce: int) -> Made:
    return make(CAROL_SIGNS, 5, body, network=network, work=nonce)


def _worthless(subject: bytes, nonce: int) -> int:
    """The nonce, which must be too little for this subject."""
    assert 256 - int.from_bytes(hash_statement("work", subject, u64(nonce)), "big").bit_length() < WORK_BITS
    return nonce


def slots(wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)

    def titled(title: str, seq: int = 5, **changes: Any) -> Made:
        return make(CAROL_SIGNS, 5, note(seq=seq, title=title, **changes))

    def surplus(made: Made) -> Json:
        return ignore(made, "surplus", "6.5")

    one, two, three = titled("one"), titled("two"), titled("three")
    book.judge(
        "two envelopes in one slot are relayed and void", frame(two), accept(two), state=[frame(one)], void=[one, two]
    )
    book.judge("two envelopes of one slot in one frame", frame(one, two), [accept(one), accept(two)], void=[one, two])
    pair = [frame(one), frame(two)]
    book.judge("a third in the slot is surplus", frame(three), surplus(three), state=pair, void=[one, two])
    book.judge(
        "three of one slot in one frame",
        frame(one, two, three),
        [accept(one), accept(two), surplus(three)],
        void=[one, two],
    )
    known = ignore(one, "duplicate", "7.6", signed=False)
    book.judge("half of a pair again", frame(one), known, state=pair, void=[one, two])
    for what, other in (
        ("the next seq", titled("two", 6)),
        ("another author", make(Own(DAVE), 5, note(DAVE.account, title="two"))),
        ("the previous epoch", titled("two", issued_at=NOW - HOUR)),
    ):
        book.judge(f"{what} is another slot", frame(other), accept(other), state=[frame(one)])
    later = titled("two", issued_at=NOW + 1)
    book.judge(
        "another time of the same epoch is the same slot",
        frame(later),
        accept(later),
        state=[frame(one)],
        void=[one, later],
    )
    on_other_topic = titled("one", topic=[OWNER, "alerts"])
    book.judge(
        "another topic is the same slot",
        frame(on_other_topic),
        accept(on_other_topic),
        state=[frame(one)],
        void=[one, on_other_topic],
    )
    follows = make(CAROL_SIGNS, 4, subscription())
    book.judge(
        "another kind is the same slot", frame(follows), accept(follows), state=[frame(one)], void=[one, follows]
    )
    granted = make(CAROL_SIGNS, 2, grant(seq=100))
    phone = Session(PHONE, OWNER, granted.id)
    by_phone = make(phone, 5, note(seq=HIGH + 5))
    book.judge(
        "a session's seq is another slot than the wallet's",
        frame(by_phone),
        accept(by_phone),
        state=[frame(granted), frame(one)],
    )
    batch = make_batch(CAROL_SIGNS, [note(seq=4), note(seq=5)])
    data = frame(batch.run(), statements=[batch.statement])
    book.judge(
        "a leaf and an item in one slot",
        data,
        map(accept, batch.leaves),
        state=[frame(one)],
        void=[one, batch.leaves[1]],
    )
    alone = make_batch(CAROL_SIGNS, [note(title="one")])
    book.judge(
        "one envelope as item and as leaf is one envelope",
        frame(alone.run(), statements=[alone.statement]),
        ignore(alone.leaves[0], "duplicate", "7.6"),
        state=[frame(one)],
    )

    wide = titled("wide", body="b" * 2048)
    after = titled("after", 6)
    book.judge(
        "an envelope of two slots meets one in its second",
        frame(after),
        accept(after),
        state=[frame(wide)],
        void=[wide, after],
    )
    book.judge(
        "an envelope of two slots is no surplus while one lacks its pair",
        frame(wide),
        accept(wide),
        state=pair,
        void=[one, two, wide],
    )
    book.judge(
        "its second slot becomes void too",
        frame(after),
        accept(after),
        state=[*pair, frame(wide)],
        void=[one, two, wide, after],
    )
    last = titled("last", 6)
    book.judge(
        "a third in its second slot is surplus",
        frame(last),
        surplus(last),
        state=[*pair, frame(wide), frame(after)],
        void=[one, two, wide, after],
    )
    wider = titled("wider", body="c" * 2048)
    book.judge(
        "an envelope all of whose slots have their pair is surplus",
        frame(wider),
        surplus(wider),
        state=[*pair, frame(wide), frame(after)],
        void=[one, two, wide, after],
    )
    edge = titled("edge", HIGH - 1, body="b" * 2048)
    book.judge("slots that reach out of the wallet's range", frame(edge), reject("malformed", "6.2"))
    edge = make(phone, 5, note(seq=2**32 - 1, body="b" * 2048))
    book.judge("slots that reach past the last seq", frame(edge), reject("malformed", "6.2"), state=[frame(granted)])
    edge = titled("edge", HIGH - 2, body="b" * 2048)
    book.judge("slots up to the wallet's last seq", frame(edge), accept(edge))

    stranger = make(Session(PHONE, OWNER, bytes(32)), 5, note(seq=HIGH + 5, title="stranger"))
    outside = make(phone, 5, note(seq=HIGH + 2000, title="outside"))
    inside = make(phone, 5, note(seq=HIGH + 5, title="inside"))
    answers = [ignore(stranger, "unknown-grant", "5.15"), ignore(outside, "out-of-scope", "5.15"), accept(inside)]
    book.judge(
        "what is not authorised holds no slot", frame(stranger, outside, inside), answers, state=[frame(granted)]
    )
    forged = redress(two, [4, bytes(64), None])
    book.judge(
        "a forged envelope voids nothing", frame(forged), reject("bad-signature", "5.9", forged), state=[frame(one)]
    )
    neighbour = titled("neighbour", 7)
    book.judge(
        "nothing is taken from a rejected frame",
        frame(neighbour, two, redress(three, forged.auth)),
        reject("bad-signature", "5.9", redress(three, forged.auth)),
        state=[frame(one)],
    )
    wallet = Typed(wallets, ALICE)
    chained = Typed(wallets, ALICE, 10)
    on_one = make(wallet, 5, note(ALICE.account))
    on_ten = make(chained, 5, note(ALICE.account))
    book.judge(
        "an EVM key on two chains is one author with one slot",
        frame(on_ten),
        ignore(on_ten, "duplicate", "7.6"),
        state=[frame(on_one)],
    )
    on_ten = make(chained, 5, note(ALICE.account, title="ten"))
    book.judge(
        "an EVM key on two chains shares its slots",
        frame(on_ten),
        accept(on_ten),
        state=[frame(on_one)],
        void=[on_one, on_ten],
    )
    grants = [
        make(CAROL_SIGNS, 2, grant(seq=200, first_seq=HIGH + 1000 * place, end_seq=HIGH + 1000 * place + 1000))
        for place in (0, 1)
    ]
    made = make(Session(PHONE, OWNER, grants[1].id), 5, note(seq=HIGH + 1000))
    book.judge(
        "a grant in a void slot still acts",
        frame(made),
        accept(made),
        state=[frame(part) for part in grants],
        void=grants,
    )
    revoked = make(CAROL_SIGNS, 3, revocation(granted.id, seq=5, cut_time=NOW - 1))
    book.judge(
        "a revocation may share a slot and act",
        frame(revoked),
        accept(revoked),
        state=[frame(granted), frame(one)],
        void=[one, revoked],
    )
    _self_revocations(book, granted, phone)
    taken_back = make(CAROL_SIGNS, 6, retraction(one.id, seq=8))
    book.judge("a retraction takes a slot of its own", frame(taken_back), accept(taken_back), state=[frame(one)])
    return book


def _self_revocations(book: Book, granted: Made, phone: Session) -> None:
    """A thief of a key fills its slots; who lost it can still end it, once."""
    rivals = [make(phone, 5, note(seq=HIGH + 5, title=title)) for title in ("one", "two")]
    full = [frame(granted), *map(frame, rivals)]

    def cut(issued_at: int) -> Made:
        return make(phone, 3, revocation(granted.id, issued_at=issued_at, seq=HIGH + 5, cut_seq=HIGH + 5))

    ends, again = cut(NOW + 1), cut(NOW)
    book.judge(
        "a key that revokes itself in a full slot is no surplus",
        frame(ends),
        accept(ends),
        state=full,
        void=[*rivals, ends],
    )
    late = make(phone, 5, note(seq=HIGH + 6, issued_at=NOW + 2))
    book.judge(
        "its revocation acts",
        frame(late),
        ignore(late, "grant-revoked", "4.11"),
        state=[*full, frame(ends)],
        void=[*rivals, ends],
    )
    book.judge(
        "a key that revokes itself again in a full slot is surplus",
        frame(again),
        ignore(again, "surplus", "6.5"),
        state=[*full, frame(ends)],
        void=[*rivals, ends],
    )
    by_wallet = make(CAROL_SIGNS, 3, revocation(granted.id, seq=90, cut_time=NOW + 2))
    book.judge(
        "a key that revokes itself in a full slot when the wallet has revoked it is surplus",
        frame(ends),
        ignore(ends, "surplus", "6.5"),
        state=[*full, frame(by_wallet)],
        void=rivals,
    )
    pair = [make(CAROL_SIGNS, 5, note(seq=5, title=title)) for title in ("one", "two")]
    third = make(CAROL_SIGNS, 3, revocation(granted.id, seq=5, cut_time=NOW - 1))
    book.judge(
        "a wallet's third id in a slot is surplus even if it revokes",
        frame(third),
        ignore(third, "surplus", "6.5"),
        state=[frame(granted), *map(frame, pair)],
        void=pair,
    )


SUBJECTS = {"clock": clock, "work": work, "slots": slots}
