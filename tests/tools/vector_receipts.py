"""Vectors about receipts, holds, outcomes and wallets' own words (SPEC section 12)."""

from collections.abc import Sequence
from typing import Any

from pushmesh_protocol.auth import ed25519
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import hash_statement, sha256, u64
from pushmesh_protocol.network import Network
from pushmesh_protocol.tree import audit_path
from tools.vector_case import Book, Json
from tools.vector_edges import OK, OWNER, refused
from tools.vector_keys import DAVE, NODE, OTHER_NODE, PHONE, EdKey, accounts
from tools.vector_networks import DAY, NOW, OTHER, PLAIN
from tools.vector_values import naive_root
from tools.vector_wallets import WalletProcess

IDS = [sha256(b"envelope %d" % number) for number in range(5)]
GIVEN: Json = {"network": "plain", "node_id": NODE.public.hex()}
CHAIN, GRANT, SALT, STREAM = (bytes([number]) * 16 for number in (1, 2, 3, 4))


def path_of(ids: list[bytes], index: int) -> list[bytes]:
    """The audit path of one leaf."""
    return audit_path(ids, index, 1)


def _message(name: str, network: Network, *parts: bytes | int) -> bytes:
    return hash_statement(name, network.id, *[part if isinstance(part, bytes) else u64(part) for part in parts])


def a_seal(key: EdKey = NODE, *, network: Network = PLAIN, name: str = "receipt", **changes: Any) -> list[Any]:
    """The wire form; members in `changes` are signed too."""
    values: Json = {
        **{"node_id": key.public, "chain": CHAIN, "number": 7, "previous": bytes(32), "level": 2, "time": NOW},
        **{"kept_until": NOW + DAY, "flags": 0, "count": len(IDS), "root": naive_root(IDS)},
    }
    assert set(changes) <= set(values)
    shown = [*(values | changes).values()]
    return [1, *shown, ed25519.sign(key.seed, _message(name, network, *shown))]


def a_receipt(index: int = 3, seal: list[Any] | None = None, **changes: Any) -> list[Any]:
    values = {"id": IDS[index], "index": index, "path": path_of(IDS, index)}
    return [1, a_seal() if seal is None else seal, *(values | changes).values()]


def _put(members: list[Any], place: int, value: Any) -> list[Any]:
    return [*members[:place], value, *members[place + 1 :]]


def receipts(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)

    def add(name: str, made: list[Any] | bytes, expect: Json) -> None:
        data = made if isinstance(made, bytes) else pack(made)
        book.add(name, "receipt", GIVEN, {"receipt": data.hex()}, expect)

    for index in range(len(IDS)):
        add(f"a receipt of envelope {index} of five", a_receipt(index), OK)
    alone = a_seal(count=1, root=naive_root(IDS[:1]))
    add("a receipt of one envelope alone", a_receipt(0, alone, path=[]), OK)
    add("a receipt whose node does not trust its clock", a_receipt(seal=a_seal(flags=1)), OK)
    add("a receipt of the highest number", a_receipt(seal=a_seal(number=2**63 - 1)), OK)
    wrong = refused("bad-receipt", "12.3", "signature")
    for place, name, value in (
        (1, "node", OTHER_NODE.public),
        (2, "chain", bytes(16)),
        (3, "number", 8),
        (4, "previous", b"\x01" * 32),
        (6, "time", NOW + 1),
        (7, "kept-until", NOW + 2 * DAY),
        (8, "flags", 1),
        (11, "signature", bytes(64)),
    ):
        add(f"a receipt whose {name} was changed", a_receipt(seal=_put(a_seal(), place, value)), wrong)
    add("a receipt for another network", a_receipt(seal=a_seal(network=OTHER)), wrong)
    for name in ("hold", "outcome", "voucher", "session"):
        add(f"a receipt signed as a {name}", a_receipt(seal=a_seal(name=name)), wrong)
    lost = refused("bad-receipt", "12.4", "path")
    add("a receipt of another envelope", a_receipt(id=IDS[2]), lost)
    add("a receipt at another place", a_receipt(index=2, id=IDS[3]), lost)
    add("a receipt without its path", a_receipt(path=[]), lost)
    add("a receipt with a hash too many", a_receipt(path=[*path_of(IDS, 3), bytes(32)]), lost)
    add("a receipt past the end", _put(a_receipt(4), 3, 5), lost)
    bad = refused("malformed", "12.4")
    for name, made in (
        ("a receipt of version 2", [2, *a_receipt()[1:]]),
        ("a receipt of level 1", a_receipt(seal=a_seal(level=1))),
        ("a receipt of level 3", a_receipt(seal=a_seal(level=3))),
        ("a receipt of flags 2", a_receipt(seal=a_seal(flags=2))),
        ("a receipt of number 0", a_receipt(seal=a_seal(number=0))),
        ("a receipt of number 2^63", a_receipt(seal=a_seal(number=2**63))),
        ("a receipt of no envelopes", a_receipt(seal=a_seal(count=0))),
        ("a receipt of 65,537 envelopes", a_receipt(seal=a_seal(count=65_537))),
        ("a receipt with a chain of 15 bytes", a_receipt(seal=a_seal(chain=bytes(15)))),
        ("a receipt with 17 hashes", a_receipt(path=[bytes(32)] * 17)),
        ("a receipt with a member too few", a_receipt()[:-1]),
        ("a receipt with a byte after it", pack(a_receipt()) + b"\0"),
    ):
        add(name, made, bad)
    _equivocations(book)
    return book


