"""What the ledger keeps, as data."""

from dataclasses import dataclass

from pushmesh_protocol.types import Account, Epoch


@dataclass(frozen=True, slots=True)
class VoucherRecord:
    """The newest voucher of a stream. `data` is its canonical bytes.

    `equivocation`: the bytes of another one with its sequence and other totals; then neither counts (SPEC 10.2)."""

    epoch: Epoch
    account: Account
    key: bytes
    stream: bytes
    sequence: int
    count: int
    units: int
    data: bytes
    equivocation: bytes | None


@dataclass(frozen=True, slots=True)
class Total:
    """What one wallet signed for in one epoch: messages and units over its streams without equivocation."""

    streams: int
    count: int
    units: int
    equivocations: int
