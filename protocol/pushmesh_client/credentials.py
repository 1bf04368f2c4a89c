"""Log-ins of one account at any node: each is signed for that node, and good for one use (SPEC 11)."""

import secrets
from collections.abc import Callable

from pushmesh_protocol.auth.signing import Key, sign_login
from pushmesh_protocol.login import LogInWords, format_login
from pushmesh_protocol.types import Account

from .errors import BadAnswer
from .node import Node


class Credentials:
    """`key` gives the key that signs now: the wallet's, or a session's whose grant has the scope `login`."""

    def __init__(self, account: Account, key: Callable[[], Key], now_ms: Callable[[], int]) -> None:
        self._account = account
        self._key = key
        self._now_ms = now_ms
        self._node_ids: dict[str, bytes] = {}
        self._hosts: dict[str, str] = {}

    async def sign(self, node: Node, purpose: str = "pushmesh client") -> str:
        """A log-in for one node, signed now; good for one use within five minutes."""
        network = await node.network()
        words = LogInWords(
            node_id=await self.node_id(node),
            host=self._hosts[str(node.url)],
            account=self._account,
            nonce=secrets.token_bytes(32),
            issued_at=self._now_ms(),
            purpose=purpose,
        )
        return format_login(sign_login(self._key(), network, words))

    async def node_id(self, node: Node) -> bytes:
        """32 bytes, asked once. Raises BadAnswer."""
        known = self._node_ids.get(str(node.url))
        if known is None:
            challenge = await node.challenge()
            try:
                known = bytes.fromhex(str(challenge.get("node_id")))
            except ValueError:
                known = b""
            if len(known) != 32:
                raise BadAnswer(f"{node.url} does not say its node id")
            self._node_ids[str(node.url)] = known
            self._hosts[str(node.url)] = _dialled(node, challenge.get("hosts"))
        return known

    async def fresh_node_id(self, node: Node) -> bytes:
        """The same, asked again: another node may have taken the address."""
        self._node_ids.pop(str(node.url), None)
        return await self.node_id(node)


def _dialled(node: Node, hosts: object) -> str:
    """What a log-in names as the host: what was dialled, with its port where the node is known by that."""
    with_port = f"{node.host}:{node.url.port}"
    return with_port if isinstance(hosts, list) and node.host not in hosts and with_port in hosts else node.host
