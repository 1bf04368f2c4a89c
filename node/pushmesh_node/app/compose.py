"""The composition root: the only place that builds objects from a configuration, runs a node, and ends it in order."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from pushmesh_protocol.auth.ed25519 import public_key
from pushmesh_protocol.errors import NetworkFileError
from pushmesh_protocol.network import Network, load_network

from ..api.acknowledged import Assured, StatusLimits
from ..api.app import ApiLimits, HttpServer, build_api, routes_of
from ..api.broker_hooks import BrokerHookRoutes
from ..api.gate import GateLimits
from ..api.guests import GuestRoutes
from ..api.publish_stream import StreamLimits
from ..config import Config, ConfigError, key_path, network_path, store_path
from ..config.schema import StoreConfig
from ..delivery.bridge_settings import BridgeSettings
from ..delivery.messages import MessageForms
from ..delivery.routes import delivery_routes
from ..delivery.service import HttpLimits, NodeFacts, Service
from ..delivery.session import SessionLimits
from ..metrics import Metrics
from ..storage.errors import StoreDamaged, StoreError
from ..storage.receipts import Issuer
from ..storage.retention import NONE
from ..storage.settings import StoreSettings
from ..storage.store import Store
from .bridging import build_bridges, build_guests, read_bridges, run_bridges
from .broker_hooks import BrokerHooks
from .clock import now_ms
from .descriptors import raise_limit
from .directory import Directory
from .gossip_process import COMMAND
from .guests import Guests
from .keys import load_key
from .mqtt_serving import build_endpoint, serve_mqtt, socket_routes
from .node import Node
from .remaking import remaking, sharding

if TYPE_CHECKING:
    from ..delivery.bridge import Bridge

log = structlog.get_logger()

Ready = Callable[[Node], None]

SALVAGES = 3
"""Lives of a node in one process; a disk that damages more than so many files is no place for one."""

SWITCH_INTERVAL_S = 50e-6
"""How long a thread of the store waits for the interpreter lock while the loop is busy; the default is 5 ms, and a
commit takes the lock some ten times."""


async def run_node(
    config: Config,
    *,
    ready: Ready | None = None,
    stop: asyncio.Event | None = None,
    gossip_command: Sequence[str] = COMMAND,
) -> None:
    """Run a node until SIGTERM, SIGINT or `stop`; SIGHUP has its certificate read again. Calls `ready` once it listens.
    The laboratory alone starts the gossip process by another command.

    Raises ConfigError with one sentence for what only an operator can mend."""
    stop = asyncio.Event() if stop is None else stop
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    reread = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reread.set)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    for _ in range(SALVAGES):
        try:
            return await _run_until(stop, reread, config, ready, gossip_command)
        except* StoreDamaged as damaged:
            log.error("the store is damaged; opening it anew salvages it", error=str(damaged.exceptions[0]))
            ready = None
    raise ConfigError(f"the store {store_path(config)} was damaged {SALVAGES} times: look at the disk below it")


async def _run_until(
    stop: asyncio.Event, reread: asyncio.Event, config: Config, ready: Ready | None, gossip_command: Sequence[str]
) -> None:
    """One life of a node: until `stop`, or until pages of its store turn out damaged."""
    network = read_network(config)
    seed = load_key(key_path(config))
    bridge_settings = read_bridges(config)
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        store = await open_store(config, network, public_key(seed))
        stack.push_async_callback(store.close)
        node = Node(config, network, seed, store, metrics, gossip_command)
        stack.push_async_callback(node.close)
        await node.restore()
        running = asyncio.create_task(node.run(), name="node")
        stack.push_async_callback(_cancel, running)
        forms = MessageForms(store.incarnation, config.delivery.shared_messages)
        bridges = build_bridges(bridge_settings, node, forms)
        guests = await build_guests(bridge_settings, node, bridges)
        bridge_routes = _bridge_routes(config, node, bridge_settings, guests)
        await _serve(stack, config, node, forms, bridges, bridge_routes, reread)
        work = [running]
        if bridges:
            work.append(asyncio.create_task(run_bridges(bridges, node.broadcasts), name="bridges"))
            stack.push_async_callback(_cancel, work[-1])
        log.info("node listens", api=node.status.api_address, mqtt=node.status.mqtt_address, node_id=node.node_id.hex())
        if ready is not None:
            ready(node)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((stopping, *work), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in work:
            if task.done():
                task.result()  # it never ends by itself, so this raises our own fault: crash loudly
        node.status.draining = True
        log.info("node drains")
    log.info("node ended")


def read_network(config: Config) -> Network:
    """The network that the configuration names. Raises ConfigError."""
    path = network_path(config)
    try:
        return load_network(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, NetworkFileError) as error:
        raise ConfigError(f"the network file {path} cannot be used: {error}") from error


async def open_store(config: Config, network: Network, node_id: bytes, new_incarnation: bytes | None = None) -> Store:
    """The store that the configuration names, with receipts in this node's name; a new one gets a random incarnation.
    Raises ConfigError."""
    path: Path = store_path(config)
    try:
        return await Store.open(
            path,
            new_incarnation=new_incarnation or secrets.token_bytes(16),
            settings=_store_settings(config.store),
            shard_of=sharding(network),
            remake=remaking(network),
            issuer=Issuer(network, node_id, round(config.receipts.keep_s * 1000), now_ms),
        )
    except StoreError as error:
        raise ConfigError(str(error)) from error


def _store_settings(store: StoreConfig) -> StoreSettings:
    return StoreSettings(
        queue_calls=store.queue_calls,
        queue_bytes=store.queue_bytes,
        write_cache_bytes=store.write_cache_bytes,
        read_cache_bytes=store.read_cache_bytes,
        budget_bytes=store.budget_bytes,
        min_free_bytes=store.min_free_bytes,
        max_envelopes=store.max_envelopes_per_shard or NONE,
        max_bytes=store.max_bytes_per_shard or NONE,
        max_age_ms=int(store.max_age_s * 1000) or NONE,
    )


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait((task,))


async def _serve(
    stack: AsyncExitStack,
    config: Config,
    node: Node,
    forms: MessageForms,
    bridges: "Sequence[Bridge]",
    bridge_routes: Sequence[web.RouteDef],
    reread: asyncio.Event,
) -> None:
    """Open every door; the stack closes them in the opposite order, before the node itself."""
    raise_limit(config.api.max_connections + (config.mqtt.max_connections if config.mqtt.enabled else 0))
    consumers = node.consumers
    service = _service(config, node, forms)
    endpoint, mqtt_routes = None, list[web.RouteDef]()
    if config.mqtt.enabled:
        sessions = replace(_session_limits(config), idle_s=3_600.0)  # MQTT has a keep-alive of its own
        endpoint = build_endpoint(config, node, sessions, _report(node))
        mqtt_routes = socket_routes(config, endpoint)
    directory = Directory(
        node.network, lambda: node.driver.engine.state, node.store, node.opener, node.status, now_ms, _edges(config)
    )
    api = build_api(
        node.publishing,
        directory,
        node.tokens,
        node.access.authenticate,
        report=_report(node),
        limits=_api_limits(config, node.network),
        metrics=node.metrics.exposition if config.api.metrics else None,
        other_routes=[*delivery_routes(service), *mqtt_routes, *bridge_routes],
        assurance=Assured(node.assurance.acknowledging, node.assurance.statuses, node.assurance.acknowledgements),
        drains=[consumers.drain],
        answered=node.metrics.answered,
        refused=node.metrics.refused,
        refused_access=node.metrics.refused_access,
    )
    node.metrics.serve_routes(routes_of(api))
    node.connections = lambda: {
        **consumers.by_transport(),
        "publish": api.publishers(),
        "bridge": sum(bridge.is_connected for bridge in bridges),
    }
    node.bridges = lambda: [{"name": bridge.name, "connected": bridge.is_connected} for bridge in bridges]
    server = HttpServer(api, config.api.host, config.api.port)
    try:
        await stack.enter_async_context(server)
    except OSError as error:
        where = f"{config.api.host}:{config.api.port}"
        raise ConfigError(f"cannot listen on {where}: {error.strerror}; change api.host or api.port") from error
    node.status.api_address = f"http://{config.api.host}:{server.port}"
    node.hosts.update({f"{config.api.host}:{server.port}"})
    if endpoint is not None:
        await serve_mqtt(stack, config, node, endpoint, reread)


def _bridge_routes(config: Config, node: Node, bridges: Sequence[BridgeSettings], guests: Guests) -> list[web.RouteDef]:
    """What brokers ask, where a bridge has a secret for them, and what wallets ask."""
    routes = GuestRoutes(guests, node.access.authenticate).routes()
    if any(bridge.hook_secret for bridge in bridges):
        hooks = BrokerHooks(node.access, bridges, guests.holds)
        refused = partial(node.metrics.refused_access, "bridge")
        routes += BrokerHookRoutes(hooks, config.api.body_timeout_s, refused).routes()
    return routes


def _service(config: Config, node: Node, forms: MessageForms) -> Service:
    delivery = config.delivery
    return Service(
        facts=NodeFacts(node.node_id, node.network.display, node.hosts),
        inboxes=node.inboxes,
        wallets=node.wallets,
        subscriptions=node.own_subscriptions,
        authenticate=node.access.authenticate,
        publish=node.publishing.publish,
        door=node.door,
        consumers=node.consumers,
        forms=forms,
        now_ms=now_ms,
        report=_report(node),
        refused_access=node.metrics.refused_access,
        sessions=_session_limits(config),
        limits=HttpLimits(
            page_messages=delivery.read_page_messages,
            longest_poll_s=config.api.longest_poll_s,
            body_timeout_s=config.api.body_timeout_s,
            heartbeat_s=delivery.heartbeat_s,
        ),
    )


def _session_limits(config: Config) -> SessionLimits:
    delivery = config.delivery
    return SessionLimits(
        queue_messages=delivery.live_queue_messages,
        queue_bytes=delivery.live_queue_bytes,
        page_messages=delivery.read_page_messages,
        write_s=delivery.write_timeout_s,
        idle_s=delivery.heartbeat_s,
    )


def _api_limits(config: Config, network: Network) -> ApiLimits:
    api = config.api
    return ApiLimits(
        api_batch_bytes=network.limits.api_batch_bytes,
        item_bytes=network.limits.item_bytes,
        header_bytes=api.max_header_bytes,
        body_timeout_s=api.body_timeout_s,
        idle_s=api.idle_timeout_s,
        drain_s=config.node.drain_timeout_s,
        longest_wait_s=config.receipts.longest_wait_s,
        status=StatusLimits(streams=config.receipts.max_status_streams),
        stream=StreamLimits(
            window=api.publish_window, window_bytes=api.publish_window_bytes, batches=api.publish_batches
        ),
        gate=GateLimits(
            connections=api.max_connections,
            per_place=api.max_connections_per_ip,
            exempt_loopback=api.exempt_loopback,
            header_s=api.header_timeout_s,
        ),
    )


def _edges(config: Config) -> dict[str, int]:
    """What `/v1/limits` says of this node's own edges."""
    return {
        "publish_window": config.api.publish_window,
        "publish_window_bytes": config.api.publish_window_bytes,
        "consumers_per_account": config.delivery.max_consumers_per_account,
        "page_messages": config.delivery.read_page_messages,
    }


def _report(node: Node) -> Callable[[BaseException, str], None]:
    def report(error: BaseException, where: str) -> None:
        log.error("a request failed", where=where, error=repr(error), exc_info=error)
        node.metrics.crashed()

    return report
