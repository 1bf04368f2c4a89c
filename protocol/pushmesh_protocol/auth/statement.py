"""The batch statement: one signature for up to 1,024 envelopes (SPEC 5.10). Never sees a leaf or a tree."""

from typing import Annotated

import msgspec

from ..accounts import Topic, check_account, check_topic
from ..codec import pack
from ..errors import Refusal
from ..hashing import hash_statement
from ..kinds.checks import malformed
from ..kinds.fields import U32, Bin32, Ms
from ..kinds.registry import Kind
from ..network import Network
from ..reasons import Reason
from ..types import Account
from .schemes import Auth, Session, check_scheme

SEQ_END = 2**32
BATCH_KINDS = frozenset({Kind.NOTIFICATION, Kind.RETRACTION})


class Batch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What a batch statement says, without its auth; `expires_at` in Unix milliseconds."""

    author: Account
    kind: Annotated[int, msgspec.Meta(ge=0, lt=256)]
    topic: Topic
    epoch: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    first_seq: U32
    count: Annotated[int, msgspec.Meta(ge=1, lt=2**32)]
    expires_at: Ms
    root: Bin32


class Statement(Batch, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A signed batch statement, in its wire layout."""

    auth: Auth


def batch_id(network: Network, batch: Batch) -> bytes:
    """H("batch", network id, what the statement says): 32 bytes, the same whatever the auth."""
    said = (
        batch.author,
        batch.kind,
        batch.topic,
        batch.epoch,
        batch.first_seq,
        batch.count,
        batch.expires_at,
        batch.root,
    )
    return hash_statement("batch", network.id, pack(said))


def check_statement(network: Network, statement: Statement) -> None:
    """Raise Refusal where a decoded statement breaks SPEC 4.6, 5.2, 5.10 or 6.1; its signature is `verify`'s matter."""
    check_account("author", statement.author)
    check_topic(statement.topic)
    if statement.kind not in BATCH_KINDS:
        raise malformed("5.10", "a batch is of notifications or retractions")
    if statement.topic.owner != statement.author:
        raise Refusal(Reason.NOT_TOPIC_OWNER, "4.6", "the statement's author is not the topic's owner")
    if statement.count > network.limits.batch_count:
        raise malformed("5.10", f"the batch counts more than {network.limits.batch_count} leaves")
    check_scheme(statement.author, statement.kind, statement.auth)
    end = SEQ_END if isinstance(statement.auth, Session) else network.wallet_range
    start = network.wallet_range if isinstance(statement.auth, Session) else 0
    if not start <= statement.first_seq < statement.first_seq + statement.count <= end:
        raise malformed("6.1", "the batch's seqs are not all in its signer's range")
