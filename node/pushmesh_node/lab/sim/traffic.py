"""What honest publishers say: real envelopes with real signatures, in frames of the sizes that a plan asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from pushmesh_client.compose import Draft, notification_of
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import (
    Key,
    SessionKey,
    SolanaKey,
    WalletKey,
    account_of,
    sign_batch,
    sign_envelope,
)
from pushmesh_protocol.auth.statement import Batch
from pushmesh_protocol.checks import check_item, check_leaf
from pushmesh_protocol.codec import pack
from pushmesh_protocol.envelope import Envelope, item_bytes
from pushmesh_protocol.frames import Part, encode_frame, gossip_topic_of
from pushmesh_protocol.hashing import sha256
from pushmesh_protocol.kinds import Grant, Kind, Notification, Scope
from pushmesh_protocol.kinds.registry import AnyBody
from pushmesh_protocol.limits import DAY_MS, GRANT_RIDES_MS
from pushmesh_protocol.network import Network
from pushmesh_protocol.tree import root_of
from pushmesh_protocol.types import Account

LEAVES = 8
LEAST_TEXT, MOST_TEXT = 40, 900
"""Code points of a notification's body."""

WORDS = "price alert vote order block swap stake bridge claim epoch wallet signed filled moved above below".split()


@dataclass(slots=True)
class Author:
    """A dapp's wallet with one topic, and a session key that its grant names. Seqs are taken one after the other."""

    wallet: WalletKey
    account: Account
    topic: Topic
    session: SessionKey
    grant: Envelope
    next_wallet_seq: int
    next_session_seq: int


def signed_item(network: Network, kind: int, account: Account, body: AnyBody, key: Key) -> Envelope:
    """One envelope with a real signature. Raises Refusal where the body breaks a rule."""
    body_bytes = pack(body)
    envelope_id = network.hash_envelope(bytes((kind,)), account, body_bytes)
    return check_item(network, kind, account, body_bytes, sign_envelope(key, network, kind, body, envelope_id))


def new_author(network: Network, name: str, now_ms: int, *, shard: int | None = None) -> Author:
    """Keys from the name. The grant is old enough not to ride with items any more: nodes know it already. With `shard`
    the topic's name is chosen so that it lies there."""
    wallet = WalletKey(sha256(f"{name}/wallet".encode()))
    account = account_of(wallet)
    topic = _topic_in(network, account, shard)
    seed = sha256(f"{name}/session".encode())
    issued_at = now_ms - 2 * GRANT_RIDES_MS
    body = Grant(
        issued_at=issued_at,
        seq=0,
        expires_at=issued_at + 30 * DAY_MS,
        topic=None,
        key=account_of(SolanaKey(seed))[1:],
        seal_key=None,
        scopes=[int(Scope.NOTIFICATION), int(Scope.RETRACTION)],
        topics=None,
        first_seq=network.wallet_range,
        end_seq=2**32 - 1,
        not_before=issued_at,
    )
    grant = signed_item(network, Kind.GRANT, account, body, wallet)
    return Author(wallet, account, topic, SessionKey(seed, grant.id), grant, 1, network.wallet_range)


def _topic_in(network: Network, account: Account, shard: int | None) -> Topic:
    number = 0
    while True:
        topic = Topic(account, f"alerts-{number}")
        if shard is None or network.shard(pack(topic)) == shard:
            return topic
        number += 1


class Publisher:
    """Writes what authors publish. Half of the items are signed by session keys, the rest by the wallet itself, and
    where there is room for it a quarter of the bytes are one batch."""

    def __init__(self, network: Network, authors: Sequence[Author], random: Random) -> None:
        self._network = network
        self._authors = authors
        self._random = random

    def frame_of(self, size_bytes: int, now_ms: int) -> tuple[str, list[Part], int]:
        """The gossip topic, the parts of one author, and the size of the frame that they make: at most the wanted
        size, and at least nine tenths of it from 2 KiB on."""
        author = self._random.choice(self._authors)
        parts: list[Part] = []
        left = size_bytes - 16
        if size_bytes >= 8 * 1_024:
            parts.append(self._batch(author, now_ms))
            left = size_bytes - len(encode_frame(parts)) - 16
        while left > 400 or not parts:
            part = Part((self._note(author, now_ms, min(MOST_TEXT, max(LEAST_TEXT, left - 340))),))
            parts.append(part)
            left -= len(item_bytes(part.envelopes[0]))
        return gossip_topic_of(self._network, parts[0].envelopes[0]), parts, len(encode_frame(parts))

    def item(self, author: Author, now_ms: int, length: int = 100, *, by_wallet: bool = False) -> Envelope:
        """One notification with a text of about that length."""
        seq = self._take(author, by_wallet)
        key = author.wallet if by_wallet else author.session
        body = self._body(author, now_ms, seq, length)
        return signed_item(self._network, Kind.NOTIFICATION, author.account, body, key)

    def _note(self, author: Author, now_ms: int, length: int) -> Envelope:
        return self.item(author, now_ms, length, by_wallet=self._random.random() < 0.5)

    def _take(self, author: Author, by_wallet: bool, count: int = 1) -> int:
        if by_wallet:
            author.next_wallet_seq += count
            return author.next_wallet_seq - count
        author.next_session_seq += count
        return author.next_session_seq - count

    def _body(self, author: Author, now_ms: int, seq: int, length: int) -> Notification:
        text = " ".join(self._random.choices(WORDS, k=1 + length // 4))[:length]
        return notification_of(Draft(body=text), author.topic, now_ms, seq)

    def _batch(self, author: Author, now_ms: int) -> Part:
        network = self._network
        first_seq = self._take(author, True, LEAVES)
        bodies = [self._body(author, now_ms, first_seq + place, 300) for place in range(LEAVES)]
        packed = [pack(body) for body in bodies]
        ids = [network.hash_envelope(bytes((Kind.NOTIFICATION,)), author.account, data) for data in packed]
        batch = Batch(
            author.account,
            Kind.NOTIFICATION,
            author.topic,
            network.epoch(now_ms),
            first_seq,
            LEAVES,
            bodies[0].expires_at,
            root_of(ids),
        )
        statement = sign_batch(author.wallet, network, batch)
        return Part(
            tuple([check_leaf(network, statement, place, data) for place, data in enumerate(packed)]), statement
        )
