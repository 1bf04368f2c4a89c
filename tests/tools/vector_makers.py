"""Envelopes, batches and frames from bodies and keys: every part can be replaced by a wrong one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from pushmesh_protocol.auth import ed25519, eip191, eip712
from pushmesh_protocol.auth.statement import Batch
from pushmesh_protocol.codec import pack
from pushmesh_protocol.hashing import hash_statement, sha256
from pushmesh_protocol.kinds.registry import decode_body
from pushmesh_protocol.network import Network
from pushmesh_protocol.tree import audit_path, root_of
from pushmesh_protocol.types import EnvelopeId
from tools.vector_case import Made
from tools.vector_keys import EdKey, EvmKey, show
from tools.vector_networks import EPOCH, PLAIN
from tools.vector_wallets import WalletProcess


@dataclass(frozen=True, slots=True)
class Typed:
    """Signs typed data with viem and ethers."""

    wallets: WalletProcess
    key: EvmKey
    chain_id: int | None = None

    @property
    def author(self) -> bytes:
        """The key's account."""
        return self.key.account

    @property
    def shown(self) -> str:
        """As Judgement.signer shows it."""
        return show(self.key.account)


@dataclass(frozen=True, slots=True)
class Texts(Typed):
    """Signs texts with viem and ethers."""


@dataclass(frozen=True, slots=True)
class Own:
    """A Solana account signs itself."""

    key: EdKey

    @property
    def author(self) -> bytes:
        """The key's account."""
        return self.key.account

    @property
    def shown(self) -> str:
        """As Judgement.signer shows it."""
        return show(self.key.account)


@dataclass(frozen=True, slots=True)
class Session:
    """A session key signs for an author."""

    key: EdKey
    author: bytes
    grant_id: bytes

    @property
    def shown(self) -> str:
        """As Judgement.signer shows it."""
        return f"ed25519:{self.key.public.hex()}"


Signer = Typed | Own | Session


def make(
    signer: Signer,
    kind: int,
    body: list[Any] | bytes,
    *,
    network: Network = PLAIN,
    author: bytes | None = None,
    work: int | None = None,
) -> Made:
    """An envelope of the signer's own author, or of another one that did not sign it."""
    written_by = signer.author if author is None else author
    data = body if isinstance(body, bytes) else pack(body)
    envelope_id = id_of(kind, written_by, data, network=network)
    auth = sign_envelope(signer, network, kind, data, envelope_id, work)
    return dress(kind, written_by, data, auth, network=network, shown=signer.shown)


def dress(kind: int, author: bytes, data: bytes, auth: list[Any], *, network: Network = PLAIN, shown: str = "") -> Made:
    """An envelope with whatever auth is given."""
    item_hash = sha256(pack([0, kind, author, data, auth]))
    return Made(kind, author, data, auth, id_of(kind, author, data, network=network), item_hash, shown)


def redress(made: Made, auth: list[Any], *, shown: str | None = None) -> Made:
    """The same envelope with another auth."""
    item_hash = sha256(pack([0, made.kind, made.author, made.body, auth]))
    return replace(made, auth=auth, item_hash=item_hash, signer=made.signer if shown is None else shown)


def id_of(kind: int, author: bytes, data: bytes, *, network: Network = PLAIN) -> bytes:
    """SPEC 4.1."""
    return hash_statement("envelope", network.id, bytes((kind & 255,)), author, data)


def sign_envelope(
    signer: Signer, network: Network, kind: int, data: bytes, envelope_id: bytes, work: int | None
) -> list[Any]:
    """The wire form of an auth."""
    if not isinstance(signer, Typed):
        return sign_subject(signer, network, envelope_id, work)
    body = decode_body(kind, data)
    named = EnvelopeId(envelope_id)
    if isinstance(signer, Texts):
        text = eip191.envelope_text(network, kind, body, named)
        return [2, signer.wallets.sign_text(signer.key.secret, text, eip191.personal_digest(text)), work]
    typed_data = eip712.envelope_typed_data(network, signer.chain_id, kind, body, named)
    digest = eip712.envelope_digest(network, signer.chain_id, kind, body, named)
    return [1, signer.chain_id, signer.wallets.sign_typed_data(signer.key.secret, typed_data, digest), work]


