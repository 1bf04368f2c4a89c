"""Vectors about tokens (SPEC 11.3) and vouchers (SPEC 10.1): what a session key signs and what is never gossiped."""

from collections.abc import Iterable, Sequence
from typing import Any

from pushmesh_protocol.armor import to_text
from pushmesh_protocol.auth import ed25519
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import hash_statement, u64
from pushmesh_protocol.network import Network
from tools.vector_bodies import grant, revocation
from tools.vector_case import Book, Json
from tools.vector_edges import OK, OWNER, bad_texts, given_at, refused
from tools.vector_keys import (
    BOB,
    CAROL,
    DAVE,
    LAPTOP,
    NODE,
    OTHER_NODE,
    PHONE,
    THIEF,
    EdKey,
)
from tools.vector_makers import Own, make
from tools.vector_networks import DAY, NOW, OTHER, PLAIN
from tools.vector_wallets import WalletProcess


def _changes(table: dict[str, dict[str, Any]]) -> Iterable[tuple[str, dict[str, Any]]]:
    """What was changed after it was signed: a name, and members with their values."""
    return table.items()


def tokens(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    carol = Own(CAROL)
    granted = make(carol, 2, grant(scopes=[129]))
    known = given_at(granted)

    def token(
        key: EdKey = PHONE,
        grant_id: bytes = granted.id,
        *,
        network: Network = PLAIN,
        signed: dict[str, Any] | None = None,
        **changes: Any,
    ) -> list[Any]:
        """The wire form of a token; `signed` are members that were signed otherwise than they are shown."""
        values = {
            "node_id": NODE.public,
            "account": OWNER,
            "scopes": [1],
            "topics": None,
            "expires_at": NOW + DAY,
            "random": bytes(16),
        }
        assert set(changes) <= set(values)
        shown = {**values, **changes}
        said = {**shown, **(signed or {})}
        parts = [
            said["node_id"],
            said["account"],
            pack(said["scopes"]),
            pack(said["topics"]),
            u64(said["expires_at"]),
            said["random"],
        ]
        signature = ed25519.sign(key.seed, hash_statement("token", network.id, grant_id, *parts))
        return [1, *shown.values(), key.public, grant_id, signature]

    def add(name: str, made: Sequence[Any] | bytes | str, expect: Json, given: Json = known) -> None:
        text = made if isinstance(made, str) else to_text(made if isinstance(made, bytes) else pack(made))
        book.add(name, "token", given, {"token": text}, expect)

    many = [[OWNER, f"t{number:02d}"] for number in range(33)]
    add("a token to read", token(), OK)
    add("a token to read and publish on 32 topics", token(scopes=[1, 2], topics=many[:32]), OK)
    add("a token for another's topic", token(topics=[[BOB.account, "news"]]), OK)
    for expires_at, good in ((NOW, False), (NOW + 1, True), (NOW + 30 * DAY, True), (NOW + 30 * DAY + 1, False)):
        expect = OK if good else refused("bad-token", "11.3", "expires-at")
        add(f"a token that expires in {expires_at - NOW} ms", token(expires_at=expires_at), expect)
    add("a token for another node", token(node_id=OTHER_NODE.public), refused("bad-token", "11.3", "node id"))
    wrong = refused("bad-token", "11.3", "signature")
    for name, changes in _changes(
        {
            "account": {"account": DAVE.account},
            "scopes": {"scopes": [1, 2]},
            "topics": {"topics": [[OWNER, "news"]]},
            "expiry": {"expires_at": NOW + 2 * DAY},
            "random bytes": {"random": b"\x01" * 16},
        }
    ):
        original = token()
        before = dict(
            zip(("node_id", "account", "scopes", "topics", "expires_at", "random"), original[1:7], strict=True)
        )
        add(f"a token whose {name} were changed", token(signed=before, **changes), wrong)
    add("a token for another network", token(network=OTHER), wrong)
    other_grant = make(carol, 2, grant(seq=6, scopes=[129]))
    moved = [*token()[:8], other_grant.id, token()[9]]
    add("a token moved to another grant of its key", moved, wrong, given_at(granted, other_grant))
    add("a token that shows another key", [*token()[:7], LAPTOP.public, *token()[8:]], wrong)
    add("a token of a thief's key", token(THIEF), refused("out-of-scope", "5.15"))
    add("a token under a grant that is not known", token(), refused("unknown-grant", "5.15"), given_at())
    unscoped = make(carol, 2, grant(scopes=[5, 128]))
    add(
        "a token of a key without scope token",
        token(grant_id=unscoped.id),
        refused("out-of-scope", "5.15"),
        given_at(unscoped),
    )
    revoked = make(carol, 3, revocation(granted.id, seq=7))
    add("a token of a revoked grant", token(), refused("grant-revoked", "4.11"), given_at(granted, revoked))
    add("a token of another account than its grant's", token(account=DAVE.account), refused("out-of-scope", "5.15"))
    bad = refused("malformed", "11.3")
    for name, made in (
        ("a token of version 2", [2, *token()[1:]]),
        ("a token without scopes", token(scopes=[])),
        ("a token with an unknown scope", token(scopes=[3])),
        ("a token with scopes out of order", token(scopes=[2, 1])),
        ("a token with a scope twice", token(scopes=[1, 1])),
        ("a token for no topics", token(topics=[])),
        ("a token for 33 topics", token(topics=many)),
        ("a token with topics out of order", token(topics=[many[1], many[0]])),
        ("a token with a topic name in capitals", token(topics=[[OWNER, "NEWS"]])),
        ("a token of no account", token(account=b"\x00")),
        ("a token with 15 random bytes", token(random=bytes(15))),
        ("a token with a member too few", token()[:-1]),
    ):
        add(name, made, bad)
    bad_texts(add, pack(token()), bad, "token")
    return book


def vouchers(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    carol = Own(CAROL)
    granted = make(carol, 2, grant(scopes=[130]))
    known = given_at(granted)
    names = ("account", "node_id", "epoch", "stream", "sequence", "count", "units", "root")

    def voucher(
        key: EdKey = PHONE,
        grant_id: bytes = granted.id,
        *,
        network: Network = PLAIN,
        signed: dict[str, Any] | None = None,
        **changes: Any,
    ) -> list[Any]:
        values = (OWNER, NODE.public, 1000, bytes(16), 1, 32, 40, b"\x21" * 32)
        shown = {**dict(zip(names, values, strict=True)), **changes}
        assert len(shown) == len(names)
        said = {**shown, **(signed or {})}
        parts = [u64(part) if isinstance(part, int) and 0 <= part < 2**64 else part for part in said.values()]
        message = hash_statement(
            "voucher", network.id, grant_id, *[part if isinstance(part, bytes) else b"" for part in parts]
        )
        return [1, *shown.values(), key.public, grant_id, ed25519.sign(key.seed, message)]

    def add(name: str, made: list[Any] | bytes, expect: Json, given: Json = known) -> None:
        data = made if isinstance(made, bytes) else pack(made)
        book.add(name, "voucher", given, {"voucher": data.hex()}, expect)

    add("a voucher", voucher(), OK)
    add("a voucher of as many units as messages", voucher(units=32), OK)
    add("a voucher of nothing yet", voucher(count=0, units=0), OK)
    add("a voucher of the highest totals", voucher(count=2**64 - 1, units=2**64 - 1), OK)
    add("a voucher of the highest sequence", voucher(sequence=2**32 - 1), OK)
    add("fewer units than messages", voucher(units=31), refused("bad-voucher", "10.1", "units"))
    wrong = refused("bad-voucher", "10.1", "signature")
    original = dict(zip(names, voucher()[1:9], strict=True))
    for name, changes in _changes(
        {
            "account": {"account": DAVE.account},
            "node": {"node_id": OTHER_NODE.public},
            "epoch": {"epoch": 1001},
            "stream": {"stream": b"\x01" * 16},
            "sequence": {"sequence": 2},
            "count": {"count": 33},
            "units": {"units": 41},
            "root": {"root": b"\x22" * 32},
        }
    ):
        add(f"a voucher whose {name} was changed", voucher(signed=original, **changes), wrong)
    add("a voucher for another network", voucher(network=OTHER), wrong)
    add("a voucher that shows another key", [*voucher()[:9], LAPTOP.public, *voucher()[10:]], wrong)
    add("a voucher that shows another grant", [*voucher()[:10], bytes(32), voucher()[11]], wrong)
    add("a voucher of a thief's key", voucher(THIEF), refused("out-of-scope", "5.15"))
    add("a voucher under a grant that is not known", voucher(), refused("unknown-grant", "5.15"), given_at())
    unscoped = make(carol, 2, grant(scopes=[5, 129]))
    add(
        "a voucher of a key without scope voucher",
        voucher(grant_id=unscoped.id),
        refused("out-of-scope", "5.15"),
        given_at(unscoped),
    )
    revoked = make(carol, 3, revocation(granted.id, seq=7))
    add("a voucher of a revoked grant", voucher(), refused("grant-revoked", "4.11"), given_at(granted, revoked))
    bad = refused("malformed", "10.1")
    for name, made in (
        ("a voucher of version 2", [2, *voucher()[1:]]),
        ("a voucher of sequence 0", voucher(sequence=0)),
        ("a voucher of sequence 2^32", voucher(sequence=2**32)),
        ("a voucher of a count below zero", voucher(count=-1)),
        ("a voucher of no account", voucher(account=b"\x00")),
        ("a voucher with a stream of 15 bytes", voucher(stream=bytes(15))),
        ("a voucher with a root of 31 bytes", voucher(root=bytes(31))),
        ("a voucher with a member too many", [*voucher(), None]),
        ("a voucher whose signature has 63 bytes", [*voucher()[:11], bytes(63)]),
    ):
        add(name, made, bad)
    add("a voucher with a byte after it", pack(voucher()) + b"\0", bad)
    add(
        "a voucher whose version is longer than it needs", pack(voucher()).replace(b"\x9c\x01", b"\x9c\xcc\x01", 1), bad
    )
    return book


SUBJECTS = {"tokens": tokens, "vouchers": vouchers}
