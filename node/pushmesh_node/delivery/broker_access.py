"""Who may do what at an external broker, and how that is said to it: as an access list or in commands of Mosquitto's
dynamic-security plugin. Pure: knows no broker, and no password."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.types import Account

from .bridge_settings import BridgeSettings

_USER = re.compile(r"[^\s#+/\x00-\x1f\x7f]{1,256}\Z")
COMMANDS_A_LINE = 64


@dataclass(frozen=True, slots=True)
class Rights:
    """Topic filters of MQTT that a user may read and write. What is in none of them is refused."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]

    def may_read(self, wanted: str) -> bool:
        """Whether everything under a topic or a subscription's filter may be read."""
        return any(covers(each, wanted) for each in self.reads)

    def may_write(self, topic: str) -> bool:
        """Whether one may publish to a topic."""
        return not set("+#") & set(topic) and any(covers(each, topic) for each in self.writes)


def covers(granted: str, wanted: str) -> bool:
    """Whether all topics of the wanted filter, which may be a topic, are among those of the granted one.

    Shared subscriptions (`$share/...`) and what else starts with a dollar are covered by nothing."""
    if wanted.startswith("$") or not wanted:
        return False
    mine, theirs = granted.split("/"), wanted.split("/")
    for at, level in enumerate(mine):
        if level == "#":
            return True  # also of the level above it
        if at == len(theirs):
            return False
        if theirs[at] == "#" or (level != "+" and theirs[at] != level):
            return False
    return len(theirs) == len(mine)


def rights_of_bridge(settings: BridgeSettings) -> Rights:
    """The node's own user: it alone writes what wallets read."""
    return Rights((settings.publish_topic("+"),) if settings.takes_publishes else (), (f"{settings.topic_prefix}/#",))


def rights_of_user(settings: BridgeSettings, user: str, inbox: Account | None, *, may_publish: bool = True) -> Rights:
    """A wallet's or a dapp's: the inbox of its account, if it has one, and broadcasts, which are public. Who may
    publish does so under its own name, and reads the answers that are its own."""
    reads = [f"{settings.topic_prefix}/topics/#"]
    if inbox is not None:
        reads.insert(0, settings.inbox_topic(inbox))
    if not settings.takes_publishes or not may_publish:
        return Rights(tuple(reads), ())
    return Rights((*reads, f"{settings.receipts_prefix(user)}#"), (settings.publish_topic(user),))


def rights_of_all(settings: BridgeSettings, users: Mapping[str, Account | None]) -> dict[str, Rights]:
    """Of the bridge itself, which has a user name, and of others with the accounts whose inboxes are theirs."""
    assert settings.username is not None
    others = {user: rights_of_user(settings, user, account) for user, account in users.items()}
    return {settings.username: rights_of_bridge(settings)} | others


def is_user_name(text: str) -> bool:
    """Whether a broker's user may be called so: the name becomes a level of a topic, and a line of a list."""
    return _USER.match(text) is not None


def password_file_name(account: Account) -> str:
    """The name of an account for a password file of Mosquitto, which cannot hold its colons."""
    return display_account(account).replace(":", ".")


def access_list(rights: Mapping[str, Rights]) -> str:
    """Mosquitto's `acl_file`: everybody who is not named in it is refused everything."""
    blocks = []
    for user, each in rights.items():
        lines = [f"topic write {topic}" for topic in each.writes] + [f"topic read {topic}" for topic in each.reads]
        blocks.append("\n".join([f"user {user}", *lines]) + "\n")
    return "\n".join(blocks)


def security_commands(bridge: str, rights: Mapping[str, Rights]) -> Iterator[dict[str, Any]]:
    """What is to be published to `$CONTROL/dynamic-security/v1`, in pieces. Said again they mend what was changed; that
    a role or a client exists already is then the plugin's answer to its creation."""
    commands = [_defaults(), *(each for user in rights for each in _of_user(bridge, user, rights[user]))]
    for at in range(0, len(commands), COMMANDS_A_LINE):
        yield {"commands": commands[at : at + COMMANDS_A_LINE]}


def _defaults() -> dict[str, Any]:
    """Everybody is refused what no role allows; to end a subscription is always allowed."""
    allowed = {"publishClientSend": False, "publishClientReceive": False, "subscribe": False, "unsubscribe": True}
    return {
        "command": "setDefaultACLAccess",
        "acls": [{"acltype": kind, "allow": allow} for kind, allow in allowed.items()],
    }


def _of_user(bridge: str, user: str, rights: Rights) -> Sequence[dict[str, Any]]:
    role = {"rolename": f"pushmesh/{bridge}/{user}", "acls": _acls(rights)}  # no bridge has a / in its name
    client = {"username": user, "roles": [{"rolename": role["rolename"]}]}
    return (
        {"command": "createRole"} | role,
        {"command": "modifyRole"} | role,
        {"command": "createClient"} | client,
        {"command": "modifyClient"} | client,
    )


def _acls(rights: Rights) -> list[dict[str, Any]]:
    kinds = [("publishClientSend", topic) for topic in rights.writes]
    for topic in rights.reads:
        kinds += [("subscribePattern", topic), ("publishClientReceive", topic)]
    return [{"acltype": kind, "topic": topic, "priority": 0, "allow": True} for kind, topic in kinds]