def sign_subject(signer: Own | Session, network: Network, subject: bytes, work: int | None = None) -> list[Any]:
    """An Ed25519 auth over an envelope id, a batch id or a log-in's hash."""
    if isinstance(signer, Own):
        return [4, ed25519.sign(signer.key.seed, hash_statement("solana", network.id, subject)), work]
    message = hash_statement("session", network.id, signer.grant_id, subject)
    return [3, signer.key.public, signer.grant_id, ed25519.sign(signer.key.seed, message), work]


def frame(
    *items: Made | list[Any], grants: Sequence[Made | list[Any]] = (), statements: Sequence[list[Any]] = ()
) -> bytes:
    """A frame of these entries, in wire form where a list is given."""
    return pack([1, [_form(part) for part in grants], list(statements), [_form(part) for part in items]])


def _form(part: Made | list[Any]) -> list[Any]:
    return part.form if isinstance(part, Made) else part


@dataclass(frozen=True, slots=True)
class MadeBatch:
    """A signed statement in wire form, and its leaves."""

    statement: list[Any]
    bodies: list[bytes]
    leaves: list[Made]

    def run(self, first: int = 0, size: int | None = None, *, place: int = 0) -> list[Any]:
        """The wire form of a run, with its true path."""
        count = len(self.bodies) - first if size is None else size
        path = audit_path([leaf.id for leaf in self.leaves], first, count)
        return [1, place, first, path, self.bodies[first : first + count]]


def make_batch(
    signer: Signer, bodies: Sequence[list[Any]], *, network: Network = PLAIN, work: int | None = None, **changes: Any
) -> MadeBatch:
    """A batch of these bodies; `changes` replace members of the statement before it is signed."""
    data = [pack(body) for body in bodies]
    kind: int = changes.pop("leaf_kind", 5)
    said = {
        "author": signer.author,
        "kind": kind,
        "topic": bodies[0][3],
        "epoch": EPOCH,
        "first_seq": bodies[0][1],
        "count": len(bodies),
        "expires_at": max(body[2] for body in bodies),
        "root": root_of([id_of(kind, signer.author, body, network=network) for body in data]),
        **changes,
    }
    statement = [*said.values(), sign_batch(signer, network, list(said.values()), work)]
    return dress_batch(statement, data, network=network, shown=signer.shown)


def dress_batch(statement: list[Any], data: list[bytes], *, network: Network = PLAIN, shown: str = "") -> MadeBatch:
    """A batch with whatever statement is given."""
    author, kind = statement[0], statement[1]
    leaves = [
        Made(
            kind,
            author,
            body,
            statement[8],
            id_of(kind, author, body, network=network),
            sha256(pack([1, statement, index, body])),
            shown,
            statement,
            index,
        )
        for index, body in enumerate(data)
    ]
    return MadeBatch(statement, data, leaves)


def sign_batch(signer: Signer, network: Network, said: list[Any], work: int | None = None) -> list[Any]:
    """The wire form of a statement's auth."""
    if not isinstance(signer, Typed):
        return sign_subject(signer, network, hash_statement("batch", network.id, pack(said)), work)
    batch = msgspec.convert(said, Batch)
    if isinstance(signer, Texts):
        text = eip191.batch_text(network, batch)
        return [2, signer.wallets.sign_text(signer.key.secret, text, eip191.personal_digest(text)), work]
    typed_data = eip712.batch_typed_data(network, signer.chain_id, batch)
    digest = eip712.batch_digest(network, signer.chain_id, batch)
    return [1, signer.chain_id, signer.wallets.sign_typed_data(signer.key.secret, typed_data, digest), work]
