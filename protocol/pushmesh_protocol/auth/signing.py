"""Keys that sign on this machine: for SDKs, tests and demonstrations. A node never holds a wallet's key.

A remote wallet signs what `eip712.*_typed_data` or `eip191.*_text` give; its 65 bytes go into an `Eip712` or `Eip191`.
"""

from dataclasses import dataclass, field

import msgspec

from ..accounts import solana_account
from ..kinds.registry import AnyBody
from ..login import LogIn, LogInWords, login_hash
from ..network import Network
from ..types import Account
from . import ed25519, eip191, eip712, secp256k1
from .binding import node_binding_message, session_message, solana_message
from .schemes import Auth, Eip191, Eip712, Session, Solana
from .statement import Batch, Statement, batch_id


@dataclass(frozen=True, slots=True)
class WalletKey:
    """An EVM key of 32 bytes; signs typed data (with `chain_id` in its domain where it is set), or `texts`."""

    secret: bytes = field(repr=False)
    chain_id: int | None = None
    texts: bool = False


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The Ed25519 seed (32 random bytes, never derived from a wallet's signature) of a key that a grant names."""

    seed: bytes = field(repr=False)
    grant_id: bytes


@dataclass(frozen=True, slots=True)
class SolanaKey:
    """The Ed25519 seed of a Solana account."""

    seed: bytes = field(repr=False)


Key = WalletKey | SessionKey | SolanaKey


def account_of(key: WalletKey | SolanaKey) -> Account:
    """The account that the key is."""
    if isinstance(key, WalletKey):
        return secp256k1.account_of_secret(key.secret)
    return solana_account(ed25519.public_key(key.seed))


def sign_envelope(
    key: Key, network: Network, kind: int, body: AnyBody, envelope_id: bytes, *, work: int | None = None
) -> Auth:
    """The auth of an envelope whose body passes `check_body`; `work` is a nonce of `work.find_work` over the id."""
    if not isinstance(key, WalletKey):
        return _sign_ed25519(key, network, envelope_id, work)
    if key.texts:
        return _sign_text(key, eip191.envelope_text(network, kind, body, envelope_id), work)
    return _sign_typed(key, eip712.envelope_digest(network, key.chain_id, kind, body, envelope_id), work)


def sign_batch(key: Key, network: Network, batch: Batch, *, work: int | None = None) -> Statement:
    """The statement of a batch; `work` is a nonce over its root."""
    auth: Auth
    if not isinstance(key, WalletKey):
        auth = _sign_ed25519(key, network, batch_id(network, batch), work)
    elif key.texts:
        auth = _sign_text(key, eip191.batch_text(network, batch), work)
    else:
        auth = _sign_typed(key, eip712.batch_digest(network, key.chain_id, batch), work)
    return Statement(**msgspec.structs.asdict(batch), auth=auth)


def sign_login(key: Key, network: Network, words: LogInWords) -> LogIn:
    """The log-in of a wallet, or of a session key whose grant has scope `login`."""
    auth: Auth
    if not isinstance(key, WalletKey):
        auth = _sign_ed25519(key, network, login_hash(network, words), None)
    elif key.texts:
        auth = _sign_text(key, eip191.login_text(network, words), None)
    else:
        auth = _sign_typed(key, eip712.login_digest(network, key.chain_id, words), None)
    return LogIn(**msgspec.structs.asdict(words), auth=auth)


def sign_node_binding(node_seed: bytes, network: Network, author: Account, expires_at_ms: int) -> bytes:
    """The node key's 64 bytes in a `node_binding`: that the author runs this node until then (SPEC 4.18)."""
    return ed25519.sign(node_seed, node_binding_message(network.id, author, expires_at_ms))


def _sign_typed(key: WalletKey, digest: bytes, work: int | None) -> Eip712:
    return Eip712(key.chain_id, secp256k1.sign(key.secret, digest), work)


def _sign_text(key: WalletKey, text: str, work: int | None) -> Eip191:
    return Eip191(secp256k1.sign(key.secret, eip191.personal_digest(text)), work)


def _sign_ed25519(key: SessionKey | SolanaKey, network: Network, subject: bytes, work: int | None) -> Auth:
    if isinstance(key, SolanaKey):
        return Solana(ed25519.sign(key.seed, solana_message(network.id, subject)), work)
    message = session_message(network.id, key.grant_id, subject)
    return Session(ed25519.public_key(key.seed), key.grant_id, ed25519.sign(key.seed, message), work)
