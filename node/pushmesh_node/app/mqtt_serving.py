"""Builds the MQTT endpoint from the configuration and opens its doors: plain, under TLS, over WebSocket."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import web

from ..config import Config, ConfigError, data_path
from ..delivery.mqtt import Limits, MqttEndpoint, Redirect
from ..delivery.mqtt.doors import Tls
from ..delivery.mqtt.ports import TRANSPORT, Ports
from ..delivery.mqtt.websocket import PATH, SocketRoute
from ..delivery.session import SessionLimits
from .certificates import Certificate
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


async def serve_mqtt(
    stack: AsyncExitStack, config: Config, node: Node, endpoint: MqttEndpoint, reread: asyncio.Event
) -> None:
    """Listen; the stack closes. The certificate is looked at again when `reread` is set. Raises ConfigError."""
    mqtt = config.mqtt
    certificate = certificate_of(config, node.metrics.mqtt)
    stack.push_async_callback(endpoint.close)
    port = await _listen(endpoint, mqtt.host, mqtt.port, None)
    node.status.mqtt_address = f"mqtt://{mqtt.host}:{port}"
    if certificate is not None:
        shown = certificate
        port = await _listen(endpoint, mqtt.tls_host, mqtt.tls_port, lambda: shown.context)
        watch = asyncio.create_task(certificate.watch(reread), name="mqtt-certificate")
        stack.push_async_callback(_end, watch)
        node.status.mqtts_address = f"mqtts://{mqtt.tls_host}:{port}"
    if mqtt.websocket:
        node.status.mqtt_websocket_address = node.status.api_address.replace("http", "ws", 1) + PATH


async def _listen(endpoint: MqttEndpoint, host: str, port: int, tls: Tls | None) -> int:
    try:
        return await endpoint.listen(host, port, tls)
    except OSError as error:
        prefix = "mqtt.tls_" if tls else "mqtt."
        hint = f"change {prefix}host or {prefix}port"
        raise ConfigError(f"cannot listen on {host}:{port} for MQTT: {error.strerror}; {hint}") from error


def certificate_of(config: Config, observe: Callable[[str, str], None]) -> Certificate | None:
    """What MQTT over TLS shows of itself; None where it is not configured. Raises ConfigError."""
    mqtt = config.mqtt
    if not mqtt.tls_cert_file and not mqtt.tls_key_file:
        return None
    if not mqtt.tls_cert_file or not mqtt.tls_key_file:
        raise ConfigError("MQTT over TLS needs both mqtt.tls_cert_file and mqtt.tls_key_file")
    return Certificate(data_path(config, mqtt.tls_cert_file), data_path(config, mqtt.tls_key_file), observe)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