def _equivocations(book: Book) -> None:
    def add(name: str, one: list[Any], other: list[Any], proof: bool) -> None:
        asked = {"one": pack(one).hex(), "other": pack(other).hex()}
        book.add(name, "equivocation", GIVEN, asked, {"reason": "ok", "proof": proof})

    seal, other = a_seal(), a_seal(root=naive_root(IDS[:4]), count=4)
    named = _message("receipt", PLAIN, *seal[1:-1])
    add("one number and two roots prove equivocation", seal, other, True)
    add("the same two the other way round prove it too", other, seal, True)
    add("a seal that does not name the one before it proves equivocation", seal, a_seal(number=8), True)
    add("a seal that names the one before it proves nothing", seal, a_seal(number=8, previous=named), False)
    add("a seal and itself prove nothing", seal, seal, False)
    add("two numbers with one between them prove nothing", seal, a_seal(number=9), False)
    add("two chains prove nothing", seal, a_seal(chain=bytes(16), count=4), False)
    add("two nodes prove nothing", seal, a_seal(OTHER_NODE, count=4), False)
    add("a seal that was never signed proves nothing", seal, _put(other, 11, bytes(64)), False)


def holds(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)

    def a_hold(*, network: Network = PLAIN, name: str = "hold", **changes: Any) -> list[Any]:
        values: Json = {"node_id": NODE.public, "time": NOW, "count": len(IDS), "root": naive_root(IDS)}
        shown = [*(values | changes).values()]
        return [1, *shown, ed25519.sign(NODE.seed, _message(name, network, *shown))]

    def a_proof(index: int = 3, hold: list[Any] | None = None, **changes: Any) -> list[Any]:
        values: Json = {"id": IDS[index], "index": index, "path": path_of(IDS, index)}
        return [1, a_hold() if hold is None else hold, *(values | changes).values()]

    def add(name: str, made: list[Any], expect: Json) -> None:
        book.add(name, "hold", GIVEN, {"hold": pack(made).hex()}, expect)

    for index in range(len(IDS)):
        add(f"a hold of envelope {index} of five", a_proof(index), OK)
    wrong = refused("bad-hold", "12.7", "signature")
    for place, name, value in ((1, "node", OTHER_NODE.public), (2, "time", NOW + 1), (5, "signature", bytes(64))):
        add(f"a hold whose {name} was changed", a_proof(hold=_put(a_hold(), place, value)), wrong)
    add("a hold for another network", a_proof(hold=a_hold(network=OTHER)), wrong)
    add("a hold signed as a receipt", a_proof(hold=a_hold(name="receipt")), wrong)
    lost = refused("bad-hold", "12.7", "path")
    add("a hold of another envelope", a_proof(id=IDS[2]), lost)
    add("a hold without its path", a_proof(path=[]), lost)
    bad = refused("malformed", "12.7")
    add("a hold of version 2", a_proof(hold=[2, *a_hold()[1:]]), bad)
    add("a hold of no envelopes", a_proof(hold=a_hold(count=0)), bad)
    add("a hold with a member too many", [*a_proof(), None], bad)
    return book


LEAVES = [hash_statement("voucher-leaf", PLAIN.id, SALT, id_) for id_ in IDS]


def a_voucher(key: EdKey = PHONE, **changes: Any) -> list[Any]:
    values: Json = {
        **{"account": OWNER, "node_id": NODE.public, "epoch": 1000, "stream": STREAM, "sequence": 1, "count": len(IDS)},
        **{"units": len(IDS), "root": naive_root(LEAVES)},
    }
    shown = [*(values | changes).values()]
    grant = GRANT * 2
    return [1, *shown, key.public, grant, ed25519.sign(key.seed, _message("voucher", PLAIN, grant, *shown))]


def a_word(index: int = 3, voucher: list[Any] | None = None, **changes: Any) -> list[Any]:
    values = {"salt": SALT, "index": index, "path": path_of(LEAVES, index)}
    return [1, a_voucher() if voucher is None else voucher, *(values | changes).values()]


