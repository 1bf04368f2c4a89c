"""Session keys: a random key that the wallet's grant names, so that a wallet signs once and its device many times.

The file of a session holds a secret too: mode 0600, like a wallet's.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.auth.signing import SessionKey
from pushmesh_protocol.envelope import Envelope
from pushmesh_protocol.errors import Refusal
from pushmesh_protocol.frames import Part, encode_frame, open_publish
from pushmesh_protocol.kinds import Grant, Scope
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.network import Network
from pushmesh_protocol.types import Account

from .errors import KeyFileError
from .files import read_private, write_private
from .sealing import SealSecret

WALLET_SCOPES = (Scope.SUBSCRIPTION, Scope.LOGIN, Scope.TOKEN, Scope.VOUCHER)
"""What a wallet's device needs: subscribe, log in, make tokens, sign vouchers."""
PUBLISHER_SCOPES = (Scope.NOTIFICATION, Scope.RETRACTION)
GRANT_LIFE_MS = 90 * DAY_MS
RANGE_SLOTS = 4096
FORMAT = 1


@dataclass(frozen=True, slots=True)
class SessionGrant:
    """A session key's seed and the signed grant that names it. `seals` opens what is sealed to this device: the
    grant's own seal key, and those of its earlier grants as long as something may come for them."""

    seed: bytes = field(repr=False)
    grant: Envelope
    seals: tuple[SealSecret, ...] = ()

    @property
    def body(self) -> Grant:
        """What the grant allows."""
        assert isinstance(self.grant.body, Grant)  # made and loaded as one
        return self.grant.body

    @property
    def grant_id(self) -> bytes:
        """32 bytes."""
        return self.grant.id

    @property
    def key(self) -> SessionKey:
        """The key that signs."""
        return SessionKey(self.seed, self.grant.id)

    @property
    def frame(self) -> bytes:
        """The grant as a frame of its own: what a node is told that does not know it yet."""
        return encode_frame([Part((self.grant,))])


def new_seed() -> bytes:
    """32 random bytes, never derived from a wallet's signature (SPEC section 5)."""
    return secrets.token_bytes(32)


def choose_range(network: Network, allowance: int) -> tuple[int, int]:
    """A random range of RANGE_SLOTS for a grant, within allowance where there is one, so that two keys rarely meet
    (SPEC 5.16)."""
    room = max(allowance // 2, RANGE_SLOTS) if allowance else network.wallet_range - 1
    block = secrets.randbelow(max(1, min(room, network.wallet_range - 1) // RANGE_SLOTS))
    first = network.wallet_range + block * RANGE_SLOTS
    return first, first + RANGE_SLOTS


def grant_body(
    seed: bytes,
    scopes: Iterable[int],
    seqs: tuple[int, int],
    issued_at_ms: int,
    seq: int,
    *,
    topics: Iterable[Topic] | None = None,
    life_ms: int = GRANT_LIFE_MS,
    seal_key: bytes | None = None,
) -> Grant:
    """The body of a grant for the key of `seed`; `seqs` is the half-open range that it owns."""
    return Grant(
        issued_at=issued_at_ms,
        seq=seq,
        expires_at=issued_at_ms + life_ms,
        topic=None,
        key=public_key(seed),
        seal_key=seal_key,
        scopes=sorted({int(scope) for scope in scopes}),
        topics=None if topics is None else sorted(topics),
        first_seq=seqs[0],
        end_seq=seqs[1],
        not_before=issued_at_ms,
    )


def save_session(path: Path | str, network: Network, session: SessionGrant) -> None:
    """Write the session file, mode 0600, over an older one."""
    document = {
        "format": FORMAT,
        "network": network.display,
        "seed": "0x" + session.seed.hex(),
        "grant": b64encode(session.frame).decode(),
        "seals": [["0x" + seal.secret.hex(), seal.until_ms] for seal in session.seals],
    }
    write_private(Path(path), document, replace=True)


def load_session(path: Path | str, network: Network, account: Account, now_ms: int) -> SessionGrant | None:
    """The account's session in a file; None where there is none, its grant is over, or it is of another network.
    Raises KeyFileError."""
    session = _read_session(Path(path), network, account)
    return session if session is not None and session.body.expires_at > now_ms else None


def load_seals(path: Path | str, network: Network, account: Account, now_ms: int) -> tuple[SealSecret, ...]:
    """What still opens messages of the session in a file, though its grant be over: hand it to `Subscriber.grant`.
    Raises KeyFileError."""
    session = _read_session(Path(path), network, account)
    return () if session is None else tuple([seal for seal in session.seals if seal.until_ms > now_ms])


def _read_session(path: Path, network: Network, account: Account) -> SessionGrant | None:
    if not path.exists():
        return None
    document = read_private(path)
    if document.get("format") != FORMAT:
        raise KeyFileError(f"{path} is not a session file of format {FORMAT}")
    if document.get("network") != network.display:
        return None
    try:
        seed = _secret(document["seed"])
        opened = open_publish(network, b64decode(str(document["grant"]), validate=True))
        grant = next(iter(opened.envelopes()))
        seals = tuple([SealSecret(_secret(text), int(until_ms)) for text, until_ms in document.get("seals", ())])
    except (KeyError, ValueError, TypeError, Refusal, StopIteration):
        raise KeyFileError(f"{path} is not a session file: remove it, a new one is made") from None
    if not isinstance(grant.body, Grant) or grant.body.key != public_key(seed):
        raise KeyFileError(f"{path} holds a grant for another key: remove it, a new one is made")
    if grant.body.seal_key not in {None, *[seal.public for seal in seals]}:
        raise KeyFileError(f"{path} lacks the secret of its grant's seal key: remove it, a new one is made")
    if grant.author != account:
        raise KeyFileError(f"{path} holds another wallet's session key: remove it, a new one is made")
    return SessionGrant(seed, grant, seals)


def _secret(text: object) -> bytes:
    secret = bytes.fromhex(str(text).removeprefix("0x"))
    if len(secret) != 32:
        raise ValueError("a secret has 32 bytes")
    return secret
