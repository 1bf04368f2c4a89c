from random import Random

import pytest
from msgspec.structs import replace
from nacl import bindings

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.codec import pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.hashing import hash_statement, sha256
from pushmesh_protocol.kinds import Action, Kind, Notification, Sealed, SealedBox
from pushmesh_protocol.sealed import Content, ciphertext_bytes, content_of, decrypt_content, encrypt_content, tie_of
from support.bodies import a_body, a_network, a_random_body
from support.envelopes import ALICE, BOB, CAROL
from support.refusals import refusal_of

NETWORK = a_network()
KEY = bytes(range(32))
BODY: Notification = a_body(Kind.NOTIFICATION, ALICE, audience=[BOB], title=None, body=None)
TIE = tie_of(NETWORK, ALICE, BODY)
SECRET = content_of("Loan at risk", "Repay 1,000 USDC.\nToday.", "https://example.org", [Action("Repay", "ipfs://a")])


def test_what_was_sealed_opens_with_its_key_and_body() -> None:
    nonce, ciphertext = encrypt_content(KEY, TIE, SECRET)
    assert decrypt_content(KEY, TIE, nonce, ciphertext) == SECRET


def test_the_tie_covers_every_member_of_the_body_but_the_sealed_part(rng: Random) -> None:
    bare = pack([*(getattr(BODY, name) for name in BODY.__struct_fields__[:-1]), None])
    assert hash_statement("sealed", NETWORK.id, b"\x05", ALICE, bare) == TIE
    assert tie_of(NETWORK, ALICE, replace(BODY, sealed=Sealed(b"n" * 24, b"c", [SealedBox(KEY, b"b" * 80)]))) == TIE
    other = a_random_body(rng, Kind.NOTIFICATION, ALICE)
    changed = {name: getattr(other, name) for name in BODY.__struct_fields__[:-1]}
    changed |= {"audience": [CAROL], "category": "loans", "collapse": "k", "not_before": 5, "language": "de"}
    changed |= {"thread": b"t" * 16, "origin": b"o" * 32, "url": "https://a", "actions": [Action("a", "https://a")]}
    changed |= {"title": "outer", "body": "outer", "priority": 5}
    for name, value in changed.items():
        body = replace(BODY, **{name: value})
        assert body == BODY or tie_of(NETWORK, ALICE, body) != TIE, name
    assert tie_of(NETWORK, BOB, BODY) != TIE
    assert tie_of(a_network(name="other"), ALICE, BODY) != TIE


def test_a_ciphertext_shown_in_another_body_does_not_open() -> None:
    nonce, ciphertext = encrypt_content(KEY, TIE, SECRET)
    for body in (replace(BODY, audience=[CAROL]), replace(BODY, topic=Topic(ALICE, "b"))):
        tie = tie_of(NETWORK, ALICE, body)
        assert refusal_of(decrypt_content, KEY, tie, nonce, ciphertext) == ("bad-seal", "4.28")
        renamed = sha256(KEY + tie)[:24]  # the nonce alone mended
        assert refusal_of(decrypt_content, KEY, tie, renamed, ciphertext) == ("bad-seal", "4.28")


def test_one_ciphertext_has_one_key() -> None:
    nonce, ciphertext = encrypt_content(KEY, TIE, SECRET)
    assert refusal_of(decrypt_content, bytes(32), TIE, nonce, ciphertext)[0] == "bad-seal"
    assert nonce == sha256(KEY + TIE)[:24] != encrypt_content(bytes(32), TIE, SECRET)[0]


def test_a_nonce_that_was_chosen_otherwise_is_refused_though_it_opens() -> None:
    padded = bindings.sodium_pad(pack(SECRET), 240)
    ciphertext = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(padded, TIE, bytes(24), KEY)
    assert refusal_of(decrypt_content, KEY, TIE, bytes(24), ciphertext)[0] == "bad-seal"


def test_every_flipped_bit_is_seen(rng: Random) -> None:
    nonce, ciphertext = encrypt_content(KEY, TIE, SECRET)
    for place in [*rng.sample(range(len(ciphertext) * 8), 200), len(ciphertext) * 8 - 1, 0]:
        broken = bytearray(ciphertext)
        broken[place // 8] ^= 1 << place % 8
        assert refusal_of(decrypt_content, KEY, TIE, nonce, bytes(broken))[0] == "bad-seal"


def test_a_length_tells_a_power_of_two_and_no_more() -> None:
    lengths = {len(encrypt_content(KEY, TIE, content_of(None, "x" * size))[1]) for size in range(1, 4097, 7)}
    assert lengths == {256, 512, 1024, 2048, 4096, 8192}
    full = Content(1, "\U0001f514" * 256, "\U0001f514" * 4096, None, None)
    assert len(encrypt_content(KEY, TIE, full)[1]) == ciphertext_bytes(full) == 32768


def test_the_longest_content_fits() -> None:
    url = "https://" + "\U0001f514" * 2040
    everything = content_of("\U0001f514" * 256, "\U0001f514" * 4096, url, [Action("\U0001f514" * 64, url)] * 3)
    nonce, ciphertext = encrypt_content(KEY, TIE, everything)
    assert len(ciphertext) == 65536
    assert decrypt_content(KEY, TIE, nonce, ciphertext) == everything


@pytest.mark.parametrize(
    "content",
    [
        (None, None, None, None),
        ("x" * 257, None, None, None),
        (None, "x" * 4097, None, None),
        ("line\nbreak", None, None, None),
        ("\u202eturned", None, None, None),
        ("t", None, "javascript:alert(1)", None),
        ("t", None, None, [Action("a", "https://a")] * 4),
        ("t", None, None, [Action("a\u0000", "https://a")]),
    ],
)
def test_content_keeps_to_the_rules_of_what_is_said_in_the_open(content: tuple[object, ...]) -> None:
    with pytest.raises(Refusal):
        content_of(*content)  # type: ignore[arg-type]  # that is the test
    nonce, ciphertext = encrypt_content(KEY, TIE, Content(1, *content))  # type: ignore[arg-type]  # a hostile sender's
    assert refusal_of(decrypt_content, KEY, TIE, nonce, ciphertext)[0] == "bad-seal"


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"\xc1",
        pack([2, "t", None, None, None]),
        pack([1, "t", None, None]),
        pack([1, "t", None, None, None]) + b"\x00",
        b"\xdc\x00\x05" + pack([1, "t", None, None, None])[1:],
    ],
)
def test_what_is_sealed_by_other_rules_is_a_bad_seal(plain: bytes) -> None:
    nonce = sha256(KEY + TIE)[:24]
    padded = bindings.sodium_pad(plain, 240)
    ciphertext = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(padded, TIE, nonce, KEY)
    assert refusal_of(decrypt_content, KEY, TIE, nonce, ciphertext)[0] == "bad-seal"


def test_without_padding_or_with_another_it_is_a_bad_seal() -> None:
    nonce, plain = sha256(KEY + TIE)[:24], pack(SECRET)
    for padded in (plain, plain.ljust(240, b"\x00"), bindings.sodium_pad(plain, 300 - 16), bytes(240)):
        ciphertext = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(padded, TIE, nonce, KEY)
        assert refusal_of(decrypt_content, KEY, TIE, nonce, ciphertext)[0] == "bad-seal"
