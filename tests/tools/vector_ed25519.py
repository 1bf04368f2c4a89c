"""Vectors about Ed25519 by libsodium's rules (SPEC 5.8, 5.9), and about who may use which scheme (SPEC 5.2)."""

from dataclasses import replace
from hashlib import sha512
from typing import Any

from pushmesh_protocol.auth import ed25519
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import hash_statement
from pushmesh_protocol.kinds.registry import KIND_NAMES
from support import edwards
from tools.vector_bodies import HIGH, full_bodies, grant, note, subscription
from tools.vector_case import Book, Made, accept, ignore, reject, unreadable
from tools.vector_keys import ALICE, ALICE_CONTRACT, CAROL, DAVE, LAPTOP, PHONE, SAFE, EdKey
from tools.vector_makers import Own, Session, Typed, dress, frame, make, make_batch, redress
from tools.vector_networks import DAY, NOW, OTHER, PLAIN
from tools.vector_wallets import WalletProcess

OWNER = ALICE.account


def sessions(wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    granted = make(Typed(wallets, ALICE), 2, grant())
    state = [frame(granted)]
    phone = Session(PHONE, OWNER, granted.id)
    for kind, body in full_bodies(OWNER, HIGH + 5).items():
        if kind in (2, 3):
            continue
        made = make(phone, kind, body)
        book.judge(f"a {KIND_NAMES[kind]} signed by a session key", frame(made), accept(made), state=state)
    good = make(phone, 5, note(OWNER, seq=HIGH + 5))
    signature: bytes = good.auth[3]

    def bad(name: str, made: Made) -> None:
        book.judge(name, frame(made), reject("bad-signature", "5.8", made), state=state)

    def with_signature(wrong: bytes, made: Made = good) -> Made:
        return redress(made, [3, made.auth[1], made.auth[2], wrong, None])

    s = int.from_bytes(signature[32:], "little")
    bad(
        "a session's s with the group's order added",
        with_signature(signature[:32] + (s + edwards.L).to_bytes(32, "little")),
    )
    bad("a session's s with its highest bit set", with_signature(signature[:63] + bytes((signature[63] | 0x80,))))
    bad("a session signature with one bit turned", with_signature(bytes((signature[0] ^ 1,)) + signature[1:]))
    bad("a session signature of zeros", with_signature(bytes(64)))
    message = hash_statement("session", PLAIN.id, granted.id, good.id)
    secret = _scalar(PHONE)
    for index, point in enumerate(edwards.SMALL_ORDER):
        encoded = edwards.encode(point)
        forged = edwards.sign_with(secret, PHONE.public, encoded, 0, message)
        bad(f"a session signature whose R is the small-order point {index}", with_signature(forged))
    for what, made in (
        ("another envelope", make(phone, 5, note(OWNER, seq=HIGH + 6))),
        ("the same envelope on another network", make(phone, 5, note(OWNER, seq=HIGH + 5), network=OTHER)),
        ("another grant", make(replace(phone, grant_id=bytes(32)), 5, note(OWNER, seq=HIGH + 5))),
    ):
        bad(f"a session signature for {what}", with_signature(made.auth[3]))
    bad(
        "a session key that another key's signature is shown for",
        redress(good, [3, LAPTOP.public, granted.id, signature, None]),
    )
    for index, point in enumerate(edwards.SMALL_ORDER):
        key = edwards.encode(point)
        granted_weak = make(Typed(wallets, ALICE), 2, grant(key))
        weak = Session(EdKey(PHONE.seed, key), OWNER, granted_weak.id)
        made = make(weak, 5, note(OWNER, seq=HIGH + 5))
        forged = _forge(key, hash_statement("session", PLAIN.id, granted_weak.id, made.id))
        made = redress(made, [3, key, granted_weak.id, forged, None])
        answer = reject("bad-signature", "5.8", made)
        book.judge(
            f"a grant for the small-order key {index} lets nobody sign",
            frame(made),
            answer,
            state=[frame(granted_weak)],
        )
    made = make(phone, 5, note(OWNER, seq=5))
    book.judge("a session key in the wallet's own range", frame(made), reject("malformed", "6.1"), state=state)
    made = make(Typed(wallets, ALICE), 5, note(OWNER, seq=HIGH))
    book.judge("a wallet in the range of session keys", frame(made), reject("malformed", "6.1"))
    made = make(Typed(wallets, ALICE), 5, note(OWNER, seq=HIGH - 1))
    book.judge("a wallet's last seq", frame(made), accept(made))
    return book


def _forge(key: bytes, message: bytes) -> bytes:
    """A signature under a key of small order that nobody holds: the bare equation s B = R + k A holds."""
    for nonce in range(1, 500):  # the order divides 8: k A vanishes for one message in eight
        r = edwards.encode(edwards.multiply(nonce, edwards.BASE))
        if edwards.challenge(r, key, message) % 8 == 0:
            return edwards.sign_with(0, key, r, nonce, message)
    raise AssertionError("no nonce below 500 serves")


def _scalar(key: EdKey) -> int:
    """The secret scalar of RFC 8032 section 5.1.5."""
    data = bytearray(sha512(key.seed).digest()[:32])
    data[0] &= 248
    data[31] = data[31] & 127 | 64
    return int.from_bytes(data, "little")


def solana(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    carol = Own(CAROL)
    for kind, body in full_bodies(CAROL.account).items():
        made = make(carol, kind, body)
        book.judge(f"a {KIND_NAMES[kind]} signed by a Solana account", frame(made), accept(made))
    good = make(carol, 5, note())
    signature: bytes = good.auth[1]
    s = int.from_bytes(signature[32:], "little") + edwards.L
    message = hash_statement("solana", PLAIN.id, good.id)
    for name, wrong in (
        ("a Solana s with the group's order added", signature[:32] + s.to_bytes(32, "little")),
        (
            "a Solana signature whose R is the neutral point",
            edwards.sign_with(_scalar(CAROL), CAROL.public, edwards.encode(edwards.NEUTRAL), 0, message),
        ),
        ("a Solana signature over the bare id", ed25519.sign(CAROL.seed, good.id)),
        ("a Solana signature for another network", make(carol, 5, note(), network=OTHER).auth[1]),
        ("another Solana account's signature", make(Own(DAVE), 5, note(), author=CAROL.account).auth[1]),
    ):
        made = redress(good, [4, wrong, None])
        book.judge(name, frame(made), reject("bad-signature", "5.9", made))
    key = edwards.encode(edwards.SMALL_ORDER[1])
    weak = b"\x02" + key
    made = make(Own(EdKey(CAROL.seed, key)), 5, note(weak))
    forged = _forge(key, hash_statement("solana", PLAIN.id, made.id))
    made = redress(made, [4, forged, None])
    book.judge(
        "an account of small order signs nothing, though the equation holds",
        frame(made),
        reject("bad-signature", "5.9", made),
    )
    return book


def schemes(wallets: WalletProcess) -> Book:
    """Every author with every scheme: who may use what."""
    book = Book(now_ms=NOW)
    typed = Typed(wallets, ALICE)
    authors = {"an EVM key": OWNER, "a contract": SAFE, "a Solana key": CAROL.account}
    sig65, sig64 = bytes(64) + b"\x1b", bytes(64)
    auths: dict[int, list[Any]] = {
        1: [1, None, sig65, None],
        2: [2, sig65, None],
        4: [4, sig64, None],
        5: [5, b"contract", None],
        6: [6, b"contract", None],
    }
    own = {"an EVM key": {1: "5.7", 2: "5.7"}, "a Solana key": {4: "5.9"}, "a contract": {5: "", 6: ""}}
    for who, author in authors.items():
        bodies = full_bodies(author)
        for number, auth in auths.items():
            for kind in (1, 4, 5, 6) if who == "a contract" else (5,):
                made = dress(kind, author, pack(bodies[kind]), auth)
                name = f"a {KIND_NAMES[kind]} of {who} with scheme {number}"
                rule = own[who].get(number)
                if rule is None or (who == "a contract" and kind in (5, 6)):
                    answer = reject("scheme-not-allowed", "5.2")
                elif who == "a contract":
                    answer = ignore(made, "chain-unavailable", "5.14")
                else:
                    answer = reject("bad-signature", rule, made)
                book.judge(name, frame(made), answer)
    for who, author in authors.items():
        made = make(Session(PHONE, author, bytes(32)), 2, grant(LAPTOP.public, seq=HIGH, expires_at=NOW + 7 * DAY))
        book.judge(f"a session key of {who} that grants", frame(made), reject("scheme-not-allowed", "5.2"))
    for number in (0, 7, 200, -1):
        strange = dress(5, OWNER, pack(note(OWNER)), [number, b"new", None, 1])
        book.judge(f"scheme {number} is not known here", frame(strange), unreadable("unknown-scheme", "5.1"))
    strange = dress(5, OWNER, pack(note(OWNER)), [7, [1, [b"deep", None]], "text", None])
    good = make(typed, 5, note(OWNER, seq=6))
    answers = [accept(good), unreadable("unknown-scheme", "5.1")]
    book.judge("an unknown scheme does not harm its neighbour", frame(good, strange), answers)
    for name, auth in (
        ("an unknown scheme with lists three deep", [7, [[1]]]),
        ("an unknown scheme with 16 members", [7, *range(15)]),
        ("an unknown scheme with a list of 16 members", [7, [*range(16)]]),
    ):
        book.judge(name, frame([*strange.form[:4], auth]), unreadable("unknown-scheme", "5.1"))
    for name, auth in (
        ("an unknown scheme with lists four deep", [7, [[[1]]]]),
        ("an unknown scheme with empty lists four deep", [7, [[[]]]]),
        ("an unknown scheme with 17 members", [7, *range(16)]),
        ("an unknown scheme with a list of 17 members", [7, [*range(17)]]),
    ):
        book.judge(name, frame([*strange.form[:4], auth]), reject("malformed", "5.1"))
    floating = frame(good, [*strange.form[:4], [7, 1.5]])
    book.judge("an unknown scheme with a float is not canonical", floating, reject("malformed", "3.1"))
    mapped = frame(good, [*strange.form[:4], [7, {}]])
    book.judge("an unknown scheme with a map is not canonical", mapped, reject("malformed", "3.1"))
    both = frame([*strange.form[:4], [7, None]], [0, 5, OWNER, b"\xff", [2, bytes(65), None]])
    book.judge("an unknown scheme does not hide a malformed neighbour", both, reject("malformed", "3.1"))
    twin = make(typed, 4, subscription(), author=ALICE_CONTRACT)
    book.judge(
        "an EVM key does not sign for the contract of its 20 bytes", frame(twin), reject("scheme-not-allowed", "5.2")
    )
    twin = dress(4, OWNER, twin.body, [5, good.auth[2], None])
    book.judge(
        "a contract's scheme does not serve the key of its 20 bytes", frame(twin), reject("scheme-not-allowed", "5.2")
    )
    empty = dress(4, SAFE, pack(subscription()), [5, b"", None])
    book.judge("a contract's signature of no bytes", frame(empty), reject("malformed", "5.1"))
    on_contract = make_batch(Session(PHONE, SAFE, bytes(32)), [note(SAFE, seq=HIGH)])
    answers = [ignore(on_contract.leaves[0], "unknown-grant", "5.15")]
    book.judge(
        "a contract's batch is signed by a session",
        frame(on_contract.run(), statements=[on_contract.statement]),
        answers,
    )
    return book


SUBJECTS = {"session": sessions, "solana": solana, "schemes": schemes}
