"""What a bridge is told, and the access list that its broker wants. Reads no configuration and no file."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.types import Account


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """One external broker and what it gets. A name is for good: the places reached are kept under it.

    `tls` None is a connection in the clear."""

    name: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    username: str | None
    password: str | None = field(repr=False)
    topic_prefix: str
    accounts: tuple[Account, ...]
    topics: tuple[Topic, ...]
    max_in_flight: int
    reconnect_max_s: float

    def inbox_topic(self, account: Account) -> str:
        """Where the messages of an account's inbox go."""
        return f"{self.topic_prefix}/{display_account(account)}/inbox"

    def broadcast_topic(self, topic: Topic) -> str:
        """Where the notifications to all subscribers of a topic go."""
        return f"{self.topic_prefix}/topics/{display_topic(topic)}"


def mosquitto_acl(settings: BridgeSettings, bridge_user: str, readers: Mapping[str, Account]) -> str:
    """Mosquitto's access list: the bridge alone writes, everybody logged in reads broadcasts, a reader its own inbox.

    `readers` maps user names of the broker, which cannot hold the colons of an account, to accounts."""
    lines = [f"user {bridge_user}", f"topic write {settings.topic_prefix}/#", ""]
    for user, account in sorted(readers.items()):
        lines += [
            f"user {user}",
            f"topic read {settings.inbox_topic(account)}",
            f"topic read {settings.topic_prefix}/topics/#",
            "",
        ]
    return "\n".join(lines)
