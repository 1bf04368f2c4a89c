"""A delivered frame checked by the wallet itself: nothing that a node says is believed (pure)."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from pushmesh_protocol.auth.verify import envelope_claim, statement_claim, verify_claims
from pushmesh_protocol.authority import Authority
from pushmesh_protocol.checks import check_item
from pushmesh_protocol.codec import Codec
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.forms import ItemForm
from pushmesh_protocol.frames import OpenFrame, Part, open_publish
from pushmesh_protocol.kinds import Kind, Notification
from pushmesh_protocol.network import Network
from pushmesh_protocol.reasons import Reason
from pushmesh_protocol.types import Account

from .errors import BadAnswer

MOST_SHOWN = 1_024
"""Grants that were shown and not checked: each costs a node nothing."""

_item: Codec[ItemForm] = Codec(ItemForm)


class SignedBy(StrEnum):
    """Whose word a message is. UNKNOWN_GRANT: a session key signed it whose grant this wallet has not seen: that it
    is its author's is the node's word alone. UNCHECKED_GRANT: its grant is a contract wallet's, and lets the key sign
    this; that the contract signed the grant only its chain can tell, and was not checked."""

    WALLET = "wallet"
    SESSION = "session"
    UNKNOWN_GRANT = "unknown-grant"
    UNCHECKED_GRANT = "unchecked-grant"


@dataclass(frozen=True, slots=True)
class Verified:
    """An envelope whose signature holds."""

    envelope: Envelope
    signed_by: SignedBy


class ShownGrants:
    """Grants of contract wallets that nodes showed: anybody can make them up, so they are kept apart, the latest of
    them."""

    def __init__(self) -> None:
        self._grants: OrderedDict[bytes, Envelope] = OrderedDict()

    def add(self, grant: Envelope) -> None:
        """The oldest makes room."""
        self._grants[grant.id] = grant
        if len(self._grants) > MOST_SHOWN:
            self._grants.popitem(last=False)

    def allows(self, envelope: Envelope) -> bool:
        """Whether the grant was shown. Raises Refusal where it does not let its key sign this."""
        grant = None if envelope.session is None else self._grants.get(envelope.session.grant_id)
        if grant is not None:
            alone = Authority()
            alone.add(grant)
            alone.check(envelope)
        return grant is not None


def verify_delivery(
    network: Network, authority: Authority, account: Account, frame: bytes, shown: ShownGrants | None = None
) -> Verified:
    """The envelope of a delivered frame of one envelope. Grants that ride along are learnt in `authority`, those that
    cannot be checked here in `shown`.

    Raises BadAnswer with the node's fault: malformed, a signature that does not hold, not for this account."""
    shown = ShownGrants() if shown is None else shown
    try:
        opened = open_publish(network, frame)
        envelope, part = _the_one(opened)
        _learn_grants(network, authority, shown, opened)
        claim = (
            envelope_claim(envelope.author, envelope.kind, envelope.auth, envelope.body, envelope.id)
            if part.statement is None
            else statement_claim(network, part.statement)
        )
        refusal = verify_claims(network, [claim])[0]
        if refusal is not None:
            raise refusal
        _check_recipient(envelope, account)
        return Verified(envelope, _signed_by(authority, shown, envelope))
    except Refusal as refusal:
        raise BadAnswer(
            f"a delivered message does not hold: {refusal.detail}", reason=refusal.reason, rule=refusal.rule
        ) from refusal


def learn_grant(network: Network, authority: Authority, item: bytes, shown: ShownGrants | None = None) -> None:
    """Take in a grant that a node was asked for, if its wallet signed it, and in `shown` if only a chain can tell; else
    nothing changes."""
    try:
        form = _item.decode(item)
        grant = check_item(network, form.kind, form.author, form.body, form.auth)
    except Refusal:
        return
    if grant.kind == Kind.GRANT:
        _learn(network, authority, ShownGrants() if shown is None else shown, grant)


def _the_one(opened: OpenFrame) -> tuple[Envelope, Part]:
    if len(opened.parts) != 1:
        raise Refusal(Reason.MALFORMED, "8.1", "a delivered frame carries one envelope")
    part = opened.parts[0]
    if isinstance(part, Refusal):
        raise part
    if len(part.envelopes) != 1:
        raise Refusal(Reason.MALFORMED, "8.1", "a delivered frame carries one envelope")
    return part.envelopes[0], part


def _learn_grants(network: Network, authority: Authority, shown: ShownGrants, opened: OpenFrame) -> None:
    for grant in opened.grants:
        if isinstance(grant, Envelope):
            _learn(network, authority, shown, grant)


def _learn(network: Network, authority: Authority, shown: ShownGrants, grant: Envelope) -> None:
    claim = envelope_claim(grant.author, grant.kind, grant.auth, grant.body, grant.id)
    refusal = verify_claims(network, [claim])[0]
    if refusal is None:
        authority.add(grant)
    elif refusal.reason is Reason.CHAIN_UNAVAILABLE:
        shown.add(grant)


def _check_recipient(envelope: Envelope, account: Account) -> None:
    if envelope.kind not in (Kind.NOTIFICATION, Kind.RETRACTION):
        raise Refusal(Reason.MALFORMED, "4.5", "an inbox carries notifications and retractions")
    body = envelope.body
    if isinstance(body, Notification) and body.audience is not None and account not in body.audience:
        raise Refusal(Reason.NOT_IN_AUDIENCE, "4.15", "this wallet is not among its recipients")


def _signed_by(authority: Authority, shown: ShownGrants, envelope: Envelope) -> SignedBy:
    if envelope.session is None:
        return SignedBy.WALLET
    try:
        authority.check(envelope)
    except Refusal as refusal:
        if refusal.reason is not Reason.UNKNOWN_GRANT:
            raise
        return SignedBy.UNCHECKED_GRANT if shown.allows(envelope) else SignedBy.UNKNOWN_GRANT
    return SignedBy.SESSION