def acknowledgements(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)

    def add(name: str, made: list[Any], expect: Json, index: int = 3, account: bytes = OWNER) -> None:
        asked = {"acknowledgement": pack(made).hex(), "id": IDS[index].hex(), "account": account.hex()}
        book.add(name, "acknowledgement", GIVEN, asked, expect)

    for index in range(len(IDS)):
        add(f"a wallet's word on message {index} of five", a_word(index), OK, index)
    wrong = "bad-acknowledgement", "12.10"
    add("a wallet's word on another message", a_word(), refused(*wrong, "path"), 2)
    add("a wallet's word with another salt", a_word(salt=bytes(16)), refused(*wrong, "path"))
    add("a wallet's word at another place", a_word(index=2, path=path_of(LEAVES, 3)), refused(*wrong, "path"))
    add("another wallet's word", a_word(), refused(*wrong, "account"), account=DAVE.account)
    other_node = a_voucher(node_id=OTHER_NODE.public)
    add("a wallet's word to another node", a_word(voucher=other_node), refused(*wrong, "node id"))
    forged = _put(a_voucher(), 11, bytes(64))
    add("a word that the wallet never gave", a_word(voucher=forged), refused("bad-voucher", "10.1", "signature"))
    fewer = a_voucher(units=4)
    add("a word of fewer units than messages", a_word(voucher=fewer), refused("bad-voucher", "10.1", "units"))
    bad = refused("malformed", "12.10")
    add("a word of version 2", [2, *a_word()[1:]], bad)
    add("a word with a salt of 15 bytes", a_word(salt=bytes(15)), bad)
    add("a word with 65 hashes", a_word(path=[bytes(32)] * 65), bad)
    return book


def outcomes(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    ascending = sorted(IDS)
    named = [[account, NOW, None] for account in accounts(3)]

    def row(id_: bytes = ascending[0], level: int = 4, count: int = 3, names: Sequence[Any] = ()) -> list[Any]:
        return [id_, NOW, level, count, [*names]]

    def stated(*rows: Any, network: Network = PLAIN, name: str = "outcome", **changes: Any) -> list[Any]:
        values: Json = {"node_id": NODE.public, "origin": OTHER_NODE.public, "time": NOW, "rows": [*rows]}
        node_id, origin, time, shown = (values | changes).values()
        message = _message(name, network, node_id, origin, time, pack(shown))
        return [1, node_id, origin, time, shown, ed25519.sign(NODE.seed, message)]

    def add(name: str, made: list[Any], expect: Json) -> None:
        book.add(name, "outcome", GIVEN, {"outcome": pack(made).hex()}, expect)

    word = [OWNER, NOW, a_word(IDS.index(ascending[1]))]
    add("an outcome of numbers", stated(row()), OK)
    add("an outcome with names", stated(row(names=named)), OK)
    add("an outcome with a wallet's word", stated(row(), row(ascending[1]), row(ascending[1], 5, 1, [word])), OK)
    add("an outcome of 512 rows", stated(*(row(number.to_bytes(32, "big")) for number in range(1, 513))), OK)
    wrong = refused("bad-outcome", "12.9", "signature")
    good = stated(row())
    for place, name, value in (
        (1, "node", OTHER_NODE.public),
        (2, "origin", NODE.public),
        (3, "time", NOW + 1),
        (4, "count", [row(count=4)]),
        (5, "signature", bytes(64)),
    ):
        add(f"an outcome whose {name} was changed", _put(good, place, value), wrong)
    add("an outcome for another network", stated(row(), network=OTHER), wrong)
    add("an outcome signed as a hold", stated(row(), name="hold"), wrong)
    add(
        "an outcome with more names than its count",
        stated(row(count=2, names=named)),
        refused("bad-outcome", "12.9", "count"),
    )
    no_word, stray = refused("bad-outcome", "12.9", "evidence"), [OWNER, NOW, a_word()]
    add("an acknowledged outcome without the wallet's word", stated(row(level=5, names=named)), no_word)
    add("a delivered outcome with a wallet's word", stated(row(names=[stray])), no_word)
    bad = refused("malformed", "12.9")
    for name, made in (
        ("an outcome of version 2", [2, *good[1:]]),
        ("an outcome of no rows", stated()),
        ("an outcome of 513 rows", stated(*(row(number.to_bytes(32, "big")) for number in range(1, 514)))),
        ("an outcome of level 3", stated(row(level=3))),
        ("an outcome of level 6", stated(row(level=6))),
        ("an outcome of nobody", stated(row(count=0))),
        ("an outcome with rows out of order", stated(row(ascending[1]), row(ascending[0]))),
        ("an outcome with a row twice", stated(row(), row())),
        ("an outcome with a level before a lower one", stated(row(level=5, count=1), row())),
        ("an outcome with names out of order", stated(row(names=[named[1], named[0]]))),
        ("an outcome with a name twice", stated(row(names=[named[0], named[0]]))),
        ("an outcome that names no account", stated(row(names=[[b"\x00", NOW, None]]))),
        ("an outcome of 513 names", stated(*_crowd(ascending[:2], (512, 1)))),
    ):
        add(name, made, bad)
    return book


def _crowd(ids: Sequence[bytes], sizes: Sequence[int]) -> list[Any]:
    return [
        [id_, NOW, 4, size, [[account, NOW, None] for account in accounts(size)]]
        for id_, size in zip(ids, sizes, strict=True)
    ]


SUBJECTS = {"receipts": receipts, "holds": holds, "acknowledgements": acknowledgements, "outcomes": outcomes}
