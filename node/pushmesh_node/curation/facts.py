"""Everything that a decision rests on, as data: with equal facts every node decides alike."""

from collections.abc import Sequence

import msgspec

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.types import Account, EnvelopeId, UnixMs

from .policy import Policy
from .settings import NO_SETTINGS, Settings


class Facts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One message (a notification or retraction) and one wallet.

    `audience` is the notification's, strictly ascending, None for all subscribers; a retraction has its target's.
    `subscribed`: the wallet's subscription to the topic in force is on. `late`: it came by sync, after its time.
    `void`: it shares a slot. `revoked`: its signer may not sign it by what is known now. `retracted_by`: the retraction
    of it that counts, if any (SPEC 4.17 says which does). `collapsed_by`: the id of the newest one that took its place
    for this wallet (4.23). `settings`: the wallet's of this topic.
    """

    envelope: Envelope
    account: Account
    audience: Sequence[bytes] | None
    subscribed: bool
    wallet: Policy
    operator: Policy
    now: UnixMs
    late: bool = False
    void: bool = False
    revoked: bool = False
    retracted_by: Envelope | None = None
    collapsed_by: EnvelopeId | None = None
    settings: Settings = NO_SETTINGS
