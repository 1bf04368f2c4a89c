"""The stateless half of the relay verdict: what bytes and genesis constants alone decide (SPEC 7.1)."""

from .accounts import EVM_CONTRACT, check_account
from .auth.schemes import Auth, Session, check_scheme
from .auth.statement import Statement
from .envelope import Envelope
from .errors import Refusal
from .kinds.registry import PRIVATE_KINDS, AnyBody, Kind, check_body, decode_body
from .kinds.revocation import Revocation
from .limits import DAY_MS
from .network import Network
from .reasons import Reason
from .types import Account

CONTRACT_GRANT_LIFE_MS = 7 * DAY_MS


def check_item(
    network: Network, kind: int, author: bytes, body_bytes: bytes, auth: Auth, *, private: bool = False
) -> Envelope:
    """An envelope with its own auth, checked up to its signature. Raises Refusal with the rule that it breaks.

    `private` is the logged-in connection on which private kinds, and only they, are allowed."""
    # [REJECT] a private kind in a frame (SPEC 4.5)
    if (kind in PRIVATE_KINDS) != private:
        raise Refusal(Reason.PRIVATE_KIND, "4.5", "private kinds are posted to one node, the others are gossiped")
    check_account("author", author)
    body = check_content(network, kind, author, body_bytes)
    # [REJECT] a scheme that this author may not use (SPEC 5.2)
    check_scheme(author, kind, auth)
    cost = 0 if private else network.slot_cost(kind, author, body_bytes)
    _check_range(network, body, auth, cost, private)
    if type(auth) is Session and type(body) is Revocation:
        _check_self_revocation(body, auth)
    envelope_id = network.hash_envelope(kind.to_bytes(1, "big"), author, body_bytes)
    return Envelope(envelope_id, kind, Account(author), body, body_bytes, auth, cost)


def check_leaf(network: Network, statement: Statement, index: int, body_bytes: bytes) -> Envelope:
    """Leaf `index` of a batch, checked up to the root and the statement's signature (SPEC 5.11). Raises Refusal."""
    if len(body_bytes) > network.limits.leaf_bytes:
        raise _bad_leaf("the leaf's body is larger than a leaf may be")
    author, kind = Account(statement.author), statement.kind
    body = check_content(network, kind, author, body_bytes)
    if body.topic != statement.topic:
        raise _bad_leaf("the leaf's topic is not the statement's")
    if body.seq != statement.first_seq + index:
        raise _bad_leaf("the leaf's seq is not first seq + index")
    if body.expires_at > statement.expires_at:
        raise _bad_leaf("the leaf outlives its statement")
    if network.epoch(body.issued_at) != statement.epoch:
        raise _bad_leaf("the leaf lies in another epoch")
    envelope_id = network.hash_envelope(kind.to_bytes(1, "big"), author, body_bytes)
    return Envelope(envelope_id, kind, author, body, body_bytes, statement.auth, 1, statement, index)


def _bad_leaf(detail: str) -> Refusal:
    return Refusal(Reason.BAD_BATCH_LEAF, "5.11", detail)


def check_content(network: Network, kind: int, author: bytes, body_bytes: bytes) -> AnyBody:
    """The body, checked for itself, whatever it is signed with. Raises Refusal."""
    body = decode_body(kind, body_bytes)
    check_body(kind, Account(author), body, network.wallet_range)
    if body.issued_at < network.epoch_origin_ms:
        raise Refusal(Reason.MALFORMED, "1.6", "issued-at lies before the network's origin")
    # [REJECT] a life longer than its kind may have (SPEC 4.4)
    longest = network.longest_life_ms(kind)
    if author[0] == EVM_CONTRACT and kind == Kind.GRANT:
        longest = min(longest, CONTRACT_GRANT_LIFE_MS)
    if body.expires_at - body.issued_at > longest:
        raise Refusal(Reason.LIFE_TOO_LONG, "4.4", f"it lives longer than {longest} ms")
    return body


def _check_range(network: Network, body: AnyBody, auth: Auth, cost: int, private: bool) -> None:
    if private:
        if body.seq != 0 or auth.work is not None:
            raise Refusal(Reason.MALFORMED, "6.1", "a private envelope has seq 0 and no work")
        return
    low, high = (network.wallet_range, 2**32) if type(auth) is Session else (0, network.wallet_range)
    if not low <= body.seq < high:
        raise Refusal(Reason.MALFORMED, "6.1", "the seq is in the range of another kind of key")
    if body.seq + cost > high:
        raise Refusal(Reason.MALFORMED, "6.2", "the slots reach out of their range")


def _check_self_revocation(body: Revocation, auth: Session) -> None:
    # [REJECT] a session key that revokes anything but itself, now (SPEC 4.12)
    if body.grant_id != auth.grant_id or (body.cut_time, body.cut_seq) != (body.issued_at, body.seq):
        raise Refusal(Reason.SCHEME_NOT_ALLOWED, "4.12", "a session key revokes its own grant with its own cut only")
