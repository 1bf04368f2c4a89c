import pytest
from nacl.exceptions import ValueError as SizeError

from pushmesh_protocol.auth.ed25519 import public_key, sign, verify
from support.edwards import BASE, NEUTRAL, SMALL_ORDER, L, P, add, challenge, encode, multiply, sign_with

MESSAGE = b"m" * 32
SECRET, NONCE = 0x1234567890ABCDEF, 777
KEY, R = encode(multiply(SECRET, BASE)), encode(multiply(NONCE, BASE))
GOOD = sign_with(SECRET, KEY, R, NONCE, MESSAGE)


def test_vectors_of_rfc_8032_hold() -> None:
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert public_key(seed) == key
    assert sign(seed, b"\x72") == signature
    assert verify(key, b"\x72", signature)


def test_signature_made_by_hand_holds() -> None:
    assert verify(KEY, MESSAGE, GOOD)


def test_any_changed_bit_of_signature_key_or_message_is_refused() -> None:
    for bit in range(0, 512, 5):
        changed = bytearray(GOOD)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify(KEY, MESSAGE, bytes(changed))
    for bit in range(0, 256, 5):
        changed = bytearray(KEY)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify(bytes(changed), MESSAGE, GOOD)
    assert not verify(KEY, MESSAGE + b"x", GOOD)


def test_s_plus_the_group_order_is_refused_though_the_equation_holds() -> None:
    s = int.from_bytes(GOOD[32:], "little")
    assert s < L
    assert not verify(KEY, MESSAGE, GOOD[:32] + (s + L).to_bytes(32, "little"))


def test_key_of_small_order_is_refused_though_the_equation_holds() -> None:
    assert len(set(SMALL_ORDER)) == 8
    for point in SMALL_ORDER:
        key = encode(point)
        held = 0
        for nonce in range(1, 60):
            r = encode(multiply(nonce, BASE))
            held += multiply(challenge(r, key, MESSAGE), point) == NEUTRAL
            assert not verify(key, MESSAGE, r + nonce.to_bytes(32, "little"))
        assert held, "some of these signatures must satisfy the equation, or the test shows nothing"


def test_key_of_small_order_in_another_encoding_is_refused() -> None:
    not_canonical = (1 + P).to_bytes(32, "little")  # the neutral element with y not reduced
    assert not verify(not_canonical, MESSAGE, R + NONCE.to_bytes(32, "little"))


def test_r_of_small_order_is_refused_though_the_equation_holds() -> None:
    r = encode(NEUTRAL)
    s = challenge(r, KEY, MESSAGE) * SECRET % L
    assert not verify(KEY, MESSAGE, r + s.to_bytes(32, "little"))
    for point in SMALL_ORDER:
        r = encode(point)
        s = challenge(r, KEY, MESSAGE) * SECRET % L
        assert not verify(KEY, MESSAGE, r + s.to_bytes(32, "little"))


def test_r_with_a_small_part_is_refused_since_the_equation_has_no_cofactor() -> None:
    for point in SMALL_ORDER:
        r = encode(add(multiply(NONCE, BASE), point))
        holds = point == NEUTRAL
        assert verify(KEY, MESSAGE, sign_with(SECRET, KEY, r, NONCE, MESSAGE)) is holds


def test_key_with_a_small_part_verifies_exactly_where_the_equation_without_cofactor_holds() -> None:
    answers = set()
    for point in SMALL_ORDER[1:]:
        key = encode(add(multiply(SECRET, BASE), point))
        for nonce in range(1, 12):
            r = encode(multiply(nonce, BASE))
            holds = multiply(challenge(r, key, MESSAGE), point) == NEUTRAL
            assert verify(key, MESSAGE, sign_with(SECRET, key, r, nonce, MESSAGE)) is holds
            answers.add(holds)
    assert answers == {True, False}


@pytest.mark.parametrize(("key", "signature"), [(KEY[:31], GOOD), (KEY + b"x", GOOD), (KEY, GOOD[:63]), (KEY, b"")])
def test_other_sizes_are_refused_without_a_look(key: bytes, signature: bytes) -> None:
    assert not verify(key, MESSAGE, signature)


def test_seed_of_another_size_is_an_error() -> None:
    with pytest.raises(SizeError):
        sign(b"short", MESSAGE)
