"""Vectors about grants and revocations: whose key may sign what, where and when (SPEC 4.10-4.12, 5.15, 5.16)."""

from typing import Any

from tools.vector_bodies import HIGH, grant, note, retraction, revocation, subscription, topic
from tools.vector_case import Book, Json, Made, accept, ignore, reject
from tools.vector_keys import ALICE, ALICE_CONTRACT, BOB, CAROL, DAVE, LAPTOP, PHONE, THIEF, EdKey
from tools.vector_makers import Own, Session, Typed, frame, make, make_batch, redress, sign_subject
from tools.vector_networks import DAY, HOUR, NOW, OTHER, PLAIN
from tools.vector_wallets import WalletProcess

OWNER = CAROL.account
CAROL_SIGNS = Own(CAROL)
EARLIER = NOW - 10 * DAY
"""When most grants here were issued and accepted."""

OUT = "out-of-scope"


def _granted(key: EdKey = PHONE, at: int = EARLIER, **changes: Any) -> Made:
    return make(CAROL_SIGNS, 2, grant(key.public, issued_at=at, **changes))


def _known(*made: Made) -> list[tuple[int, bytes]]:
    """State frames, each accepted when it was issued."""
    return [(_issued_at(part), frame(part)) for part in made]


def _issued_at(made: Made) -> int:
    assert made.body[1] == 0xCF  # a time in milliseconds takes nine bytes
    return int.from_bytes(made.body[2:10], "big")


def _by(granted: Made, key: EdKey = PHONE, author: bytes = OWNER) -> Session:
    return Session(key, author, granted.id)


