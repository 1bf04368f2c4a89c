"""What Ed25519 signatures of envelopes, statements and log-ins are over: one `H` name each (SPEC 3.5).

Makes no signature and checks none.
"""

from ..hashing import hash_statement, u64
from ..types import Account, NetworkId


def session_message(network_id: NetworkId, grant_id: bytes, subject: bytes) -> bytes:
    """What a session key signs; the subject is an envelope id, a batch id or a log-in's hash."""
    return hash_statement("session", network_id, grant_id, subject)


def solana_message(network_id: NetworkId, subject: bytes) -> bytes:
    """What a Solana account's key signs; the subject as above."""
    return hash_statement("solana", network_id, subject)


def node_binding_message(network_id: NetworkId, author: Account, expires_at_ms: int) -> bytes:
    """What a node's key signs to agree that the author runs it."""
    return hash_statement("node-binding", network_id, author, u64(expires_at_ms))
