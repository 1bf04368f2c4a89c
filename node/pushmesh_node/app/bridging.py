"""Bridges as the operator configured them: their secrets read, built, and run until the node ends."""

import asyncio
import ssl
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pushmesh_protocol.accounts import parse_account, parse_topic

from ..config import BridgeConfig, Config, ConfigError, data_path
from ..delivery.bridge_settings import BridgeSettings
from ..delivery.messages import MessageForms
from .broadcasts import Broadcasts
from .clock import now_ms
from .guests import Guests
from .node import Node

if TYPE_CHECKING:
    from ..delivery.bridge import Bridge

PORTS: Final = {"mqtt": 1_883, "mqtts": 8_883}


def read_bridges(config: Config) -> list[BridgeSettings]:
    """What each bridge is told; the configuration has checked its texts. Raises ConfigError for its files."""
    return [
        replace(
            outline_of(bridge),
            tls=_tls(config, bridge) if urlsplit(bridge.url).scheme == "mqtts" else None,
            password=_secret(config, bridge, "password", bridge.password_file),
            hook_secret=_secret(config, bridge, "hook secret", bridge.hook_secret_file),
        )
        for bridge in config.bridge
    ]


def outline_of(bridge: BridgeConfig) -> BridgeSettings:
    """The same without what stands in files: enough to say who may do what at the broker."""
    address = urlsplit(bridge.url)
    assert address.hostname is not None  # a broker's url has one
    return BridgeSettings(
        name=bridge.name,
        host=address.hostname,
        port=address.port or PORTS[address.scheme],
        tls=None,
        username=bridge.username or None,
        password=None,
        topic_prefix=bridge.topic_prefix,
        accounts=tuple(dict.fromkeys(map(parse_account, bridge.accounts))),
        topics=tuple(dict.fromkeys(map(parse_topic, bridge.topics))),
        max_in_flight=bridge.max_in_flight,
        reconnect_max_s=bridge.reconnect_max_s,
        takes_publishes=bridge.takes_publishes,
        max_wallets=bridge.max_wallets,
    )


def _secret(config: Config, bridge: BridgeConfig, what: str, name: str) -> str | None:
    if not name:
        return None
    path = data_path(config, name)
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise _unusable(bridge, what, path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unusable(bridge, what, path, f"is not UTF-8 (byte {error.start})") from error
    if stat.S_IMODE(mode) & 0o077:
        raise _unusable(bridge, what, path, f"can be read by others; run `chmod 600 {path}`")
    secret = text.partition("\n")[0].rstrip("\r")
    if not secret:
        raise _unusable(bridge, what, path, "has nothing on its first line")
    return secret


def _tls(config: Config, bridge: BridgeConfig) -> ssl.SSLContext:
    if not bridge.ca_file:
        return ssl.create_default_context()
    path = data_path(config, bridge.ca_file)
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise _unusable(bridge, "ca", path, "holds no certificates in PEM form") from error
    except OSError as error:
        raise _unusable(bridge, "ca", path, f"cannot be read: {error.strerror}") from error


def _unusable(bridge: BridgeConfig, what: str, path: Path, why: str) -> ConfigError:
    return ConfigError(f"the {what} file {path} of the bridge {bridge.name} {why}")


def build_bridges(settings: Sequence[BridgeSettings], node: Node, forms: MessageForms) -> "list[Bridge]":
    """None of them runs yet."""
    if not settings:
        return []  # most nodes have none, and the broker's client takes a quarter of their start to import
    from ..delivery.bridge import Bridge
    from ..delivery.bridge_intake import WayIn

    way_in = WayIn(node.assurance.acknowledging, node.door, node.network.limits.frame_bytes)
    return [
        Bridge(
            each,
            node.inboxes,
            node.broadcasts,
            node_id=node.node_id,
            forms=forms,
            now_ms=now_ms,
            observe=node.metrics.bridge,
            way_in=way_in,
        )
        for each in settings
    ]


async def build_guests(settings: Sequence[BridgeSettings], node: Node, bridges: "Sequence[Bridge]") -> Guests:
    """The wallets that asked for these bridges, which serve them from now on. Raises StoreFailed."""
    guests = Guests(
        settings,
        node.store,
        node.consumers,
        now_ms,
        welcome=node.welcome,
        observe=node.metrics.bridge,
        count=node.metrics.bridge_wallets,
    )
    guests.restore(await node.store.guests())
    guests.attach({bridge.name: bridge for bridge in bridges})
    return guests


async def run_bridges(bridges: "Sequence[Bridge]", broadcasts: Broadcasts) -> None:
    """Until cancelled. What ends it otherwise is a fault of ours, which ends all of them."""
    async with asyncio.TaskGroup() as group:
        group.create_task(broadcasts.run(), name="broadcasts")
        for bridge in bridges:
            group.create_task(bridge.run(), name=f"bridge-{bridge.name}")
