"""What a bridge is told, and which topics of its broker are for what. Reads no configuration and no file."""

import ssl
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
    takes_publishes: bool = False
    """Whether dapps may publish signed envelopes through the broker."""
    max_wallets: int = 0
    """How many wallets that ask are served beside `accounts`."""
    hook_secret: str | None = field(default=None, repr=False)
    """What the broker shows when it asks who may do what; None where it does not ask."""

    def publish_topic(self, user: str) -> str:
        """Where a user of the broker publishes, and nobody else: the broker alone knows who published."""
        return f"{self.topic_prefix}/publish/{user}"

    def receipts_prefix(self, user: str) -> str:
        """What the topics of answers to what a user published start with."""
        return f"{self.topic_prefix}/receipts/{user}/"

    def inbox_topic(self, account: Account) -> str:
        """Where the messages of an account's inbox go."""
        return f"{self.topic_prefix}/{display_account(account)}/inbox"

    def broadcast_topic(self, topic: Topic) -> str:
        """Where the notifications to all subscribers of a topic go."""
        return f"{self.topic_prefix}/topics/{display_topic(topic)}"
