"""Vectors about sealed content (SPEC 4.26-4.28): what opens with which seal secret, and what does not.

A box that is made here has no fresh key of its own, so that the bytes are always the same: never do so elsewhere."""

from hashlib import blake2b
from typing import Any

from nacl import bindings

from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import hash_statement, sha256
from tools.vector_bodies import note
from tools.vector_case import Book, Json
from tools.vector_keys import BOB, CAROL, DAVE
from tools.vector_networks import NOW, OTHER, PLAIN
from tools.vector_wallets import WalletProcess

OWNER = CAROL.account
PHONE, LAPTOP, STRANGER, EPHEMERAL = (sha256(f"pushmesh vectors: seal {name}".encode()) for name in "abcd")
KEY = sha256(b"pushmesh vectors: content key")
SECRET = [1, "Loan at risk", "Repay.\nToday.", "https://example.org", [["Repay", "ipfs://repay"]]]
AUDIENCE = [BOB.account]


def public_of(secret: bytes) -> bytes:
    """The X25519 public key."""
    return bindings.crypto_scalarmult_base(secret)


def box_for(secret: bytes, key: bytes = KEY) -> list[bytes]:
    """A seal key and libsodium's sealed box to it."""
    mine, ephemeral = public_of(secret), public_of(EPHEMERAL)
    nonce = blake2b(ephemeral + mine, digest_size=24).digest()
    return [mine, ephemeral + bindings.crypto_box(key, nonce, mine, EPHEMERAL)]


def sealed(
    content: Any = SECRET,
    *,
    network_id: bytes = PLAIN.id,
    key: bytes = KEY,
    to: tuple[bytes, ...] = (PHONE, LAPTOP),
    **outer: Any,
) -> list[Any]:
    """A body with content sealed to these secrets' keys; `padded`, `boxes` and `nonce` in `outer` stand for the
    right ones."""
    padded, boxes, chosen = outer.pop("padded", None), outer.pop("boxes", None), outer.pop("nonce", None)
    body = note(**{"audience": AUDIENCE, "title": None, **outer})
    tie = hash_statement("sealed", network_id, b"\x05", OWNER, pack(body))
    if padded is None:
        plain, size = pack(content), 256
        while size < len(plain) + 17:
            size *= 2
        padded = bindings.sodium_pad(plain, size - 16)
    nonce = chosen or sha256(key + tie)[:24]
    ciphertext = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(padded, tie, nonce, key)
    body[-1] = [nonce, ciphertext, sorted([box_for(each, KEY) for each in to]) if boxes is None else boxes]
    return body


def contents(_wallets: WalletProcess) -> Book:
    book = Book(now_ms=NOW)

    def add(name: str, body: list[Any], answer: Json, *, secret: bytes = PHONE, author: bytes = OWNER) -> None:
        asked = {"author": author.hex(), "body": pack(body).hex(), "seal_secret": secret.hex()}
        book.add(name, "sealed", {"network": "plain"}, asked, answer)

    def good(name: str, content: list[Any] = SECRET, *, secret: bytes = PHONE, **outer: Any) -> None:
        add(name, sealed(content, **outer), {"reason": "ok", "content": pack(content).hex()}, secret=secret)

    def bad(name: str, body: list[Any]) -> None:
        add(name, body, {"reason": "bad-seal"})

    good("content sealed to a phone")
    good("content sealed to a laptop", secret=LAPTOP)
    good("content with words for others beside it", title="You have a message", url="https://example.org/outer")
    good("content of a title", [1, "t", None, None, None])
    good("content of a body of 4,096 code points", [1, None, "\U0001f514" * 4096, None, None])
    good("content as long as 256 bytes have room for", [1, None, "x" * 233, None, None])
    good("content one byte longer than 256 bytes have room for", [1, None, "x" * 234, None, None])
    add("content sealed to others", sealed(), {"reason": "no-seal-key"}, secret=STRANGER)

    whole = sealed()
    nonce, ciphertext, boxes = whole[-1]
    for name, members in (
        ("another audience", {"audience": [DAVE.account]}),
        ("another topic", {"topic": [OWNER, "loans"]}),
        ("another seq", {"seq": 6}),
        ("another time", {"issued_at": NOW + 1}),
        ("another end", {"expires_at": NOW + 2}),
        ("words in the open added", {"title": "Pay me"}),
        ("another priority", {"priority": 5}),
        ("another thread", {"thread": bytes(16)}),
    ):
        said: dict[str, Any] = {"audience": AUDIENCE, "title": None, **members}
        moved = note(**said)
        moved[-1] = whole[-1]
        bad(f"a ciphertext with {name}", moved)
    bad("a ciphertext of another network", sealed(network_id=OTHER.id))
    bad("a box with another content key", sealed(boxes=sorted([box_for(PHONE, bytes(32)), box_for(LAPTOP)])))
    bad("a ciphertext with a nonce of the sender's choice", sealed(nonce=bytes(23) + b"\x01"))
    bad("a box that does not open", sealed(boxes=[[public_of(PHONE), bytes(80)]]))
    for name, part in (
        ("a nonce that is not the key's", [bytes(24), ciphertext, boxes]),
        ("a flipped bit in the ciphertext", [nonce, bytes([ciphertext[0] ^ 1]) + ciphertext[1:], boxes]),
        ("a flipped bit in the tag", [nonce, ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]), boxes]),
        ("half a ciphertext", [nonce, ciphertext[:128], boxes]),
        ("a ciphertext with a byte too many", [nonce, ciphertext + b"\x00", boxes]),
    ):
        bad(name, [*whole[:-1], part])
    for name, padded in (
        ("content without padding", pack(SECRET)),
        ("content padded with zeros alone", pack(SECRET).ljust(240, b"\x00")),
        ("nothing but padding", bytes(240)),
        ("content padded to no power of two", bindings.sodium_pad(pack(SECRET), 300 - 16)),
        ("content padded with something", bindings.sodium_pad(pack(SECRET), 240)[:-1] + b"\x01"),
    ):
        bad(name, sealed(padded=padded))
    for name, content in (
        ("content of version 2", [2, "t", None, None, None]),
        ("content with a member too many", [1, "t", None, None, None, None]),
        ("content that says nothing", [1, None, None, "https://example.org", None]),
        ("content with a title of 257 code points", [1, "t" * 257, None, None, None]),
        ("content with a title of two lines", [1, "a\nb", None, None, None]),
        ("content with a body that turns the text", [1, None, "\u202ea", None, None]),
        ("content with a url that runs something", [1, "t", None, "javascript:a", None]),
        ("content with four actions", [1, "t", None, None, [["a", "https://a"]] * 4]),
        ("content with an empty list of actions", [1, "t", None, None, []]),
    ):
        bad(name, sealed(content))
    return book


SUBJECTS = {"sealed": contents}
