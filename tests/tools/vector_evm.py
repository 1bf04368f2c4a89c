"""Vectors about what wallets sign (SPEC 5.3-5.7). The secp256k1 signatures are made by viem and by ethers."""

from collections.abc import Callable

import msgspec

from pushmesh_protocol.auth import eip191, eip712
from pushmesh_protocol.auth.statement import Batch
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import hash_statement, u64
from pushmesh_protocol.kinds.registry import KIND_NAMES, decode_body
from pushmesh_protocol.login import LogInWords
from pushmesh_protocol.types import EnvelopeId
from tools.vector_bodies import (
    Body,
    full_bodies,
    grant,
    note,
    preferences,
    private_subscription,
    retraction,
    revocation,
    subscription,
    topic,
)
from tools.vector_case import Book, Json, Made, accept, reject
from tools.vector_keys import ALICE, BOB, NODE, show
from tools.vector_makers import Texts, Typed, dress, frame, id_of, make, redress
from tools.vector_networks import DAY, EPOCH, NOW, OTHER, PLAIN
from tools.vector_wallets import WalletProcess

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
OWNER = ALICE.account


def _bare_bodies(owner: bytes) -> dict[int, Body]:
    """A body of the kinds whose members can be absent, with all of them absent."""
    return {
        1: topic(owner),
        2: grant(scopes=[128]),
        3: revocation(b"\x0b" * 32),
        4: subscription(owner, on=False, receipts=False, expires_at=NOW + 400 * DAY),
        5: note(owner),
        6: retraction(b"\x09" * 32, owner, mode=2),
    }


def wallets_see(wallets: WalletProcess) -> Book:
    book = Book()

    def add(name: str, kind_of: str, data: bytes, kind: int, chain_id: int | None) -> None:
        subject = EnvelopeId(id_of(kind, OWNER, data))
        if kind_of == "envelope":
            body = decode_body(kind, data)
            typed_data = eip712.envelope_typed_data(PLAIN, chain_id, kind, body, subject)
            digest = eip712.envelope_digest(PLAIN, chain_id, kind, body, subject)
            text = eip191.envelope_text(PLAIN, kind, body, subject)
        elif kind_of == "batch":
            batch = msgspec.msgpack.decode(data, type=Batch)
            typed_data, digest = (
                eip712.batch_typed_data(PLAIN, chain_id, batch),
                eip712.batch_digest(PLAIN, chain_id, batch),
            )
            text, subject = eip191.batch_text(PLAIN, batch), EnvelopeId(hash_statement("batch", PLAIN.id, data))
        else:
            words = msgspec.msgpack.decode(data, type=LogInWords)
            typed_data, digest = (
                eip712.login_typed_data(PLAIN, chain_id, words),
                eip712.login_digest(PLAIN, chain_id, words),
            )
            said = [
                words.node_id,
                words.host.encode(),
                words.account,
                words.nonce,
                u64(words.issued_at),
                words.purpose.encode(),
            ]
            text, subject = eip191.login_text(PLAIN, words), EnvelopeId(hash_statement("login", PLAIN.id, *said))
        text_digest = eip191.personal_digest(text)
        asked: Json = {"type": kind_of, "chain_id": chain_id, "content": data.hex()}
        if kind_of == "envelope":
            asked |= {"kind": kind, "author": OWNER.hex()}
        asked["signature"] = wallets.sign_typed_data(ALICE.secret, typed_data, digest).hex()
        asked["text_signature"] = wallets.sign_text(ALICE.secret, text, text_digest).hex()
        expect: Json = {
            **{"reason": "ok", "subject": subject.hex(), "typed_data": typed_data, "digest": digest.hex()},
            **{"text": text, "text_digest": text_digest.hex(), "signer": show(OWNER), "text_signer": show(OWNER)},
        }
        book.add(name, "wallet", {"network": "plain"}, asked, expect)

    bodies = {
        **full_bodies(OWNER),
        64: preferences([[1, OWNER], [3, [OWNER, "news"]]]),
        65: private_subscription(OWNER, settings=[["b", 3]]),
    }
    for chain_id, where in ((None, "no chain"), (1, "chain 1"), (2**53 - 1, "the highest chain")):
        for kind, body in bodies.items():
            add(f"what a wallet signs for a full {KIND_NAMES[kind]} on {where}", "envelope", pack(body), kind, chain_id)
        said = [OWNER, 5, [OWNER, "news"], EPOCH, 7, 1024, NOW + DAY, b"\x0c" * 32]
        add(f"what a wallet signs for a batch on {where}", "batch", pack(said), 0, chain_id)
        words = [1, NODE.public, "node.example.org:8443", OWNER, b"\x0d" * 32, NOW, "read \\ write"]
        add(f"what a wallet signs for a log-in on {where}", "login", pack(words), 0, chain_id)
    for kind, body in _bare_bodies(OWNER).items():
        add(f"what a wallet signs for a bare {KIND_NAMES[kind]}", "envelope", pack(body), kind, None)
    leap = note(OWNER, issued_at=1_835_395_200_001, expires_at=1_835_481_599_999)  # from 29 February 2028 on
    add("times are written in UTC with their milliseconds", "envelope", pack(leap), 5, None)
    return book


