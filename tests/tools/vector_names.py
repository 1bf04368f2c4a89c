"""Vectors about names (SPEC 3.5): what is signed with Ed25519 under one name is refused under every other.

Each case takes a good statement and signs the same parts with the right key under another name of the closed list."""

from collections.abc import Callable
from typing import Any

from pushmesh_protocol.armor import to_text
from pushmesh_protocol.auth import ed25519
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import STATEMENT_NAMES, hash_statement, u64
from tools.vector_bodies import HIGH, binding, grant, note
from tools.vector_case import Book, Json, accept, reject
from tools.vector_keys import CAROL, NODE, PHONE, EdKey
from tools.vector_makers import Own, dress, dress_batch, frame, id_of, make, make_batch
from tools.vector_networks import DAY, NOW, PLAIN
from tools.vector_wallets import WalletProcess

OWNER = CAROL.account
GRANT = make(Own(CAROL), 2, grant())
STATE = [frame(GRANT)]
GIVEN: Json = {
    "network": "plain",
    "now_ms": NOW,
    "state": [{"now_ms": NOW, "frame": STATE[0].hex()}],
    "node_id": NODE.public.hex(),
    "hosts": ["node.example.org"],
}


def names(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)
    for name in sorted(STATEMENT_NAMES):
        for place in (
            _session,
            _session_batch,
            _solana,
            _solana_batch,
            _node_binding,
            _login,
            _session_login,
            _token,
            _voucher,
        ):
            place(book, name)
    return book


def _sign(key: EdKey, name: str, *parts: bytes) -> bytes:
    return ed25519.sign(key.seed, hash_statement(name, PLAIN.id, *parts))


def _title(place: str, own: str, name: str) -> str:
    return f"{place} signed as {name}" if name == own else f"{place} signed under the name {name}"


def _session(book: Book, name: str) -> None:
    data = pack(note(seq=HIGH + 5))
    subject = id_of(5, OWNER, data)
    auth = [3, PHONE.public, GRANT.id, _sign(PHONE, name, GRANT.id, subject), None]
    made = dress(5, OWNER, data, auth, shown=f"ed25519:{PHONE.public.hex()}")
    answer = accept(made) if name == "session" else reject("bad-signature", "5.8", made)
    book.judge(_title("a session's notification", "session", name), frame(made), answer, state=STATE)


def _session_batch(book: Book, name: str) -> None:
    def sign(subject: bytes) -> list[Any]:
        return [3, PHONE.public, GRANT.id, _sign(PHONE, name, GRANT.id, subject), None]

    _batch(book, name, "session", HIGH + 5, "5.8", sign, f"ed25519:{PHONE.public.hex()}")


def _solana(book: Book, name: str) -> None:
    data = pack(note())
    auth = [4, _sign(CAROL, name, id_of(5, OWNER, data)), None]
    made = dress(5, OWNER, data, auth, shown=Own(CAROL).shown)
    answer = accept(made) if name == "solana" else reject("bad-signature", "5.9", made)
    book.judge(_title("a Solana account's notification", "solana", name), frame(made), answer)


def _solana_batch(book: Book, name: str) -> None:
    def sign(subject: bytes) -> list[Any]:
        return [4, _sign(CAROL, name, subject), None]

    _batch(book, name, "solana", 6, "5.9", sign, Own(CAROL).shown)


def _batch(
    book: Book, name: str, own: str, seq: int, rule: str, sign: Callable[[bytes], list[Any]], shown: str
) -> None:
    said = make_batch(Own(CAROL), [note(seq=seq)]).statement[:8]
    auth = sign(hash_statement("batch", PLAIN.id, pack(said)))
    batch = dress_batch([*said, auth], [pack(note(seq=seq))], shown=shown)
    leaf = batch.leaves[0]
    answer = accept(leaf) if name == own else reject("bad-signature", rule, leaf)
    title = _title(f"a {own} batch", own, name)
    book.judge(title, frame(batch.run(), statements=[batch.statement]), answer, state=STATE)


def _node_binding(book: Book, name: str) -> None:
    expires_at = NOW + 30 * DAY
    made = make(Own(CAROL), 7, binding(NODE.public, _sign(NODE, name, OWNER, u64(expires_at))))
    answer = accept(made) if name == "node-binding" else reject("bad-signature", "4.18", made)
    book.judge(_title("a node's agreement", "node-binding", name), frame(made), answer)


def _words() -> tuple[list[Any], list[bytes]]:
    words = [1, NODE.public, "node.example.org", OWNER, bytes(32), NOW, "read"]
    return words, [NODE.public, b"node.example.org", OWNER, bytes(32), u64(NOW), b"read"]


def _login(book: Book, name: str) -> None:
    words, parts = _words()
    subject = hash_statement(name, PLAIN.id, *parts)
    login = [*words, [4, _sign(CAROL, "solana", subject), None]]
    expect = _answer(name == "login", "bad-signature", "5.9", None)
    book.add(_title("a log-in", "login", name), "login", GIVEN, {"login": to_text(pack(login))}, expect)


def _session_login(book: Book, name: str) -> None:
    words, parts = _words()
    subject = hash_statement("login", PLAIN.id, *parts)
    login = [*words, [3, PHONE.public, GRANT.id, _sign(PHONE, name, GRANT.id, subject), None]]
    expect = _answer(name == "session", "bad-signature", "5.8", None)
    book.add(_title("a session's log-in", "session", name), "login", GIVEN, {"login": to_text(pack(login))}, expect)


def _token(book: Book, name: str) -> None:
    expires_at = NOW + DAY
    parts = [GRANT.id, NODE.public, OWNER, pack([1]), pack(None), u64(expires_at), bytes(16)]
    words = [
        1,
        NODE.public,
        OWNER,
        [1],
        None,
        expires_at,
        bytes(16),
        PHONE.public,
        GRANT.id,
        _sign(PHONE, name, *parts),
    ]
    expect = _answer(name == "token", "bad-token", "11.3", "signature")
    book.add(_title("a token", "token", name), "token", GIVEN, {"token": to_text(pack(words))}, expect)


def _voucher(book: Book, name: str) -> None:
    numbers = (1000, 1, 2, 3)
    epoch, sequence, count, units = (u64(number) for number in numbers)
    parts = [GRANT.id, OWNER, NODE.public, epoch, bytes(16), sequence, count, units, bytes(32)]
    voucher = [
        1,
        OWNER,
        NODE.public,
        numbers[0],
        bytes(16),
        *numbers[1:],
        bytes(32),
        PHONE.public,
        GRANT.id,
        _sign(PHONE, name, *parts),
    ]
    expect = _answer(name == "voucher", "bad-voucher", "10.1", "signature")
    book.add(_title("a voucher", "voucher", name), "voucher", GIVEN, {"voucher": pack(voucher).hex()}, expect)


def _answer(good: bool, reason: str, rule: str, member: str | None) -> Json:
    if good:
        return {"reason": "ok", "rule": "7.1", "member": None}
    return {"reason": reason, "rule": rule, "member": member}


SUBJECTS = {"names": names}
