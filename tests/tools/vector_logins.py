"""Vectors about log-ins (SPEC 11.1, 11.2, 11.4): one node, one host, once, by the account's own key or a session's."""

from typing import Any

import msgspec

from pushmesh_protocol.armor import to_text
from pushmesh_protocol.auth import eip191, eip712
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import hash_statement, u64
from pushmesh_protocol.login import LogInWords
from pushmesh_protocol.network import Network
from tools.vector_bodies import grant, note, revocation
from tools.vector_case import Book, Json
from tools.vector_edges import HOST, OK, OWNER, bad_texts, given_at, refused
from tools.vector_keys import (
    ALICE,
    ALICE_CONTRACT,
    BOB,
    CAROL,
    DAVE,
    NODE,
    OTHER_NODE,
    PHONE,
    SAFE,
    THIEF,
)
from tools.vector_makers import Own, Session, Signer, Texts, Typed, make, sign_subject
from tools.vector_networks import DAY, NOW, OTHER, PLAIN
from tools.vector_wallets import WalletProcess


def _words(account: bytes, **changes: Any) -> list[Any]:
    values = {
        "node_id": NODE.public,
        "host": HOST,
        "account": account,
        "nonce": b"\x11" * 32,
        "issued_at": NOW,
        "purpose": "read",
    }
    assert set(changes) <= set(values)
    return [1, *{**values, **changes}.values()]


def _log_in(signer: Signer, words: list[Any], network: Network = PLAIN, work: int | None = None) -> list[Any]:
    """The wire form of a log-in."""
    if isinstance(signer, Typed):
        decoded = msgspec.convert(words, LogInWords)
        if isinstance(signer, Texts):
            text = eip191.login_text(network, decoded)
            return [*words, [2, signer.wallets.sign_text(signer.key.secret, text, eip191.personal_digest(text)), work]]
        typed_data = eip712.login_typed_data(network, signer.chain_id, decoded)
        digest = eip712.login_digest(network, signer.chain_id, decoded)
        return [
            *words,
            [1, signer.chain_id, signer.wallets.sign_typed_data(signer.key.secret, typed_data, digest), work],
        ]
    parts = [
        part.encode() if isinstance(part, str) else u64(part) if isinstance(part, int) else part for part in words[1:]
    ]
    return [*words, sign_subject(signer, network, hash_statement("login", network.id, *parts), work)]


