"""`pushmesh bench verify`: this protocol's EIP-712 verification against eth-account's, interleaved in one run.

Both sides are given the same signed notifications and must come to the same digest and the same address.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pushmesh_client.compose import Draft, notification_of, signed_envelope
from pushmesh_client.wallet import Wallet, new_wallet
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.eip712 import envelope_digest, envelope_typed_data
from pushmesh_protocol.auth.schemes import Eip712
from pushmesh_protocol.auth.secp256k1 import recover_account
from pushmesh_protocol.auth.verify import envelope_claim, verify_one
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.kinds import Kind
from pushmesh_protocol.network import Network

from .errors import LabError
from .networks import shipped_network
from .statistics import median

NOTIFICATIONS = 40
"""Different ones, of different wallets: no side may live on its caches."""
ISSUED_AT_MS = 1_790_000_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """One signed notification, and what eth-account is given for it."""

    envelope: Envelope
    typed_data: dict[str, Any]
    signature: bytes


def measure_verify(rounds: int) -> dict[str, float]:
    """`{"ours_us", "eth_account_us", "speedup"}`: medians over `rounds` slices of each side. Raises LabError without
    eth-account."""
    try:
        from eth_account import Account
        from eth_account.messages import encode_typed_data
    except ImportError as error:
        raise LabError("eth-account is not installed here; it is a development dependency: `make venv-dev`") from error
    network = shipped_network("bench")
    cases = [_case(network, number) for number in range(NOTIFICATIONS)]

    def ours(case: Case) -> bytes:
        envelope = case.envelope
        claim = envelope_claim(envelope.author, envelope.kind, envelope.auth, envelope.body, envelope.id)
        refusal = verify_one(network, claim)
        if refusal is not None:
            raise LabError(f"a signature that this run made does not verify: {refusal}")
        return envelope.author[1:]

    def eth_account(case: Case) -> bytes:
        address: str = Account.recover_message(
            encode_typed_data(full_message=case.typed_data), signature=case.signature
        )
        return bytes.fromhex(address.removeprefix("0x"))

    for case in cases:
        _check_agreement(network, case, encode_typed_data(full_message=case.typed_data), ours(case), eth_account(case))
    ours_us, eth_account_us = _interleave(cases, ours, eth_account, rounds)
    return {"ours_us": ours_us, "eth_account_us": eth_account_us, "speedup": eth_account_us / ours_us}


def _case(network: Network, number: int) -> Case:
    wallet: Wallet = new_wallet()
    draft = Draft(
        title=f"Price of {number}", body=f"It moved by {number} per cent.", url=f"https://dex.example/{number}"
    )
    topic = Topic(wallet.account, "prices")
    body = notification_of(draft, topic, ISSUED_AT_MS + 997 * number, number)
    envelope = signed_envelope(network, wallet.key, wallet.account, Kind.NOTIFICATION, body)
    auth = envelope.auth
    assert isinstance(auth, Eip712)  # a wallet key signs typed data
    typed_data = envelope_typed_data(network, auth.chain_id, envelope.kind, envelope.body, envelope.id)
    return Case(envelope, typed_data, auth.signature)


def _check_agreement(network: Network, case: Case, signable: Any, ours: bytes, theirs: bytes) -> None:
    """Raises LabError where the two sides differ in the digest or in the address."""
    from eth_utils.crypto import keccak

    envelope = case.envelope
    digest = envelope_digest(network, None, envelope.kind, envelope.body, envelope.id)
    if keccak(b"\x19" + signable.version + signable.header + signable.body) != digest:
        raise LabError("eth-account computes another digest for the same typed data")
    if not ours == theirs == recover_account(digest, case.signature)[1:]:
        raise LabError("eth-account recovers another address from the same signature")


def _interleave(
    cases: Sequence[Case], ours: Callable[[Case], bytes], theirs: Callable[[Case], bytes], rounds: int
) -> tuple[float, float]:
    slices: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for side, times in zip((ours, theirs), slices, strict=True):
            started_ns = time.perf_counter_ns()
            for case in cases:
                side(case)
            times.append((time.perf_counter_ns() - started_ns) / 1000 / len(cases))
    return median(slices[0]), median(slices[1])
