"""The half of the relay verdict that needs a clock or parameters (SPEC 6.3, 6.4, 7.2-7.4): at most IGNORE."""

from .envelope import Envelope
from .errors import Refusal
from .limits import MAX_AHEAD_MS, MAX_EPOCHS_OLD
from .network import Network
from .reasons import Reason
from .timestamps import timestamp_of
from .work import required_bits, work_bits


def check_clock(network: Network, envelope: Envelope, now_ms: int, *, by_sync: bool = False) -> None:
    """Raise Refusal `expired`, `too-old` or `ahead-of-time`; what comes by sync may be old (SPEC 9.10)."""
    body = envelope.body
    # [IGNORE] it has expired (SPEC 7.2); by sync a grant is wanted as long as what it let sign (SPEC 9.2)
    if body.expires_at <= now_ms and not (by_sync and timestamp_of(network, envelope) > now_ms):
        raise Refusal(Reason.EXPIRED, "7.2", "it has expired")
    # [IGNORE] it is more than one epoch old (SPEC 7.3)
    if not by_sync and network.epoch(now_ms) > network.epoch(body.issued_at) + MAX_EPOCHS_OLD:
        raise Refusal(Reason.TOO_OLD, "7.3", "it was issued more than one epoch ago")
    # [IGNORE] it comes from the future (SPEC 7.4)
    if body.issued_at > now_ms + MAX_AHEAD_MS:
        raise Refusal(Reason.AHEAD_OF_TIME, "7.4", "it is issued more than 60 s ahead")


def clock_window(network: Network, envelope: Envelope) -> tuple[int, int]:
    """From when and until when (milliseconds, the end excluded) `check_clock` lets what is gossiped pass; maybe
    empty."""
    body = envelope.body
    too_old_ms = network.epoch_start(network.epoch(body.issued_at) + MAX_EPOCHS_OLD + 1)
    return body.issued_at - MAX_AHEAD_MS, min(body.expires_at, too_old_ms)


def allowance_asked(network: Network, envelope: Envelope) -> int:
    """The least allowance with which the envelope's slots, or its batch's, need no work (SPEC 6.4)."""
    statement = envelope.statement
    first = envelope.body.seq if statement is None else statement.first_seq
    covered = envelope.cost if statement is None else statement.count
    return 2 * (first % network.wallet_range + covered)


def check_slot(network: Network, envelope: Envelope, allowance: int) -> None:
    """Raise Refusal unless the envelope is within `allowance` slots or carries the work it needs, and no needless
    work (SPEC 6.3, 6.4)."""
    nonce = envelope.auth.work
    if allowance_asked(network, envelope) <= allowance:
        # [IGNORE] work where none is needed (SPEC 6.4)
        if nonce is not None:
            raise Refusal(Reason.WORK_NOT_NEEDED, "6.4", "the slot is within allowance")
        return
    # [IGNORE] neither allowance nor work (SPEC 6.4)
    if nonce is None:
        raise Refusal(
            Reason.OVER_ALLOWANCE, "6.4", f"the slot is past the allowance of {allowance} and carries no work"
        )
    statement = envelope.statement
    subject = bytes(envelope.id) if statement is None else statement.root
    covered = envelope.cost if statement is None else statement.count
    bits = required_bits(network.parameters.difficulty(envelope.kind), covered)
    if work_bits(subject, nonce) < bits:
        raise Refusal(Reason.NOT_ENOUGH_WORK, "6.4", f"the slot needs {bits} bits of work")
