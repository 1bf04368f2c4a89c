"""Later parameter sets: numbered statements that enough admins signed (SPEC 1.5), and which of them is in force."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from .accounts import check_account
from .auth.ed25519 import verify
from .codec import Codec, pack
from .errors import Refusal
from .hashing import hash_statement
from .kinds.checks import check_ascending, malformed
from .kinds.fields import Bin32, Bin64
from .network import Network, Parameters
from .reasons import Reason
from .types import Account, Epoch

AHEAD_EPOCHS = 2
MAX_ALLOWANCE = 2**32
MAX_DIFFICULTY = 64

Number = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
EpochNumber = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Slots = Annotated[int, msgspec.Meta(ge=0, le=MAX_ALLOWANCE)]
Bits = Annotated[int, msgspec.Meta(ge=0, le=MAX_DIFFICULTY)]


class ParameterForm(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The layout of SPEC 1.4."""

    number: Number
    first_epoch: EpochNumber
    default_allowance: Slots
    allowances: list[tuple[bytes, Slots]]
    difficulties: list[tuple[Annotated[int, msgspec.Meta(ge=0, lt=256)], Bits]]


class AdminSignature(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One admin's word."""

    key: Bin32
    signature: Bin64


class ParameterSet(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1, gc=False):
    """A set with its signatures, in its wire layout; signatures ascend by key."""

    parameters: ParameterForm
    signatures: Annotated[list[AdminSignature], msgspec.Meta(min_length=1, max_length=64)]


_codec: Codec[ParameterSet] = Codec(ParameterSet)


def set_message(network: Network, parameters: Parameters) -> bytes:
    """The 32 bytes that an admin signs."""
    return hash_statement("parameters-set", network.id, parameters.digest())


def pack_parameter_set(parameters: Parameters, signatures: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a set and its (admin key, signature) pairs."""
    form = ParameterForm(
        parameters.number,
        parameters.first_epoch,
        parameters.default_allowance,
        sorted(parameters.allowances.items()),
        sorted(parameters.difficulties.items()),
    )
    return pack(ParameterSet(form, [AdminSignature(key, signature) for key, signature in sorted(signatures)]))


def read_parameter_set(network: Network, data: bytes, current_epoch: int) -> Parameters:
    """The parameters of a set that may be accepted now.

    Raises Refusal `malformed`, `bad-signature` where too few admins signed, or `too-old` where it begins too soon."""
    signed = _codec.decode(data)
    parameters = _parameters(signed.parameters)
    check_ascending("1.5", "signatures", (one.key for one in signed.signatures))
    message = set_message(network, parameters)
    counted = [
        one for one in signed.signatures if one.key in network.admins and verify(one.key, message, one.signature)
    ]
    # [REJECT] fewer admins than the threshold signed it, or somebody else did (SPEC 1.5)
    if len(counted) < max(1, network.threshold) or len(counted) < len(signed.signatures):
        raise Refusal(Reason.BAD_SIGNATURE, "1.5", f"{len(counted)} of {network.threshold} admins signed it")
    # [IGNORE] it would begin before every node can have heard of it (SPEC 1.5)
    if parameters.first_epoch < current_epoch + AHEAD_EPOCHS:
        raise Refusal(Reason.TOO_OLD, "1.5", f"its first epoch must be at least {AHEAD_EPOCHS} ahead")
    return parameters


def in_force(sets: Iterable[Parameters], epoch: int) -> Parameters | None:
    """The set that judges an epoch: the latest that has begun; of two that begin together the higher number (SPEC
    1.5)."""
    begun = [one for one in sets if one.first_epoch <= epoch]
    return max(begun, key=lambda one: (one.first_epoch, one.number), default=None)


def _parameters(form: ParameterForm) -> Parameters:
    for account, _ in form.allowances:
        check_account("allowance", account)
    check_ascending("1.4", "allowances", (account for account, _ in form.allowances))
    check_ascending("1.4", "difficulties", (kind for kind, _ in form.difficulties))
    if form.number == 0:
        raise malformed("1.5", "set 0 stands in the network file")
    return Parameters(
        form.number,
        Epoch(form.first_epoch),
        form.default_allowance,
        {Account(account): slots for account, slots in form.allowances},
        dict(form.difficulties),
    )
