"""Until when an envelope matters, and so where it stands in sync (SPEC 9.2)."""

from .envelope import Envelope
from .kinds.grant import Grant
from .network import Network


def timestamp_of(network: Network, envelope: Envelope) -> int:
    """Unix ms, a function of the bytes: expires-at, and for a grant as much later as what it lets sign may live."""
    body = envelope.body
    if isinstance(body, Grant):
        lives = [network.lives_ms.get(scope, 0) for scope in body.scopes]
        return body.expires_at + max(lives, default=0)
    return body.expires_at
