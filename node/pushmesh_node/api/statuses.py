"""The one table from reasons to HTTP statuses. Nothing else in this room knows a status but 200."""

from collections.abc import Sequence
from math import ceil

from pushmesh_protocol.reasons import REJECTS, Reason

from ..engine.answers import Level, Outcome

OK, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT = 200, 400, 401, 403, 404, 409
TOO_LARGE, UNPROCESSABLE, TOO_MANY, INTERNAL, UNAVAILABLE = 413, 422, 429, 500, 503
CLIENT_GONE = 499
"""Nobody reads it; requests whose client left are counted under it."""

DEFAULT_RETRY_AFTER_S = 1

_STATUSES: dict[Reason, int] = {
    **dict.fromkeys(REJECTS, BAD_REQUEST),
    Reason.OVERSIZE: TOO_LARGE,
    Reason.OK: OK,
    Reason.DUPLICATE: OK,  # it is here already: what the publisher wanted
    Reason.BAD_REQUEST: BAD_REQUEST,
    Reason.BAD_CURSOR: BAD_REQUEST,
    Reason.BAD_VOUCHER: BAD_REQUEST,
    Reason.LOGIN_REQUIRED: UNAUTHORIZED,
    Reason.BAD_LOGIN: UNAUTHORIZED,
    Reason.BAD_TOKEN: UNAUTHORIZED,
    Reason.FORBIDDEN: FORBIDDEN,
    Reason.DENIED_BY_OPERATOR: FORBIDDEN,
    Reason.NOT_FOUND: NOT_FOUND,
    Reason.VOUCHER_STALE: CONFLICT,
    Reason.VOUCHER_EQUIVOCATION: CONFLICT,
    Reason.THROTTLED: TOO_MANY,
    Reason.RATE_LIMITED: TOO_MANY,
    Reason.TOO_MANY_CONNECTIONS: TOO_MANY,
    Reason.INTERNAL: INTERNAL,
    **dict.fromkeys(
        (
            *(Reason.QUEUE_FULL, Reason.NO_CREDIT, Reason.STORE_FULL, Reason.STORE_FAILED, Reason.CHAIN_UNAVAILABLE),
            *(Reason.NOT_READY, Reason.DRAINING, Reason.TIMEOUT, Reason.SLOW_CONSUMER),
        ),
        UNAVAILABLE,
    ),
}


def status_of(reason: Reason) -> int:
    """The status of a request that is refused for this reason; a rule that time or state decided is 422."""
    return _STATUSES.get(reason, UNPROCESSABLE)


def status_of_outcomes(outcomes: Sequence[Outcome]) -> int:
    """200 where anything was taken or was here already, else the status of the first reason."""
    statuses = [OK if outcome.level is not Level.REFUSED else status_of(outcome.reason) for outcome in outcomes]
    return OK if OK in statuses or not statuses else statuses[0]


def retry_headers(status: int, retry_after_s: float | None) -> dict[str, str]:
    """When to come back, for the statuses that pass by themselves; whole seconds, at least 1."""
    if status not in (TOO_MANY, UNAVAILABLE):
        return {}
    return {"Retry-After": str(max(1, ceil(retry_after_s or DEFAULT_RETRY_AFTER_S)))}
