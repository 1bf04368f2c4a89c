"""A wallet's signed word on a topic, to be carried anywhere: who is shown it can check it without a node (SPEC 4.29).

It shows what was signed. What was signed later, and is not shown beside it, it cannot know."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from .accounts import Topic, display_account, display_topic
from .auth.verify import envelope_claim, verify_claims
from .authority import Authority
from .checks import check_item
from .codec import Codec, pack
from .envelope import Envelope
from .errors import Refusal
from .forms import ItemForm
from .kinds.fields import Bin32
from .kinds.registry import PRIVATE_KINDS, SUBSCRIPTIONS, Kind
from .kinds.revocation import Revocation
from .kinds.subscription import Subscription
from .limits import MAX_AHEAD_MS
from .network import Network
from .newest import newer
from .reasons import Reason

RULE = "4.29"
_SHOWN_KINDS = SUBSCRIPTIONS | {Kind.REVOCATION}


class OptInForm(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A subscription, or a revocation that speaks against one, with the grant of the session key that signed it."""

    version: Literal[1]
    network_id: Bin32
    item: ItemForm
    grant: ItemForm | None


@dataclass(frozen=True, slots=True)
class Word:
    """What was signed, its signature and its signer's right checked; `grant` is what a session key rests on."""

    envelope: Envelope
    grant: Envelope | None


_form: Codec[OptInForm] = Codec(OptInForm)


def opt_in_of(network: Network, word: Envelope, grant: Envelope | None = None) -> bytes:
    """The bytes to carry. `grant` is the one that a session's auth names; a wallet's own word needs none."""
    return pack(OptInForm(1, network.id, _item_of(word), None if grant is None else _item_of(grant)))


def read_word(network: Network, data: bytes) -> Word:
    """What the bytes show. Raises Refusal, and nothing else, where they show nothing.

    It does not look at the clock, at work, nor whether the slot is void: these are for nodes, and cost no wallet its
    word."""
    form = _form.decode(data)
    if form.network_id != network.id:
        raise Refusal(Reason.OTHER_NETWORK, RULE, f"it is of the network {form.network_id.hex()}")
    word = _open(network, form.item)
    grant = None if form.grant is None else _open(network, form.grant)
    if word.kind not in _SHOWN_KINDS or (grant is not None and grant.kind != Kind.GRANT):
        raise Refusal(Reason.MALFORMED, RULE, "it holds something else than a subscription and its grant")
    if word.session is None and grant is not None:
        raise Refusal(Reason.UNREFERENCED, RULE, "a wallet's own word rests on no grant")
    signed = [word] if grant is None else [grant, word]
    claims = [envelope_claim(each.author, each.kind, each.auth, each.body, each.id) for each in signed]
    for refusal in verify_claims(network, claims):
        if refusal is not None:
            raise refusal
    authority = Authority()
    if grant is not None:
        authority.add(grant)
    authority.check(word)
    return Word(word, grant)


def check_opt_in(
    network: Network,
    data: bytes,
    *,
    at_ms: int,
    topic: Topic | None = None,
    account: bytes | None = None,
    against: Sequence[bytes] = (),
) -> Word:
    """The word that says that a wallet wants a topic's messages at that time. Raises Refusal where it does not.

    `against` are other words that are known, in the same form: a newer `off`, or a revocation of the key that
    signed."""
    word = read_word(network, data)
    envelope = word.envelope
    body = envelope.body
    if not isinstance(body, Subscription):
        raise Refusal(Reason.MALFORMED, RULE, "it is no subscription")
    if topic is not None and body.topic != topic:
        raise Refusal(Reason.NOT_SUBSCRIBED, RULE, f"it is about the topic {display_topic(body.topic)}")
    if account is not None and envelope.author != account:
        raise Refusal(Reason.NOT_SUBSCRIBED, RULE, f"it is the word of {display_account(envelope.author)}")
    if not body.on:
        raise Refusal(Reason.NOT_SUBSCRIBED, RULE, "it says off")
    if body.issued_at > at_ms + MAX_AHEAD_MS:
        raise Refusal(Reason.AHEAD_OF_TIME, RULE, "it was signed later")
    if body.expires_at <= at_ms:
        raise Refusal(Reason.EXPIRED, RULE, "it has expired")
    for each in against:
        _check_against(word, read_word(network, each), at_ms)
    return word


def _check_against(word: Word, other: Word, at_ms: int) -> None:
    mine, theirs = word.envelope, other.envelope
    if theirs.author != mine.author or theirs.body.issued_at > at_ms + MAX_AHEAD_MS:
        return
    if isinstance(theirs.body, Revocation):
        if word.grant is not None and _revokes(other, word.grant):
            raise Refusal(Reason.GRANT_REVOKED, "4.14", "the key that signed it was revoked")
    elif isinstance(theirs.body, Subscription):
        about_it = (theirs.kind, theirs.topic) == (mine.kind, mine.topic) and theirs.body.expires_at > at_ms
        if about_it and not theirs.body.on and newer(theirs, mine):
            raise Refusal(Reason.NOT_SUBSCRIBED, "4.14", "a newer word says off")


def _revokes(revocation: Word, grant: Envelope) -> bool:
    authority = Authority()
    authority.add(grant)
    authority.add(revocation.envelope)
    return authority.is_revoked(grant.id)


def _open(network: Network, form: ItemForm) -> Envelope:
    private = form.kind in PRIVATE_KINDS
    return check_item(network, form.kind, form.author, form.body, form.auth, private=private)


def _item_of(envelope: Envelope) -> ItemForm:
    return ItemForm(envelope.kind, envelope.author, envelope.body_bytes, envelope.auth)
