"""`pushmesh bridge`: the access control that a bridge's broker needs, from the node's own configuration."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .exits import Exit
from .guard import CommandError, guarded
from .output import emit
from .run import CONFIG_VARIABLE, DEFAULT_CONFIG, config_path

if TYPE_CHECKING:
    from pushmesh_protocol.types import Account

    from ..config import BridgeConfig
    from ..delivery.bridge_settings import BridgeSettings

app = typer.Typer(help="Access control for the broker behind a [[bridge]].", no_args_is_help=True)

BridgeName = Annotated[str, typer.Argument(metavar="[NAME]", help="Of the bridge; not needed where there is one.")]
ConfigPath = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help=f"By default ${CONFIG_VARIABLE} or {DEFAULT_CONFIG}."),
]
Readers = Annotated[
    list[str] | None,
    typer.Option("--reader", metavar="USER=ACCOUNT", help="Another user name for an account; may be repeated."),
]
Users = Annotated[
    list[str] | None,
    typer.Option("--user", metavar="USER", help="One without an inbox, such as a dapp; may be repeated."),
]


@app.command("acl")
@guarded
def acl(name: BridgeName = "", config: ConfigPath = None, reader: Readers = None, user: Users = None) -> None:
    """Print the acl_file of a Mosquitto: the node alone writes, each account reads its own inbox.

    Accounts are users with points for colons, eip155.1.0x..., which is what a password file can hold."""
    from ..delivery.broker_access import access_list, password_file_name, rights_of_all

    settings = _settings(name, config)
    users = _users(settings, reader or (), user or (), password_file_name)
    for each in users:
        if ":" in each:
            raise CommandError(f"the user {each!r} has a colon, which no password file of Mosquitto can hold")
    sys.stdout.write(access_list(rights_of_all(settings, users)))


@app.command("dynsec")
@guarded
def dynsec(name: BridgeName = "", config: ConfigPath = None, reader: Readers = None, user: Users = None) -> None:
    """Print commands for Mosquitto's dynamic-security plugin, some in each line, for mosquitto_pub -l.

    Accounts are users by their CAIP-10 name. Passwords are yours to set: mosquitto_ctrl dynsec setClientPassword."""
    from pushmesh_protocol.accounts import display_account

    from ..delivery.broker_access import rights_of_all, security_commands

    settings = _settings(name, config)
    users = _users(settings, reader or (), user or (), display_account)
    for piece in security_commands(settings.name, rights_of_all(settings, users)):
        emit(piece)


def _settings(name: str, config: Path | None) -> "BridgeSettings":
    """Of the bridge of this name, or of the only one. Raises CommandError and ConfigError."""
    from ..app.bridging import outline_of
    from ..config import load_config

    path = config_path(config, os.environ)
    found = _named(load_config(path, {}, {}).bridge, name, path)
    if not found.username:
        raise CommandError(
            f"the bridge {found.name} has no username: without one its broker cannot tell it from others", Exit.USAGE
        )
    return outline_of(found)


def _named(bridges: "tuple[BridgeConfig, ...]", name: str, path: Path) -> "BridgeConfig":
    by_name = {bridge.name: bridge for bridge in bridges}
    if not name and len(by_name) == 1:
        return bridges[0]
    if name in by_name:
        return by_name[name]
    known = f"it has {', '.join(by_name)}" if by_name else "it has none"
    raise CommandError(f"name a [[bridge]] of {path}: {known}")


def _users(
    settings: "BridgeSettings",
    readers: "list[str] | tuple[()]",
    others: "list[str] | tuple[()]",
    name_of: "Callable[[Account], str]",
) -> "Mapping[str, Account | None]":
    """Each user with the account whose inbox is its own. Raises CommandError."""
    from pushmesh_protocol.accounts import display_account, parse_account

    from ..delivery.broker_access import is_user_name

    named: dict[Account, list[str]] = {}
    for text in readers:
        user, equals, account_text = text.partition("=")
        if not equals:
            raise CommandError(f"--reader {text!r} is not of the form user=account")
        account = parse_account(account_text)
        if account not in settings.accounts:
            raise CommandError(f"the bridge {settings.name} does not publish the inbox of {display_account(account)}")
        named.setdefault(account, []).append(user)
    pairs: list[tuple[str, Account | None]] = [
        (user, account) for account in settings.accounts for user in named.get(account, [name_of(account)])
    ]
    pairs += [(user, None) for user in others]
    users: dict[str, Account | None] = {}
    for user, owner in pairs:
        if not is_user_name(user):
            raise CommandError(f"{user!r} is no name for a user: it is part of a topic, and of a line of a list")
        if user in users or user == settings.username:
            raise CommandError(f"the user {user!r} is named twice")
        users[user] = owner
    return users
