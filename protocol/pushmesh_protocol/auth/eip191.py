"""The readable texts of EIP-191 signatures (SPEC 5.6), for wallets that do not do typed data."""

from collections.abc import Sequence

from ..hashing import keccak256
from ..kinds.registry import AnyBody
from ..login import LogInWords
from ..network import Network
from .members import (
    BATCH,
    ENVELOPE_TYPES,
    LOGIN,
    PrimaryType,
    Value,
    batch_members,
    envelope_members,
    login_members,
)
from .statement import Batch

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def envelope_text(network: Network, kind: int, body: AnyBody, envelope_id: bytes) -> str:
    """The text that a wallet shows and signs for an envelope; the body must have passed `check_body`."""
    return _text(ENVELOPE_TYPES[kind], envelope_members(network, kind, body, envelope_id))


def batch_text(network: Network, batch: Batch) -> str:
    """The text for a batch statement."""
    return _text(BATCH, batch_members(network, batch))


def login_text(network: Network, words: LogInWords) -> str:
    """The text for a log-in."""
    return _text(LOGIN, login_members(network, words))


def personal_digest(text: str) -> bytes:
    """The 32 bytes that `personal_sign` signs for a text; the length in the prefix counts UTF-8 bytes."""
    data = text.encode()
    return keccak256(b"\x19Ethereum Signed Message:\n%d%b" % (len(data), data))


def _text(primary: PrimaryType, values: Sequence[Value]) -> str:
    lines = [f"pushmesh 1 {primary.name}"]
    for (kind, name), value in zip(primary.members, values, strict=True):
        lines.append(f"{name}: {_show(kind, value)}")
    return "\n".join(lines)


def _show(kind: str, value: Value) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, str):
        if value.isprintable() and "\\" not in value:  # the common case, at a fifth of the cost
            return value
        return value.translate(_ESCAPES)
    return ("true" if value else "false") if kind == "bool" else str(value)
