"""The auth of an envelope, a statement or a log-in as data (SPEC 5.1), and who may use what (SPEC 5.2)."""

from enum import IntEnum
from typing import Annotated

import msgspec

from ..accounts import EVM_CONTRACT, EVM_KEY, SOLANA_KEY
from ..errors import Refusal
from ..kinds.fields import Bin32, Bin64, Bin65
from ..kinds.registry import KIND_NAMES, Kind
from ..reasons import Reason


class Scheme(IntEnum):
    """Scheme numbers."""

    EIP712 = 1
    EIP191 = 2
    SESSION = 3
    SOLANA = 4
    ERC1271 = 5
    ERC6492 = 6


SCHEME_NAMES: dict[int, str] = {scheme: scheme.name.lower() for scheme in Scheme}

Work = Annotated[int, msgspec.Meta(ge=0)] | None
"""The nonce of a proof of work, or None where none is carried."""


class Eip712(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """Typed-data signature; `chain_id` is in the domain where it is set."""

    chain_id: Annotated[int, msgspec.Meta(ge=1, lt=2**53)] | None
    signature: Bin65
    work: Work


class Eip191(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2, gc=False):
    """Personal-message signature over a readable text."""

    signature: Bin65
    work: Work


class Session(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3, gc=False):
    """Ed25519 signature of a session key that a grant names."""

    key: Bin32
    grant_id: Bin32
    signature: Bin64
    work: Work


class Solana(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4, gc=False):
    """Ed25519 signature by the account's own key."""

    signature: Bin64
    work: Work


class Erc1271(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5, gc=False):
    """A contract's own signature, checked against its chain."""

    signature: Annotated[bytes, msgspec.Meta(min_length=1)]
    work: Work


class Erc6492(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6, gc=False):
    """The signature of a contract that may not be deployed yet."""

    signature: Annotated[bytes, msgspec.Meta(min_length=1)]
    work: Work


Auth = Eip712 | Eip191 | Session | Solana | Erc1271 | Erc6492

_NUMBERS: dict[type, Scheme] = {
    Eip712: Scheme.EIP712,
    Eip191: Scheme.EIP191,
    Session: Scheme.SESSION,
    Solana: Scheme.SOLANA,
    Erc1271: Scheme.ERC1271,
    Erc6492: Scheme.ERC6492,
}

_CONTRACT_KINDS = frozenset({Kind.TOPIC, Kind.GRANT, Kind.REVOCATION, Kind.SUBSCRIPTION})


def scheme_of(auth: Auth) -> Scheme:
    """The scheme's number."""
    return _NUMBERS[type(auth)]


def check_scheme(author: bytes, kind: int, auth: Auth) -> None:
    """Raise Refusal `scheme-not-allowed` where the author may not sign this kind, or a batch of it, this way.

    A batch needs no rule of its own: a contract itself signs neither of the kinds that batches have.
    """
    if isinstance(auth, Session):
        allowed = kind != Kind.GRANT
    elif isinstance(auth, Eip712 | Eip191):
        allowed = author[0] == EVM_KEY
    elif isinstance(auth, Solana):
        allowed = author[0] == SOLANA_KEY
    else:
        allowed = author[0] == EVM_CONTRACT and kind in _CONTRACT_KINDS
    if not allowed:
        what, how = KIND_NAMES.get(kind, kind), SCHEME_NAMES[scheme_of(auth)]
        raise Refusal(Reason.SCHEME_NOT_ALLOWED, "5.2", f"this author may not sign a {what} with {how}")


def check_login_scheme(account: bytes, auth: Auth) -> None:
    """Raise Refusal `scheme-not-allowed` unless it is a scheme of this account's own or a session (SPEC 11.1)."""
    if isinstance(auth, Session):
        return
    if isinstance(auth, Eip712 | Eip191):
        owner = EVM_KEY
    else:
        owner = SOLANA_KEY if isinstance(auth, Solana) else EVM_CONTRACT
    if account[0] != owner:
        name = SCHEME_NAMES[scheme_of(auth)]
        raise Refusal(Reason.SCHEME_NOT_ALLOWED, "11.1", f"this account may not log in with {name}")
