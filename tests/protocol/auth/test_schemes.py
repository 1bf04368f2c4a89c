import msgspec
import pytest

from pushmesh_protocol.accounts import contract_account, evm_account, solana_account
from pushmesh_protocol.auth.schemes import (
    SCHEME_NAMES,
    Auth,
    Eip191,
    Eip712,
    Erc1271,
    Erc6492,
    Scheme,
    Session,
    Solana,
    check_login_scheme,
    check_scheme,
    scheme_of,
)
from pushmesh_protocol.auth.statement import BATCH_KINDS
from pushmesh_protocol.codec import Codec, pack
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.types import Account
from support.refusals import refusal_of

AUTHS: dict[Scheme, Auth] = {
    Scheme.EIP712: Eip712(1, bytes(65), None),
    Scheme.EIP191: Eip191(bytes(65), None),
    Scheme.SESSION: Session(bytes(32), bytes(32), bytes(64), None),
    Scheme.SOLANA: Solana(bytes(64), None),
    Scheme.ERC1271: Erc1271(b"x", None),
    Scheme.ERC6492: Erc6492(b"x", None),
}
ACCOUNTS = {
    "key": evm_account(bytes(20)),
    "contract": contract_account(1, bytes(20)),
    "solana": solana_account(bytes(32)),
}
OWN = {
    "key": {Scheme.EIP712, Scheme.EIP191},
    "contract": {Scheme.ERC1271, Scheme.ERC6492},
    "solana": {Scheme.SOLANA},
}
CONTRACT_KINDS = {Kind.TOPIC, Kind.GRANT, Kind.REVOCATION, Kind.SUBSCRIPTION}
CODEC: Codec[Auth] = Codec(Auth)


def allowed(account: Account, kind: Kind, auth: Auth) -> bool:
    try:
        check_scheme(account, kind, auth)
    except Refusal as refusal:
        assert (refusal.reason, refusal.rule) == ("scheme-not-allowed", "5.2")
        return False
    return True


@pytest.mark.parametrize("who", ACCOUNTS)
@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("scheme", list(Scheme))
def test_who_may_sign_what_is_the_table_of_the_specification(who: str, kind: Kind, scheme: Scheme) -> None:
    own = OWN[who] if who != "contract" or kind in CONTRACT_KINDS else set()
    session = {Scheme.SESSION} if kind != Kind.GRANT else set()
    assert allowed(ACCOUNTS[who], kind, AUTHS[scheme]) is (scheme in own | session)


@pytest.mark.parametrize("kind", sorted(BATCH_KINDS))
@pytest.mark.parametrize("scheme", list(Scheme))
def test_of_a_contract_a_batch_takes_only_session(kind: Kind, scheme: Scheme) -> None:
    assert allowed(ACCOUNTS["contract"], kind, AUTHS[scheme]) is (scheme is Scheme.SESSION)


@pytest.mark.parametrize("who", ACCOUNTS)
@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_login_takes_the_accounts_own_schemes_and_session(who: str, scheme: Scheme) -> None:
    if scheme in OWN[who] | {Scheme.SESSION}:
        check_login_scheme(ACCOUNTS[who], AUTHS[scheme])
    else:
        assert refusal_of(check_login_scheme, ACCOUNTS[who], AUTHS[scheme]) == ("scheme-not-allowed", "11.1")


def test_every_scheme_has_its_number_and_name() -> None:
    assert {scheme_of(auth) for auth in AUTHS.values()} == set(Scheme) == set(SCHEME_NAMES)
    for scheme, auth in AUTHS.items():
        assert scheme_of(auth) is scheme
        assert msgspec.msgpack.decode(pack(auth))[0] == scheme
        assert CODEC.decode(pack(auth)) == auth


@pytest.mark.parametrize(
    "form",
    [
        [1, 0, bytes(65), None],
        [1, 2**53, bytes(65), None],
        [1, 1, bytes(64), None],
        [1, 1, bytes(65)],
        [2, bytes(66), None],
        [2, bytes(65), -1],
        [2, bytes(65), None, None],
        [3, bytes(32), bytes(31), bytes(64), None],
        [4, bytes(65), None],
        [5, b"", None],
        [6, "text", None],
        [7, bytes(65), None],
        [],
    ],
)
def test_other_layouts_do_not_decode(form: list[object]) -> None:
    assert refusal_of(CODEC.decode, pack(form)) == ("malformed", "3.1")


def test_work_nonce_runs_to_the_largest_integer() -> None:
    auth = Eip191(bytes(65), 2**64 - 1)
    assert CODEC.decode(pack(auth)) == auth
