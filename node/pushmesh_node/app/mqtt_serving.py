"""Builds the MQTT endpoint from the configuration and opens its doors: plain, under TLS, over WebSocket."""

import secrets
import ssl
import stat
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import web

from ..config import Config, ConfigError, data_path
from ..delivery.mqtt import Limits, MqttEndpoint, Redirect
from ..delivery.mqtt.ports import TRANSPORT, Ports
from ..delivery.mqtt.websocket import PATH, SocketRoute
from ..delivery.session import SessionLimits
from .clock import now_ms
from .node import Node

Report = Callable[[BaseException, str], None]


def build_endpoint(config: Config, node: Node, sessions: SessionLimits, report: Report) -> MqttEndpoint:
    """The endpoint, which does not listen yet. Raises ConfigError for a certificate that cannot be used."""
    mqtt = config.mqtt
    ports = Ports(
        inboxes=node.inboxes,
        publish=node.publishing.publish,
        publish_and_tell=node.assurance.acknowledging.publish,
        door=node.door,
        authenticate=node.access.authenticate,
        consumers=node.consumers,
        wallets=node.wallets,
        subscriptions=node.own_subscriptions,
        now_ms=now_ms,
        random_id=lambda: secrets.token_hex(8),
        observe=node.metrics.mqtt,
        refused_access=partial(node.metrics.refused_access, TRANSPORT),
        report=report,
        sessions=sessions,
    )
    limits = Limits(
        packet_bytes=mqtt.max_packet_bytes,
        inbound_window=mqtt.receive_maximum,
        connect_timeout_s=mqtt.connect_timeout_s,
        max_keep_alive_s=mqtt.max_keep_alive_s,
        write_timeout_s=config.delivery.write_timeout_s,
        connections=mqtt.max_connections,
        connections_per_host=mqtt.max_connections_per_ip,
        exempt_loopback=mqtt.exempt_loopback,
    )
    redirect = Redirect(" ".join(mqtt.redirect_to), for_good=mqtt.redirect_for_good)
    return MqttEndpoint(node.node_id, node.network.id, ports, limits, redirect, node.hosts)


def socket_routes(config: Config, endpoint: MqttEndpoint) -> list[web.RouteDef]:
    """MQTT over WebSocket, for the HTTP application."""
    if not config.mqtt.websocket:
        return []
    route = SocketRoute(endpoint, config.mqtt.max_packet_bytes)
    return [web.get(PATH, route.serve, allow_head=False)]


async def serve_mqtt(stack: AsyncExitStack, config: Config, node: Node, endpoint: MqttEndpoint) -> None:
    """Listen; the stack closes. Raises ConfigError."""
    mqtt = config.mqtt
    tls = tls_context(config)
    stack.push_async_callback(endpoint.close)
    port = await _listen(endpoint, mqtt.host, mqtt.port, None)
    node.status.mqtt_address = f"mqtt://{mqtt.host}:{port}"
    if tls is not None:
        port = await _listen(endpoint, mqtt.tls_host, mqtt.tls_port, tls)
        node.status.mqtts_address = f"mqtts://{mqtt.tls_host}:{port}"
    if mqtt.websocket:
        node.status.mqtt_websocket_address = node.status.api_address.replace("http", "ws", 1) + PATH


async def _listen(endpoint: MqttEndpoint, host: str, port: int, tls: ssl.SSLContext | None) -> int:
    try:
        return await endpoint.listen(host, port, tls)
    except OSError as error:
        prefix = "mqtt.tls_" if tls else "mqtt."
        hint = f"change {prefix}host or {prefix}port"
        raise ConfigError(f"cannot listen on {host}:{port} for MQTT: {error.strerror}; {hint}") from error


def tls_context(config: Config) -> ssl.SSLContext | None:
    """What MQTT over TLS shows of itself; None where it is not configured. Raises ConfigError."""
    mqtt = config.mqtt
    if not mqtt.tls_cert_file and not mqtt.tls_key_file:
        return None
    if not mqtt.tls_cert_file or not mqtt.tls_key_file:
        raise ConfigError("MQTT over TLS needs both mqtt.tls_cert_file and mqtt.tls_key_file")
    cert, key = data_path(config, mqtt.tls_cert_file), data_path(config, mqtt.tls_key_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        cert.open("rb").close()
        mode = key.stat().st_mode
        key.open("rb").close()
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"{cert} and {key} are no certificate in PEM form with its unencrypted key") from error
    except OSError as error:
        raise ConfigError(f"the file {error.filename} for MQTT over TLS cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o007:
        raise ConfigError(f"the key {key} can be read by everybody; run `chmod o= {key}`")
    return context


def _no_password() -> str:
    """Else a start would wait for somebody at the terminal to type one."""
    return ""