def evm_kinds(wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    for kind, body in full_bodies(OWNER).items():
        for signer, how in (
            (Typed(wallets, ALICE), "typed data"),
            (Typed(wallets, ALICE, 137), "typed data on chain 137"),
            (Texts(wallets, ALICE), "a text"),
        ):
            made = make(signer, kind, body)
            book.judge(f"a {KIND_NAMES[kind]} signed as {how}", frame(made), accept(made))
    return book


def evm_attacks(wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    typed, on_chain_1, texts = Typed(wallets, ALICE), Typed(wallets, ALICE, 1), Texts(wallets, ALICE)
    good, chained, told = (make(signer, 5, note(OWNER)) for signer in (typed, on_chain_1, texts))

    def bad(name: str, made: Made, rule: str) -> None:
        book.judge(name, frame(made), reject("bad-signature", rule, made))

    def with_signature(made: Made, signature: bytes) -> Made:
        return redress(made, [*made.auth[:-2], signature, None])

    def number(data: bytes) -> int:
        return int.from_bytes(data, "big")

    for made, scheme, rule in ((good, "typed data", "5.3"), (told, "a text", "5.6")):
        signature: bytes = made.auth[-2]
        r, s, v = signature[:32], signature[32:64], signature[64]
        high = (ORDER - number(s)).to_bytes(32, "big") + bytes((55 - v,))
        bad(f"the same signature of {scheme} with the high s", with_signature(made, r + high), "5.7")
        bad(f"the other v of {scheme} is another key's", with_signature(made, r + s + bytes((55 - v,))), rule)
        for other_v in (0, 1, 26, 29, 35):
            bad(f"v of {other_v} in {scheme}", with_signature(made, r + s + bytes((other_v,))), "5.7")
        bad(f"r of zero in {scheme}", with_signature(made, bytes(32) + s + bytes((v,))), "5.7")
        bad(f"s of zero in {scheme}", with_signature(made, r + bytes(32) + bytes((v,))), "5.7")
        bad(
            f"r of the group's order in {scheme}",
            with_signature(made, ORDER.to_bytes(32, "big") + s + bytes((v,))),
            "5.7",
        )
        bad(f"r above the group's order in {scheme}", with_signature(made, b"\xff" * 32 + s + bytes((v,))), "5.7")
        bad(
            f"s just above half the order in {scheme}",
            with_signature(made, r + (ORDER // 2 + 1).to_bytes(32, "big") + bytes((v,))),
            "5.7",
        )
        bad(f"an r that is no point in {scheme}", with_signature(made, _no_point() + s + bytes((v,))), "5.7")
        bad(f"a signature of zeros in {scheme}", with_signature(made, bytes(65)), "5.7")
    bad("a signature without a chain id shown with chain 1", redress(good, [1, 1, good.auth[2], None]), "5.3")
    bad("a signature for chain 1 shown without it", redress(chained, [1, None, chained.auth[2], None]), "5.3")
    bad("a signature for chain 1 shown for chain 10", redress(chained, [1, 10, chained.auth[2], None]), "5.3")
    bad("a typed signature shown as a text's", redress(good, [2, good.auth[2], None]), "5.6")
    bad("a text's signature shown as typed data's", redress(told, [1, None, told.auth[1], None]), "5.3")
    for name, body in (
        ("the signature of another title", note(OWNER, title="Hello!")),
        ("the signature of another seq", note(OWNER, seq=6)),
        ("the signature of an absent body for one of a blank", note(OWNER, body=" ")),
        ("the signature of another priority, which no member shows", note(OWNER, priority=4)),
        (
            "the signature of another issued-at, which no member shows",
            note(OWNER, issued_at=NOW - 1, expires_at=NOW + DAY),
        ),
    ):
        bad(name, dress(5, OWNER, pack(body), good.auth), "5.3")
        bad(f"{name}, as a text", dress(5, OWNER, pack(body), told.auth), "5.6")
    bad("a wallet that signs for another's account", make(Typed(wallets, BOB), 5, note(OWNER), author=OWNER), "5.3")
    bad("a wallet's text for another's account", make(Texts(wallets, BOB), 5, note(OWNER), author=OWNER), "5.6")
    for signer, rule in ((typed, "5.3"), (texts, "5.6")):
        foreign = make(signer, 5, note(OWNER), network=OTHER)
        what = "typed data" if rule == "5.3" else "a text"
        bad(f"{what} for another network", dress(5, OWNER, foreign.body, foreign.auth), rule)
    for name, change in _wrong_texts().items():
        data = pack(note(OWNER, body="one\ntwo"))
        text = eip191.envelope_text(PLAIN, 5, decode_body(5, data), EnvelopeId(id_of(5, OWNER, data)))
        wrong = change(text)
        assert wrong != text, name
        signature = wallets.sign_text(ALICE.secret, wrong, eip191.personal_digest(wrong))
        bad(name, dress(5, OWNER, data, [2, signature, None]), "5.6")
    for chain_id, what in ((0, "0"), (2**53, "2^53"), (-1, "below zero"), ("1", "as a text"), (b"\x01", "as binary")):
        made = redress(chained, [1, chain_id, chained.auth[2], None])
        book.judge(
            f"a chain id of {what}" if what[0].isdigit() else f"a chain id {what}",
            frame(made),
            reject("malformed", "5.3"),
        )
    short = redress(good, [1, None, good.auth[2][:64], None])
    book.judge("a compact signature of 64 bytes", frame(short), reject("malformed", "5.1"))
    long = redress(good, [1, None, good.auth[2] + b"\0", None])
    book.judge("a signature of 66 bytes", frame(long), reject("malformed", "5.1"))
    return book


def _wrong_texts() -> dict[str, Callable[[str], str]]:
    return {
        "a text without its last line": lambda text: text.rpartition("\n")[0],
        "a text with a newline at its end": lambda text: text + "\n",
        "a text with carriage returns": lambda text: text.replace("\n", "\r\n"),
        "a text whose newlines are not escaped": lambda text: text.replace("\\n", "\n"),
        "a text with its members in another order": lambda text: "\n".join([*text.split("\n")[::-1]]),
        "a text with the id in capitals": lambda text: text[:-64] + text[-64:].upper(),
        "a text with the id without 0x": lambda text: text[:-66] + text[-64:],
        "a text without its head": lambda text: text.partition("\n")[2],
        "a text of protocol 2": lambda text: text.replace("pushmesh 1", "pushmesh 2"),
    }


def _no_point() -> bytes:
    """The smallest x above 0 that is on no point of secp256k1."""
    p = 2**256 - 2**32 - 977
    return next(x for x in range(1, 100) if pow(x**3 + 7, (p - 1) // 2, p) != 1).to_bytes(32, "big")


SUBJECTS = {"wallets": wallets_see, "evm": evm_kinds, "evm_attacks": evm_attacks}
