from random import Random

import pytest
from eth_account import Account as EthAccount

from pushmesh_protocol.accounts import evm_account
from pushmesh_protocol.auth.secp256k1 import account_of_secret, recover_account, sign
from pushmesh_protocol.errors import Refusal
from support.refusals import refusal_of

SECRET = b"\x46" * 32
DIGEST = b"\x11" * 32
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
GOOD = sign(SECRET, DIGEST)
BAD = ("bad-signature", "5.7")


def made_of(r: int, s: int, v: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((v,))


R, S, V = int.from_bytes(GOOD[:32], "big"), int.from_bytes(GOOD[32:64], "big"), GOOD[64]


def test_signer_is_recovered_and_is_the_one_eth_account_knows(rng: Random) -> None:
    for _ in range(100):
        secret, digest = rng.randbytes(32), rng.randbytes(32)
        account = evm_account(bytes.fromhex(EthAccount.from_key(secret).address[2:]))
        assert account_of_secret(secret) == account
        assert recover_account(digest, sign(secret, digest)) == account


def test_own_signatures_equal_those_of_eth_account(rng: Random) -> None:
    for _ in range(50):
        secret, digest = rng.randbytes(32), rng.randbytes(32)
        assert sign(secret, digest) == bytes(EthAccount.unsafe_sign_hash(digest, secret).signature)


def test_own_signatures_have_low_s_and_an_ethereum_v(rng: Random) -> None:
    seen = set()
    for _ in range(100):
        signature = sign(SECRET, rng.randbytes(32))
        assert int.from_bytes(signature[32:64], "big") <= N // 2
        seen.add(signature[64])
    assert seen == {27, 28}


def test_high_twin_of_a_signature_is_refused_though_its_key_is_the_same() -> None:
    twin = made_of(R, N - S, 55 - V)
    assert EthAccount._recover_hash(DIGEST, signature=twin) == EthAccount.from_key(SECRET).address
    assert refusal_of(recover_account, DIGEST, twin) == BAD


@pytest.mark.parametrize("v", [0, 1, 2, 3, 26, 29, 35, 36, 37, 38, 255])
def test_any_other_v_is_refused(v: int) -> None:
    assert refusal_of(recover_account, DIGEST, made_of(R, S, v)) == BAD


@pytest.mark.parametrize(
    ("r", "s"), [(0, S), (N, S), (N + 1, S), (2**256 - 1, S), (R, 0), (R, N // 2 + 1), (R, N - 1), (R, N), (R, N + 1)]
)
def test_r_or_s_out_of_range_is_refused(r: int, s: int) -> None:
    assert refusal_of(recover_account, DIGEST, made_of(r, s, V)) == BAD


def test_s_of_exactly_half_the_order_is_in_range() -> None:
    assert recover_account(DIGEST, made_of(R, N // 2, V)) != account_of_secret(SECRET)


def test_r_that_is_no_point_is_refused() -> None:
    answers = set()
    for r in range(1, 40):
        try:
            recover_account(DIGEST, made_of(r, S, 27))
            answers.add("recovered")
        except Refusal as error:
            answers.add(str(error))
    assert answers == {"recovered", "bad-signature: no key made this signature (SPEC 5.7)"}


@pytest.mark.parametrize("size", [0, 64, 66])
def test_other_sizes_are_refused(size: int) -> None:
    assert refusal_of(recover_account, DIGEST, (GOOD + b"\0")[:size]) == BAD


def test_other_digest_gives_another_account() -> None:
    assert recover_account(b"\x12" * 32, GOOD) != account_of_secret(SECRET)


@pytest.mark.parametrize("secret", [bytes(32), N.to_bytes(32, "big")])
def test_secret_that_is_no_key_is_an_error(secret: bytes) -> None:
    with pytest.raises(ValueError):
        sign(secret, DIGEST)
