"""Everything that a decision rests on, as data: with equal facts every node decides alike."""

from collections.abc import Sequence

import msgspec

from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.types import Account, UnixMs

from .policy import Policy


class Facts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One message (a notification or retraction) and one wallet.

    `audience` is the notification's, strictly ascending, None for all subscribers; a retraction has its target's.
    `subscribed`: the wallet's subscription to the topic in force is on. `late`: it came by sync, after its time.
    `void`: it shares a slot. `retracted_by`: the retraction of it that counts, if any (SPEC 4.17 says which does).
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
    retracted_by: Envelope | None = None
