"""What an operator says of a bridge, checked, and the access list that its broker wants. No connection here."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from pushmesh_protocol.accounts import Topic, display_account, display_topic, parse_account, parse_topic
from pushmesh_protocol.errors import AccountError
from pushmesh_protocol.types import Account

T = TypeVar("T")
PORTS = {"mqtt": 1883, "mqtts": 8883}
_NAME = re.compile(r"[a-z0-9-]{1,32}\Z")
_LEVEL = re.compile(r"[^#+\x00-\x1f\x7f/]+(/[^#+\x00-\x1f\x7f/]+)*\Z")
_KEYS = {"name", "url", "topic_prefix", "accounts", "topics", "in_flight"}


class BridgeError(ValueError):
    """Raised for a `[[bridge]]` that cannot be used: one sentence for the operator that names the key."""


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """One external broker and what it gets. A name is for good: the places reached are kept under it."""

    name: str
    host: str
    port: int
    is_tls: bool
    username: str | None
    password: str | None = field(repr=False)
    topic_prefix: str
    accounts: tuple[Account, ...]
    topics: tuple[Topic, ...]
    in_flight: int

    def inbox_topic(self, account: Account) -> str:
        """Where the messages of an account's inbox go."""
        return f"{self.topic_prefix}/{display_account(account)}/inbox"

    def broadcast_topic(self, topic: Topic) -> str:
        """Where the notifications to all subscribers of a topic go."""
        return f"{self.topic_prefix}/topics/{display_topic(topic)}"


def read_bridge(table: Mapping[str, Any]) -> BridgeSettings:
    """The settings of one `[[bridge]]` table. Raises BridgeError."""
    unknown = sorted(table.keys() - _KEYS)
    if unknown:
        raise BridgeError(f"bridge.{unknown[0]} is not a key; there are {', '.join(sorted(_KEYS))}")
    name = _text(table, "name", None)
    if _NAME.match(name) is None:
        raise BridgeError("bridge.name has 1 to 32 characters of a-z, 0-9 and -")
    host, port, is_tls, username, password = _address(_text(table, "url", None))
    prefix = _text(table, "topic_prefix", "pushmesh")
    if _LEVEL.match(prefix) is None or prefix.startswith("$"):
        raise BridgeError("bridge.topic_prefix is a topic without wildcards, such as pushmesh")
    in_flight = table.get("in_flight", 64)
    if type(in_flight) is not int or not 1 <= in_flight <= 1_000:
        raise BridgeError("bridge.in_flight is a number from 1 to 1000")
    accounts = tuple(_parsed(each, "accounts", parse_account) for each in _list(table, "accounts"))
    topics = tuple(_parsed(each, "topics", parse_topic) for each in _list(table, "topics"))
    if not accounts and not topics:
        raise BridgeError("bridge.accounts and bridge.topics are both empty, so there is nothing to bridge")
    return BridgeSettings(name, host, port, is_tls, username, password, prefix, accounts, topics, in_flight)


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


def _text(table: Mapping[str, Any], key: str, default: str | None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise BridgeError(f"bridge.{key} is missing or no text")
    return value


def _list(table: Mapping[str, Any], key: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BridgeError(f"bridge.{key} is a list of texts")
    if len(set(value)) < len(value):
        raise BridgeError(f"bridge.{key} names something twice")
    return value


def _parsed(text: str, key: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except AccountError as error:
        raise BridgeError(f"bridge.{key} holds {text!r}: {error}") from error


def _address(url: str) -> tuple[str, int, bool, str | None, str | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise BridgeError(f"bridge.url is no address: {error}") from error
    if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BridgeError("bridge.url is mqtt://[user:password@]host[:port], or mqtts:// for TLS")
    username = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    return parts.hostname, port, parts.scheme == "mqtts", username, password
