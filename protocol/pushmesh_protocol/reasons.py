"""The closed list of verdicts and reasons. A reason is also the metric label, the log field and the API answer."""

from enum import IntEnum, StrEnum


class Verdict(IntEnum):
    """What a node tells the mesh about a message (gossipsub v1.1 extended validators)."""

    ACCEPT = 0
    IGNORE = 1
    REJECT = 2


class Reason(StrEnum):
    """Why a message, a request or a delivery got its answer."""

    OK = "ok"

    # A function of bytes and genesis constants: REJECT (SPEC 7.1).
    MALFORMED = "malformed"
    OVERSIZE = "oversize"
    BAD_SIGNATURE = "bad-signature"
    BAD_BATCH_LEAF = "bad-batch-leaf"
    NOT_TOPIC_OWNER = "not-topic-owner"
    SCHEME_NOT_ALLOWED = "scheme-not-allowed"
    LIFE_TOO_LONG = "life-too-long"
    WRONG_SHARD = "wrong-shard"
    PRIVATE_KIND = "private-kind"
    UNREFERENCED = "unreferenced"
    REPEATED = "repeated"

    # Needs state or a clock: IGNORE.
    EXPIRED = "expired"
    TOO_OLD = "too-old"
    AHEAD_OF_TIME = "ahead-of-time"
    UNKNOWN_KIND = "unknown-kind"
    UNKNOWN_SCHEME = "unknown-scheme"
    UNKNOWN_GRANT = "unknown-grant"
    GRANT_REVOKED = "grant-revoked"
    OUT_OF_SCOPE = "out-of-scope"
    OVER_ALLOWANCE = "over-allowance"
    NOT_ENOUGH_WORK = "not-enough-work"
    WORK_NOT_NEEDED = "work-not-needed"
    CHAIN_UNAVAILABLE = "chain-unavailable"
    DUPLICATE = "duplicate"
    SURPLUS = "surplus"
    STALE_FRAME = "stale-frame"
    THROTTLED = "throttled"
    QUEUE_FULL = "queue-full"
    NO_CREDIT = "no-credit"
    STORE_FULL = "store-full"
    STORE_FAILED = "store-failed"

    # Delivery: local curation, never a relay verdict.
    NOT_SUBSCRIBED = "not-subscribed"
    NOT_IN_AUDIENCE = "not-in-audience"
    DENIED_BY_OPERATOR = "denied-by-operator"
    MUTED_BY_OPERATOR = "muted-by-operator"
    NOT_ALLOWED_BY_OPERATOR = "not-allowed-by-operator"
    DENIED_BY_WALLET = "denied-by-wallet"
    MUTED_BY_WALLET = "muted-by-wallet"
    ALLOWED_BY_WALLET = "allowed-by-wallet"
    SUBSCRIBED = "subscribed"
    SLOT_VOID = "slot-void"
    RETRACTED = "retracted"
    CANCELLED = "cancelled"
    REPLACED = "replaced"
    NOT_YET = "not-yet"
    LATE = "late"
    LOW_PRIORITY = "low-priority"
    BELOW_MINIMUM = "below-min-priority"
    CATEGORY_OFF = "category-off"
    SLOW_CONSUMER = "slow-consumer"

    # Edges: log-in, tokens, vouchers, requests.
    LOGIN_REQUIRED = "login-required"
    BAD_LOGIN = "bad-login"
    BAD_TOKEN = "bad-token"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    BAD_REQUEST = "bad-request"
    BAD_CURSOR = "bad-cursor"
    RATE_LIMITED = "rate-limited"
    TOO_MANY_CONNECTIONS = "too-many-connections"
    NOT_READY = "not-ready"
    DRAINING = "draining"
    TIMEOUT = "timeout"
    INTERNAL = "internal"

    # Sync: why a session with a peer ended.
    POISONED = "poisoned"
    OTHER_NETWORK = "other-network"
    PEER_REFUSED = "peer-refused"
    UNKNOWN_ITEM = "unknown-item"
    TOO_OFTEN = "too-often"

    BAD_VOUCHER = "bad-voucher"
    VOUCHER_STALE = "voucher-stale"
    VOUCHER_EPOCH = "voucher-epoch"
    VOUCHER_EQUIVOCATION = "voucher-equivocation"

    # Receipts and what peers and wallets say after them (SPEC section 12).
    BAD_RECEIPT = "bad-receipt"
    BAD_HOLD = "bad-hold"
    BAD_OUTCOME = "bad-outcome"
    BAD_ACKNOWLEDGEMENT = "bad-acknowledgement"

    # Sealed content (SPEC 4.26-4.28), told by SDKs.
    NO_SEAL_KEY = "no-seal-key"
    BAD_SEAL = "bad-seal"


REJECTS = frozenset(
    {
        Reason.MALFORMED,
        Reason.OVERSIZE,
        Reason.BAD_SIGNATURE,
        Reason.BAD_BATCH_LEAF,
        Reason.NOT_TOPIC_OWNER,
        Reason.SCHEME_NOT_ALLOWED,
        Reason.LIFE_TOO_LONG,
        Reason.WRONG_SHARD,
        Reason.PRIVATE_KIND,
        Reason.UNREFERENCED,
        Reason.REPEATED,
    }
)
"""The reasons that are the same on every honest node."""


def verdict_of(reason: Reason) -> Verdict:
    """The one relay verdict that goes with a reason (SPEC 7.1)."""
    if reason is Reason.OK:
        return Verdict.ACCEPT
    return Verdict.REJECT if reason in REJECTS else Verdict.IGNORE