def logins(wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    carol, alice = Own(CAROL), Typed(wallets, ALICE)

    def add(name: str, login: list[Any] | bytes | str, expect: Json, given: Json | None = None) -> None:
        text = login if isinstance(login, str) else to_text(login if isinstance(login, bytes) else pack(login))
        book.add(name, "login", given or given_at(), {"login": text}, expect)

    good = _log_in(carol, _words(OWNER))
    add("a Solana account logs in", good, OK)
    for how, signer in (
        ("typed data", alice),
        ("typed data on chain 1", Typed(wallets, ALICE, 1)),
        ("a text", Texts(wallets, ALICE)),
    ):
        add(f"a wallet logs in with {how}", _log_in(signer, _words(ALICE.account)), OK)
    granted = make(carol, 2, grant(scopes=[128]))
    phone = Session(PHONE, OWNER, granted.id)
    by_phone = _log_in(phone, _words(OWNER))
    add("a session key logs in", by_phone, OK, given_at(granted))
    for issued_at, member in (
        (NOW - 300_000, None),
        (NOW - 300_001, "issued-at"),
        (NOW + 300_000, None),
        (NOW + 300_001, "issued-at"),
    ):
        expect = refused("bad-login", "11.2", member) if member else OK
        add(
            f"a log-in issued {issued_at - NOW} ms from now", _log_in(carol, _words(OWNER, issued_at=issued_at)), expect
        )
    add(
        "a log-in at another node",
        _log_in(carol, _words(OWNER, node_id=OTHER_NODE.public)),
        refused("bad-login", "11.2", "node id"),
    )
    for host in ("evil.example.org", "NODE.example.org", f"{HOST}.", f"{HOST}:8443"):
        add(
            f"a log-in at the host {host}",
            _log_in(carol, _words(OWNER, host=host)),
            refused("bad-login", "11.2", "host"),
        )
    add("a log-in that another account signed", _log_in(Own(DAVE), _words(OWNER)), refused("bad-signature", "5.9"))
    add(
        "a log-in that another wallet signed",
        _log_in(Typed(wallets, BOB), _words(ALICE.account)),
        refused("bad-signature", "5.3"),
    )
    add(
        "a log-in that another wallet signed as a text",
        _log_in(Texts(wallets, BOB), _words(ALICE.account)),
        refused("bad-signature", "5.6"),
    )
    add("a log-in for another network", _log_in(carol, _words(OWNER), OTHER), refused("bad-signature", "5.9"))
    add(
        "a wallet's log-in for another network",
        _log_in(alice, _words(ALICE.account), OTHER),
        refused("bad-signature", "5.3"),
    )
    for name, place, value in (("purpose", 6, "write"), ("nonce", 4, b"\x12" * 32), ("issued-at", 5, NOW + 1)):
        changed = [*good]
        changed[place] = value
        add(f"a log-in whose {name} was changed", changed, refused("bad-signature", "5.9"))
    strangers: list[tuple[bytes, Typed | Own, int]] = [
        (SAFE, alice, 1),
        (OWNER, alice, 1),
        (ALICE.account, carol, 4),
        (ALICE_CONTRACT, alice, 1),
    ]
    for account, stranger, number in strangers:
        login = [*_words(account), _log_in(stranger, _words(stranger.author))[7]]
        add(
            f"an account of type {account[0]} {account[-2:].hex()} with scheme {number}",
            login,
            refused("scheme-not-allowed", "11.1"),
        )
    for number in (5, 6):
        add(
            f"a contract's log-in with scheme {number} waits for its chain",
            [*_words(SAFE), [number, b"contract", None]],
            refused("chain-unavailable", "5.14"),
        )
        add(
            f"a wallet's log-in with scheme {number}",
            [*_words(ALICE.account), [number, b"contract", None]],
            refused("scheme-not-allowed", "11.1"),
        )

    add("a session key whose grant is not known", by_phone, refused("unknown-grant", "5.15"))
    unscoped = make(carol, 2, grant(scopes=[4, 129]))
    add(
        "a session key without scope login",
        _log_in(Session(PHONE, OWNER, unscoped.id), _words(OWNER)),
        refused("out-of-scope", "5.15"),
        given_at(unscoped),
    )
    add(
        "a thief's key under another's grant",
        _log_in(Session(THIEF, OWNER, granted.id), _words(OWNER)),
        refused("out-of-scope", "5.15"),
        given_at(granted),
    )
    add(
        "a session key for another account",
        _log_in(Session(PHONE, DAVE.account, granted.id), _words(DAVE.account)),
        refused("out-of-scope", "5.15"),
        given_at(granted),
    )
    revoked = make(carol, 3, revocation(granted.id, seq=7, cut_time=NOW + DAY))
    add(
        "a session key of a revoked grant, whatever its cut",
        by_phone,
        refused("grant-revoked", "4.11"),
        given_at(granted, revoked),
    )
    for name, start, end, expect in (
        ("a session key before its grant begins", NOW + 1, NOW + DAY, refused("out-of-scope", "5.15")),
        ("a session key when its grant begins", NOW, NOW + DAY, OK),
        ("a session key in its grant's last millisecond", NOW, NOW + 2, OK),
        ("a session key when its grant has ended", NOW, NOW + 1, refused("out-of-scope", "5.15")),
    ):
        timed = make(carol, 2, grant(scopes=[128], not_before=start, expires_at=end))
        login = _log_in(Session(PHONE, OWNER, timed.id), _words(OWNER))
        given = {**given_at(timed), "now_ms": NOW + 1 if end <= NOW + 2 else NOW}
        add(name, login, expect, given)
    forged = [*by_phone[:7], [3, PHONE.public, granted.id, bytes(64), None]]
    add("a session's log-in with a forged signature", forged, refused("bad-signature", "5.8"), given_at(granted))

    bad = refused("malformed", "11.1")
    for name, login in (
        ("a log-in of version 2", [2, *good[1:]]),
        ("a log-in with a member too many", [*good, None]),
        ("a log-in without its auth", good[:7]),
        ("a log-in without a host", _log_in(carol, _words(OWNER, host=""))),
        ("a log-in with a host of 256 characters", _log_in(carol, _words(OWNER, host="h" * 256))),
        ("a log-in without a purpose", _log_in(carol, _words(OWNER, purpose=""))),
        ("a log-in with a purpose of 65 characters", _log_in(carol, _words(OWNER, purpose="p" * 65))),
        ("a log-in with a newline in its purpose", _log_in(carol, _words(OWNER, purpose="read\nid: 0"))),
        ("a log-in with an override in its host", _log_in(carol, _words(OWNER, host="\u202enode"))),
        ("a log-in with a nonce of 31 bytes", _log_in(carol, _words(OWNER, nonce=bytes(31)))),
        ("a log-in of no account", [*_words(b"\x07"), [4, bytes(64), None]]),
        ("a log-in with an unknown scheme", [*_words(OWNER), [9, b"new"]]),
    ):
        add(name, login, bad)
    bad_texts(add, pack(good), bad)
    envelope = make(carol, 5, note())
    add("an envelope authenticates nobody", envelope.form, bad)
    return book


SUBJECTS = {"logins": logins}