def grants(wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)

    def try_one(name: str, made: Made, answer: Json, *known: Made, now_ms: int = NOW) -> None:
        book.judge(name, frame(made), answer, state=_known(*known), now_ms=now_ms)

    whole = _granted()
    good = make(_by(whole), 5, note(seq=HIGH))
    try_one("a session key within its grant", good, accept(good), whole)
    book.judge(
        "a grant in the frame's table serves its item",
        frame(good, grants=[whole]),
        [ignore(whole, "too-old", "7.3"), ignore(good, "unknown-grant", "5.15")],
    )
    young = _granted(at=NOW)
    rides = make(_by(young), 5, note(seq=HIGH))
    book.judge("a young grant rides with its item", frame(rides, grants=[young]), [accept(young), accept(rides)])
    book.judge(
        "a grant that is known already rides along",
        frame(rides, grants=[young]),
        [ignore(young, "duplicate", "7.6", signed=False), accept(rides)],
        state=[frame(young)],
    )
    try_one("an unknown grant", good, ignore(good, "unknown-grant", "5.15"))
    made_up = make(Session(THIEF, OWNER, b"\x66" * 32), 5, note(seq=HIGH))
    try_one("a made-up grant", made_up, ignore(made_up, "unknown-grant", "5.15"), whole)
    stolen = make(_by(whole, THIEF), 5, note(seq=HIGH))
    try_one("a thief's own key under another's grant", stolen, ignore(stolen, OUT, "5.15"), whole)
    daves = make(Own(DAVE), 2, grant(THIEF.public, issued_at=EARLIER))
    foreign = make(Session(THIEF, OWNER, daves.id), 5, note(seq=HIGH))
    try_one("a grant of another author", foreign, ignore(foreign, OUT, "5.15"), daves)
    book.judge(
        "a forged grant in the table takes the frame down",
        frame(rides, grants=[redress(young, sign_subject(Own(DAVE), PLAIN, young.id))]),
        reject("bad-signature", "5.9", redress(young, sign_subject(Own(DAVE), PLAIN, young.id))),
    )
    other_network = make(CAROL_SIGNS, 2, grant(issued_at=EARLIER), network=OTHER)
    abroad = make(Session(PHONE, OWNER, other_network.id), 5, note(seq=HIGH))
    try_one("a grant of another network is not known", abroad, ignore(abroad, "unknown-grant", "5.15"), whole)

    scoped = _granted(scopes=[4, 6, 128])
    for kind, body in ((1, topic(seq=HIGH)), (5, note(seq=HIGH))):
        made = make(_by(scoped), kind, body)
        try_one(f"a grant without kind {kind}", made, ignore(made, OUT, "5.15"), scoped)
    for kind, body in ((4, subscription(seq=HIGH)), (6, retraction(bytes(32), seq=HIGH))):
        made = make(_by(scoped), kind, body)
        try_one(f"a grant with kind {kind} among others", made, accept(made), scoped)
    narrow = _granted(topics=[[OWNER, "alerts"], [OWNER, "news"]])
    made = make(_by(narrow), 5, note(seq=HIGH))
    try_one("a topic that the grant names", made, accept(made), narrow)
    made = make(_by(narrow), 5, note(seq=HIGH, topic=[OWNER, "weather"]))
    try_one("a topic that the grant does not name", made, ignore(made, OUT, "5.15"), narrow)
    made = make(_by(narrow), 4, subscription(DAVE.account, seq=HIGH))
    try_one("a topic of the same name but another owner", made, ignore(made, OUT, "5.15"), narrow)

    ranged = _granted(first_seq=HIGH + 10, end_seq=HIGH + 20)
    for seq, holds in ((HIGH + 9, False), (HIGH + 10, True), (HIGH + 19, True), (HIGH + 20, False)):
        made = make(_by(ranged), 5, note(seq=seq))
        answer = accept(made) if holds else ignore(made, OUT, "5.15")
        try_one(f"seq 2^31 + {seq - HIGH} of a grant for 10 to 19", made, answer, ranged)
    for seq, holds in ((HIGH + 18, True), (HIGH + 19, False)):
        made = make(_by(ranged), 5, note(seq=seq, body="b" * 2048))
        answer = accept(made) if holds else ignore(made, OUT, "5.15")
        try_one(f"two slots from 2^31 + {seq - HIGH} of a grant for 10 to 19", made, answer, ranged)
    batch = make_batch(_by(ranged), [note(seq=HIGH + 18 + place) for place in range(4)])
    answers = [accept(leaf) for leaf in batch.leaves[:2]] + [ignore(leaf, OUT, "5.15") for leaf in batch.leaves[2:]]
    book.judge(
        "each leaf of a batch is held to the range",
        frame(batch.run(), statements=[batch.statement]),
        answers,
        state=_known(ranged),
    )

    timed = _granted(at=NOW - HOUR // 4, not_before=NOW - 1000, expires_at=NOW + 1000)
    for issued_at, holds in ((NOW - 1001, False), (NOW - 1000, True), (NOW + 999, True), (NOW + 1000, False)):
        made = make(_by(timed), 5, note(seq=HIGH, issued_at=issued_at))
        answer = accept(made) if holds else ignore(made, OUT, "5.15")
        sign = "+" if issued_at > NOW else "-"
        try_one(f"issued {sign}{abs(issued_at - NOW)} ms in a grant of -1000 to +1000 ms", made, answer, timed)
    made = make(_by(timed), 5, note(seq=HIGH, issued_at=NOW))
    try_one(
        "a grant's time is compared with issued-at, not with the clock", made, accept(made), timed, now_ms=NOW + HOUR
    )

    by_wallet = make(Typed(wallets, ALICE), 2, grant(issued_at=EARLIER))
    on_two_chains = make(Typed(wallets, ALICE, 10), 2, grant(issued_at=EARLIER))
    book.judge(
        "the same grant signed for another chain is the same grant",
        frame(on_two_chains),
        ignore(on_two_chains, "duplicate", "7.6"),
        state=[(EARLIER, frame(by_wallet))],
        now_ms=EARLIER,
    )
    made = make(Session(PHONE, ALICE_CONTRACT, by_wallet.id), 4, subscription(seq=HIGH))
    try_one("a wallet's grant does not serve the contract of its 20 bytes", made, ignore(made, OUT, "5.15"), by_wallet)
    made = make(Session(PHONE, BOB.account, by_wallet.id), 4, subscription(seq=HIGH))
    try_one("a wallet's grant does not serve another wallet", made, ignore(made, OUT, "5.15"), by_wallet)
    return book


def overlaps(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    first = _granted(first_seq=HIGH, end_seq=HIGH + 100)
    later = _granted(LAPTOP, EARLIER + 1, seq=6, first_seq=HIGH + 50, end_seq=HIGH + 150)

    def both(name: str, made: Made, answer: Json, *known: Made) -> None:
        book.judge(name, frame(made), answer, state=_known(*known))
        book.judge(f"{name}, known in the other order", frame(made), answer, state=_known(*reversed(known)))

    made = make(_by(later, LAPTOP), 5, note(seq=HIGH + 50))
    both("the earlier grant owns the common seqs", made, ignore(made, OUT, "5.16"), first, later)
    made = make(_by(first), 5, note(seq=HIGH + 50))
    both("the earlier grant keeps the common seqs", made, accept(made), first, later)
    made = make(_by(later, LAPTOP), 5, note(seq=HIGH + 100))
    both("the later grant has what the earlier does not", made, accept(made), first, later)
    made = make(_by(later, LAPTOP), 5, note(seq=HIGH + 99, body="b" * 2048))
    both("an envelope that touches the earlier grant's last seq", made, ignore(made, OUT, "5.16"), first, later)
    low = _granted(LAPTOP, EARLIER + 1, seq=6, first_seq=HIGH, end_seq=HIGH + 150)
    high = _granted(first_seq=HIGH + 50, end_seq=HIGH + 100)
    made = make(_by(low, LAPTOP), 5, note(seq=HIGH + 49, body="b" * 2048))
    both("an envelope that reaches into the earlier grant's first seq", made, ignore(made, OUT, "5.16"), high, low)
    made = make(_by(low, LAPTOP), 5, note(seq=HIGH + 48, body="b" * 2048))
    both("an envelope that ends before the earlier grant's first seq", made, accept(made), high, low)
    over = _granted(expires_at=NOW, first_seq=HIGH, end_seq=HIGH + 100)
    made = make(_by(later, LAPTOP), 5, note(seq=HIGH + 50))
    both("an earlier grant that has ended owns nothing more", made, accept(made), over, later)
    made = make(_by(later, LAPTOP), 5, note(seq=HIGH + 50, issued_at=NOW - 1))
    both("an earlier grant owns what was issued in its last millisecond", made, ignore(made, OUT, "5.16"), over, later)
    coming = _granted(not_before=NOW + 1, first_seq=HIGH, end_seq=HIGH + 100)
    made = make(_by(later, LAPTOP), 5, note(seq=HIGH + 50))
    both("an earlier grant that has not begun owns nothing yet", made, accept(made), coming, later)
    twin = _granted(LAPTOP, seq=6)
    one = _granted(seq=7)
    winner, loser = sorted((twin, one), key=lambda part: part.id)
    keys = {twin.id: LAPTOP, one.id: PHONE}
    made = make(_by(winner, keys[winner.id]), 5, note(seq=HIGH))
    both("of two grants of one moment the lower id owns", made, accept(made), winner, loser)
    made = make(_by(loser, keys[loser.id]), 5, note(seq=HIGH))
    both("of two grants of one moment the higher id does not own", made, ignore(made, OUT, "5.16"), winner, loser)
    daves = make(Own(DAVE), 2, grant(LAPTOP.public, issued_at=EARLIER - 1))
    made = make(_by(first), 5, note(seq=HIGH))
    both("another author's grant owns nothing here", made, accept(made), daves, first)
    revoked = make(CAROL_SIGNS, 3, revocation(first.id, issued_at=EARLIER + 2, seq=8))
    made = make(_by(later, LAPTOP), 5, note(seq=HIGH + 50))
    both("a revoked grant still owns its seqs", made, ignore(made, OUT, "5.16"), first, later, revoked)
    return book


def revocations(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    granted = _granted()
    phone = _by(granted)
    cut = NOW - 1000

    def revoke(cut_time: int = cut, cut_seq: int = HIGH + 5, seq: int = 9) -> Made:
        body = revocation(granted.id, issued_at=cut, seq=seq, cut_time=cut_time, cut_seq=cut_seq)
        return make(CAROL_SIGNS, 3, body)

    def try_one(name: str, made: Made, answer: Json, *known: Made) -> None:
        book.judge(name, frame(made), answer, state=_known(*known))

    gone = revoke()
    for issued_at, seq, holds, what in (
        (cut - 1, HIGH + 900, True, "before the cut's time, whatever its seq"),
        (cut, HIGH + 4, True, "at the cut's time with a lower seq"),
        (cut, HIGH + 5, True, "at the cut itself"),
        (cut, HIGH + 6, False, "at the cut's time with a higher seq"),
        (cut + 1, HIGH, False, "after the cut's time, whatever its seq"),
    ):
        made = make(phone, 5, note(seq=seq, issued_at=issued_at))
        answer = accept(made) if holds else ignore(made, "grant-revoked", "4.11")
        try_one(f"issued {what}", made, answer, granted, gone)
        try_one(f"issued {what}, revoked before the grant was known", made, answer, gone, granted)
    made = make(phone, 5, note(seq=HIGH, issued_at=cut + 1))
    refused = ignore(made, "grant-revoked", "4.11")
    try_one(
        "a batch of revocations: the earliest cut holds, told first",
        made,
        refused,
        granted,
        gone,
        revoke(NOW, HIGH, seq=10),
    )
    try_one(
        "a batch of revocations: the earliest cut holds, told last",
        made,
        refused,
        granted,
        revoke(NOW, HIGH, seq=10),
        gone,
    )
    late = revoke(NOW + DAY, HIGH)
    try_one("a cut in the future lets the key sign until then", made, accept(made), granted, late)
    daves = make(Own(DAVE), 3, revocation(granted.id, issued_at=cut))
    try_one("a foreign revocation changes nothing", made, accept(made), granted, daves)
    try_one("a foreign revocation before the grant changes nothing", made, accept(made), daves, granted)
    other = make(CAROL_SIGNS, 3, revocation(b"\x77" * 32, issued_at=cut))
    try_one("a revocation of another grant changes nothing", made, accept(made), granted, other)

    everything = make(CAROL_SIGNS, 3, revocation(None, before=EARLIER + 1, issued_at=cut))
    try_one("a revocation of all grants before the next millisecond", made, refused, granted, everything)
    try_one("a revocation of all, known before its grant", made, refused, everything, granted)
    just = make(CAROL_SIGNS, 3, revocation(None, before=EARLIER, issued_at=cut))
    try_one("a revocation of all grants before this one's time", made, accept(made), granted, just)
    daves = make(Own(DAVE), 3, revocation(None, before=NOW, issued_at=cut))
    try_one("a foreign revocation of all changes nothing", made, accept(made), granted, daves)

    own = make(phone, 3, revocation(granted.id, seq=HIGH + 7, cut_seq=HIGH + 7))
    try_one("a key revokes itself", own, accept(own), granted)
    unscoped = _granted(scopes=[4])
    own_unscoped = make(_by(unscoped), 3, revocation(unscoped.id, seq=HIGH + 7, cut_seq=HIGH + 7))
    try_one("a key revokes itself without a scope for it", own_unscoped, accept(own_unscoped), unscoped)
    try_one("a key revokes itself before its grant is known", own, ignore(own, "unknown-grant", "5.15"))
    after = make(phone, 5, note(seq=HIGH + 8))
    try_one("a key that revoked itself signs no more", after, ignore(after, "grant-revoked", "4.11"), granted, own)
    laptop = _granted(LAPTOP, EARLIER, seq=6, first_seq=HIGH + 2000, end_seq=HIGH + 3000)
    for name, body in (
        ("a key revokes another key's grant", revocation(laptop.id, seq=HIGH + 7, cut_seq=HIGH + 7)),
        ("a key revokes all grants", revocation(None, before=NOW, seq=HIGH + 7, cut_seq=HIGH + 7)),
        (
            "a key revokes itself with an earlier cut",
            revocation(granted.id, seq=HIGH + 7, cut_time=NOW - 1, cut_seq=HIGH + 7),
        ),
        (
            "a key revokes itself with a later cut",
            revocation(granted.id, seq=HIGH + 7, cut_time=NOW + 1, cut_seq=HIGH + 7),
        ),
        ("a key revokes itself with a lower cut seq", revocation(granted.id, seq=HIGH + 7, cut_seq=HIGH + 6)),
        ("a key revokes itself with a higher cut seq", revocation(granted.id, seq=HIGH + 7, cut_seq=HIGH + 8)),
    ):
        made = make(phone, 3, body)
        try_one(name, made, reject("scheme-not-allowed", "4.12"), granted, laptop)
    thief = make(_by(granted, THIEF), 3, revocation(granted.id, seq=HIGH + 7, cut_seq=HIGH + 7))
    try_one("a thief's key revokes the grant that it does not have", thief, ignore(thief, OUT, "5.15"), granted)
    body = revocation(granted.id, seq=HIGH + 1000, cut_seq=HIGH + 1000)
    outside = make(phone, 3, body)
    try_one("a key revokes itself outside its range", outside, ignore(outside, OUT, "5.15"), granted)
    twice = make(phone, 3, revocation(granted.id, issued_at=NOW + 1, seq=HIGH + 8, cut_seq=HIGH + 8))
    try_one("a key revokes itself again after its own cut", twice, ignore(twice, "grant-revoked", "4.11"), granted, own)
    one, two = (
        make(CAROL_SIGNS, 3, revocation(granted.id, issued_at=cut, seq=9, cut_time=cut - late_by)) for late_by in (0, 1)
    )
    made = make(phone, 5, note(seq=HIGH, issued_at=cut))
    book.judge(
        "a revocation in a void slot still acts",
        frame(made),
        ignore(made, "grant-revoked", "4.11"),
        state=_known(granted, one, two),
        void=[one, two],
    )
    book.judge("a revocation is taken in with its frame", frame(one), accept(one), state=_known(granted))
    batch = make_batch(phone, [note(seq=HIGH + 4 + place, issued_at=cut) for place in range(3)])
    answers = [accept(leaf) for leaf in batch.leaves[:2]] + [ignore(batch.leaves[2], "grant-revoked", "4.11")]
    book.judge(
        "a cut goes through the middle of a batch",
        frame(batch.run(), statements=[batch.statement]),
        answers,
        state=_known(granted, gone),
    )
    return book


SUBJECTS = {"grants": grants, "overlaps": overlaps, "revocations": revocations}
