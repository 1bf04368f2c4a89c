"""What a gossip process is told when it starts."""

from pushmesh_protocol.kinds.registry import CONTROL_KINDS, KIND_NAMES
from pushmesh_protocol.network import Network, dump_network

from .. import ipc
from ..config import Config
from .assurance import PROTOCOLS as ASSURANCE_PROTOCOLS
from .logs import is_for_people
from .sync import PROTOCOL as SYNC_PROTOCOL
from .version import VERSION


def start_message(config: Config, network: Network, seed: bytes) -> ipc.Start:
    """Who this node is, where it listens, whom it asks for peers, and its limits."""
    gossip = config.gossip
    return ipc.Start(
        version=ipc.IPC_VERSION,
        node_seed=seed,
        network_id=network.id,
        network=dump_network(network),
        agent=f"pushmesh/{VERSION}",
        listen=list(gossip.listen),
        announce=list(gossip.announce),
        bootstrap=list(gossip.bootstrap),
        direct=list(gossip.direct),
        shards=network.shard_count,
        control_kinds=[KIND_NAMES[kind] for kind in CONTROL_KINDS],
        stream_protocols=[SYNC_PROTOCOL, *ASSURANCE_PROTOCOLS],
        log_level=config.node.log_level,
        log_console=is_for_people(config),
        discovery=ipc.Discovery(
            dns_lists=list(gossip.dns_lists),
            dns_servers=list(gossip.dns_servers),
            mdns=gossip.mdns,
            mdns_interfaces=list(gossip.mdns_interfaces),
            dht=gossip.dht,
        ),
        settings=ipc.Settings(
            max_peers=gossip.max_peers,
            target_peers=gossip.target_peers,
            max_connections_per_ip=gossip.max_connections_per_ip,
            max_connections_per_subnet=gossip.max_connections_per_subnet,
            exempt_loopback=gossip.exempt_loopback,
            checks_per_peer_per_s=gossip.signature_checks_per_peer_per_s,
        ),
    )
