"""The one place where signatures of envelopes, batch statements and log-ins are checked: lists in, refusals out.

Pure and made for threads: the elliptic-curve work releases the interpreter lock. Never judges authority: whether a
session key's grant holds is the engine's matter, whether a contract agrees is its chain's.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..errors import Refusal
from ..kinds.node_binding import NodeBinding
from ..kinds.registry import AnyBody, Kind
from ..login import LogIn, LogInWords, login_hash
from ..network import Network
from ..reasons import Reason
from ..types import Account
from .binding import node_binding_message, session_message, solana_message
from .ed25519 import verify
from .eip191 import batch_text, envelope_text, login_text, personal_digest
from .eip712 import batch_digest, envelope_digest, login_digest
from .schemes import Auth, Eip191, Eip712, Erc1271, Erc6492, Session, Solana, check_login_scheme, check_scheme
from .secp256k1 import recover_account
from .statement import Batch, Statement, batch_id

_LOGIN = -1


class Claim(msgspec.Struct, frozen=True, gc=False):
    """That `author` signed `content` with `auth`. Made by the three functions below.

    `subject` is what Ed25519 forms bind: the envelope id, the batch id (empty where the auth is another form) or the
    log-in's hash.
    """

    author: Account
    kind: int
    auth: Auth
    subject: bytes
    content: AnyBody | Batch | LogInWords


def envelope_claim(author: Account, kind: int, auth: Auth, body: AnyBody, envelope_id: bytes) -> Claim:
    """The claim of an envelope whose body passed `check_body`."""
    return Claim(author, kind, auth, envelope_id, body)


def statement_claim(network: Network, statement: Statement) -> Claim:
    """The claim of a statement that passed `check_statement`."""
    subject = batch_id(network, statement) if isinstance(statement.auth, Session | Solana) else b""
    return Claim(statement.author, statement.kind, statement.auth, subject, statement)


def login_claim(network: Network, login: LogIn) -> Claim:
    """The claim of a log-in that passed `check_login`."""
    return Claim(login.account, _LOGIN, login.auth, login_hash(network, login), login)


def verify_claims(network: Network, claims: Sequence[Claim]) -> list[Refusal | None]:
    """One answer per claim, in order: None where the signature holds. Never raises for what a peer sent."""
    return [verify_one(network, claim) for claim in claims]


def verify_one(network: Network, claim: Claim) -> Refusal | None:
    """None where the signature holds, else why not: `scheme-not-allowed`, `bad-signature` or `chain-unavailable`."""
    try:
        if claim.kind == _LOGIN:
            check_login_scheme(claim.author, claim.auth)
        else:
            check_scheme(claim.author, claim.kind, claim.auth)
        _CHECKS[type(claim.auth)](network, claim)
        if claim.kind == Kind.NODE_BINDING:
            _check_node_agrees(network, claim)
    except Refusal as refusal:
        return refusal.alone()
    return None


def _check_eip712(network: Network, claim: Claim) -> None:
    auth: Any = claim.auth
    content: Any = claim.content
    if isinstance(content, Batch):
        digest = batch_digest(network, auth.chain_id, content)
    elif isinstance(content, LogInWords):
        digest = login_digest(network, auth.chain_id, content)
    else:
        digest = envelope_digest(network, auth.chain_id, claim.kind, content, claim.subject)
    _check_recovered(claim, digest, auth.signature, "5.3")


def _check_eip191(network: Network, claim: Claim) -> None:
    auth: Any = claim.auth
    content: Any = claim.content
    if isinstance(content, Batch):
        text = batch_text(network, content)
    elif isinstance(content, LogInWords):
        text = login_text(network, content)
    else:
        text = envelope_text(network, claim.kind, content, claim.subject)
    _check_recovered(claim, personal_digest(text), auth.signature, "5.6")


def _check_recovered(claim: Claim, digest: bytes, signature: bytes, rule: str) -> None:
    if recover_account(digest, signature) != claim.author:
        raise Refusal(Reason.BAD_SIGNATURE, rule, "another key signed this, or something else was signed")


def _check_session(network: Network, claim: Claim) -> None:
    auth: Any = claim.auth
    message = session_message(network.id, auth.grant_id, claim.subject)
    if not verify(auth.key, message, auth.signature):
        raise Refusal(Reason.BAD_SIGNATURE, "5.8", "the session key did not sign this")


def _check_solana(network: Network, claim: Claim) -> None:
    auth: Any = claim.auth
    message = solana_message(network.id, claim.subject)
    if not verify(claim.author[1:], message, auth.signature):
        raise Refusal(Reason.BAD_SIGNATURE, "5.9", "the account's key did not sign this")


def _check_contract(network: Network, claim: Claim) -> None:
    raise Refusal(Reason.CHAIN_UNAVAILABLE, "5.14", "a contract's signature is checked against its chain")


def _check_node_agrees(network: Network, claim: Claim) -> None:
    body = claim.content
    if not isinstance(body, NodeBinding) or not verify(
        body.node_id, node_binding_message(network.id, claim.author, body.expires_at), body.signature
    ):
        raise Refusal(Reason.BAD_SIGNATURE, "4.18", "the node's key did not agree to this binding")


_CHECKS: dict[type, Callable[[Network, Claim], None]] = {
    Eip712: _check_eip712,
    Eip191: _check_eip191,
    Session: _check_session,
    Solana: _check_solana,
    Erc1271: _check_contract,
    Erc6492: _check_contract,
}
