"""An author, and the wallets that follow it over any transport: what they sign, on the spot and in this process. What a
bench publishes by the thousand is signed beforehand (`workload`)."""

import secrets
import time
from collections.abc import Iterable, Sequence

from pushmesh_client import Node, new_wallet
from pushmesh_client.compose import notification_of, signed_envelope
from pushmesh_client.wallet import Wallet
from pushmesh_protocol.accounts import Topic
from pushmesh_protocol.auth.signing import sign_login
from pushmesh_protocol.frames import Part, encode_frame
from pushmesh_protocol.kinds import Kind, Subscription
from pushmesh_protocol.limits import DAY_MS
from pushmesh_protocol.login import LogInWords, format_login
from pushmesh_protocol.network import Network

from .errors import LabError
from .workload import CHUNK, TOPIC_NAME, price_alert


class Author:
    """A fresh wallet with the topic that all follow."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._wallet = new_wallet()
        self._seq = 0
        self.topic = Topic(self._wallet.account, TOPIC_NAME)

    def frame(self, count: int) -> bytes:
        """So many new notifications, each signed by itself."""
        return encode_frame([self._note() for _ in range(count)])

    def _note(self) -> Part:
        self._seq += 1
        wallet, body = self._wallet, notification_of(price_alert(self._seq), self.topic, _now_ms(), self._seq)
        return Part((signed_envelope(self._network, wallet.key, wallet.account, Kind.NOTIFICATION, body),))


async def follow(node: Node, network: Network, wallets: Sequence[Wallet], topic: Topic) -> None:
    """Each wallet's signed subscription, durable. Raises LabError."""
    now_ms = _now_ms()
    body = Subscription(now_ms, 1, now_ms + DAY_MS, topic, True, None, False)
    parts = [Part((signed_envelope(network, each.key, each.account, Kind.SUBSCRIPTION, body),)) for each in wallets]
    await hand_in(node, [encode_frame(parts[first : first + CHUNK]) for first in range(0, len(parts), CHUNK)])


async def hand_in(node: Node, frames: Iterable[bytes]) -> None:
    """Frames of subscriptions, one after the other. Raises LabError for one that is refused."""
    for frame in frames:
        for outcome in await node.publish_frame(frame):
            if not outcome.ok:
                raise LabError(f"a subscription was refused: {outcome.reason}: {outcome.detail}")


async def log_ins(node: Node, network: Network, wallets: Iterable[Wallet]) -> list[str]:
    """A signed log-in of each to this node, in order."""
    challenge = await node.challenge()
    node_id, host, now_ms = bytes.fromhex(challenge["node_id"]), challenge["hosts"][0], _now_ms()
    texts = []
    for each in wallets:
        words = LogInWords(node_id, host, each.account, secrets.token_bytes(32), now_ms, "bench")
        texts.append(format_login(sign_login(each.key, network, words)))
    return texts


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
