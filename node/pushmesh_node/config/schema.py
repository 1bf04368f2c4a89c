"""Every key of the configuration, once: name, type, range, default, meaning. configs/default.toml is rendered from it.

Times are in seconds or milliseconds and sizes in bytes, as names say. No secrets: a key names the file that holds one.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .formats import (
    Accounts,
    Bootstraps,
    BrokerUrl,
    DnsLists,
    HostNames,
    Ips,
    Label,
    Listens,
    NameServers,
    Port,
    Prefix,
    Servers,
    Shards,
    Text,
    Topics,
)

MIB = 1 << 20


class NodeConfig(Struct, frozen=True, kw_only=True):
    """The node itself."""

    data_dir: Text = "data"
    """Folder of everything that this node writes, relative to where it is started."""

    key_file: Text = "node.key"
    """The node's Ed25519 seed, readable by its owner only; relative to data_dir."""

    network: Text = "devnet"
    """A shipped network (bench, devnet, testnet), or the path of a network file, which has a slash or ends in .toml."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are logged."""

    log_format: Literal["auto", "console", "json"] = "auto"
    """How lines look; auto is console at a terminal and json elsewhere."""

    drain_timeout_s: Annotated[float, Meta(ge=0, le=600)] = 10.0
    """How long a stopping node finishes what it has taken before it closes connections."""


class ApiConfig(Struct, frozen=True, kw_only=True):
    """HTTP: publishing, inboxes, WebSocket and SSE streams, look-ups, health, metrics."""

    host: Text = "127.0.0.1"
    """Address to listen on; 0.0.0.0 is every interface."""

    port: Port = 8080
    """Port to listen on; 0 takes a free one."""

    public_hosts: HostNames = ("localhost:8080", "127.0.0.1:8080", "localhost", "127.0.0.1")
    """Names under which clients dial this node, with the port where they dial one. A log-in for another name is
    refused, so that no other node can pass one on to this."""

    max_connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 16_384
    """Connections at a time; more are refused."""

    max_connections_per_ip: Annotated[int, Meta(ge=1, le=1_000_000)] = 256
    """Connections of one address at a time."""

    exempt_loopback: bool = True
    """Whether this machine, and so a proxy on it, may exceed max_connections_per_ip."""

    header_timeout_s: Annotated[float, Meta(ge=0.1, le=600)] = 10.0
    """How long a client may take to send the head of a request."""

    body_timeout_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 60.0
    """How long a client may take to send the body of a request."""

    idle_timeout_s: Annotated[float, Meta(ge=1, le=3_600)] = 75.0
    """How long a connection may stay open between two requests."""

    max_header_bytes: Annotated[int, Meta(ge=4_096, le=MIB)] = 16_384
    """Largest head of a request; a log-in in a header takes some 600 bytes."""

    publish_window: Annotated[int, Meta(ge=1, le=1_000_000)] = 4_096
    """Unanswered requests of one publishing stream; beyond it the node stops reading."""

    publish_window_bytes: Annotated[int, Meta(ge=MIB, le=1_024 * MIB)] = 8 * MIB
    """The same in bytes; a single request is always taken."""

    publish_batches: Annotated[int, Meta(ge=1, le=64)] = 4
    """Batches of one publishing stream at work at a time, so that verifying and storing overlap."""

    longest_poll_s: Annotated[float, Meta(ge=0, le=600)] = 30.0
    """How long a request for an inbox may wait for the next message."""

    metrics: bool = True
    """Whether /metrics answers; it names no wallets."""


class AccessConfig(Struct, frozen=True, kw_only=True):
    """Log-ins and tokens, over HTTP and MQTT alike."""

    log_ins_per_minute: Annotated[int, Meta(ge=1, le=10_000_000)] = 1_200
    """Log-ins and newly shown tokens of one address (of one /64 with IPv6) a minute; ten seconds' worth may come at
    once. One that fails counts as ten. Beyond it they are told rate-limited and when to come back, but for a wallet
    that got in from there lately; tokens that were shown before are never counted."""

    exempt_loopback: bool = True
    """Whether this machine, and so a proxy on it, may exceed log_ins_per_minute; such a proxy has to bound them."""


class MqttConfig(Struct, frozen=True, kw_only=True):
    """The node's own MQTT 5 endpoint: a client sees its wallet's inbox and nothing else."""

    enabled: bool = True
    """Whether the node listens for MQTT."""

    host: Text = "127.0.0.1"
    """Address to listen on; 0.0.0.0 is every interface."""

    port: Port = 1_883
    """Port to listen on; 0 takes a free one."""

    tls_host: Text = "127.0.0.1"
    """Address to listen on for MQTT over TLS."""

    tls_port: Port = 8_883
    """Port for MQTT over TLS; 0 takes a free one."""

    tls_cert_file: str = ""
    """Certificate of this node with its chain, in PEM; relative to data_dir; empty for no TLS."""

    tls_key_file: str = ""
    """The certificate's key in PEM, unencrypted and not readable by everybody; relative to data_dir."""

    websocket: bool = True
    """Whether MQTT is spoken over WebSocket too: at /mqtt of the API's port."""

    redirect_to: Servers = ()
    """Where clients are told to go when this node stops: other nodes of the operator, as host:port."""

    redirect_for_good: bool = False
    """Whether they are told not to come back."""

    max_connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 16_384
    """Connections at a time; more are refused."""

    max_connections_per_ip: Annotated[int, Meta(ge=1, le=1_000_000)] = 256
    """Connections of one address at a time."""

    exempt_loopback: bool = True
    """Whether this machine, and so a proxy on it, may exceed max_connections_per_ip."""

    connect_timeout_s: Annotated[float, Meta(ge=0.1, le=600)] = 10.0
    """How long a client may take from the connection to its CONNECT packet."""

    max_packet_bytes: Annotated[int, Meta(ge=4_096, le=16 * MIB)] = 524_288
    """Largest packet that a client may send; a frame has at most 262_144 bytes."""

    max_keep_alive_s: Annotated[int, Meta(ge=10, le=65_535)] = 600
    """Longest keep-alive; a client that asks for more, or for none, is told this one."""

    receive_maximum: Annotated[int, Meta(ge=1, le=65_535)] = 256
    """Publishes of one client at work at a time (QoS 1)."""


class GossipConfig(Struct, frozen=True, kw_only=True):
    """The mesh of nodes (libp2p), in a process of its own."""

    enabled: bool = True
    """Whether this node relays; without it, what is published here stays here."""

    listen: Listens = ("/ip4/0.0.0.0/tcp/4001",)
    """Multiaddrs to listen on."""

    announce: Listens = ()
    """Multiaddrs that peers are told; empty for those that it listens on."""

    bootstrap: Bootstraps = ()
    """Nodes to dial first and for ever, each with its peer id."""

    direct: Bootstraps = ()
    """Nodes of operators who agreed on it, each with the other in its list: dialled for ever, and whatever their score
    or the mesh, they push each message to each other."""

    dns_lists: DnsLists = ()
    """DNS names whose TXT records name nodes, as libp2p's dnsaddr has it; read at start and every ten minutes."""

    dns_servers: NameServers = ()
    """Name servers that are asked for them; empty for the system's."""

    mdns: bool = False
    """Whether to find the nodes of the local network by multicast DNS, which tells everybody there of this one."""

    mdns_interfaces: Ips = ()
    """This machine's IPv4 addresses on the networks where it does so; empty for all."""

    dht: bool = True
    """Whether to find nodes by the network's DHT, and to answer others there."""

    shards: Shards = "all"
    """The shards of topics whose gossip this node takes part in: needed are those of the topics that its wallets
    subscribe to and its publishers use. What lies in other shards comes by sync, some seconds later."""

    max_peers: Annotated[int, Meta(ge=1, le=4_096)] = 256
    """Peers at a time; 16 places, or a quarter of fewer than 64, are kept for those that this node dials. When all are
    taken, a newcomer from a subnet that has fewer gets one of the subnet that has most: so there should be more places
    than an attacker has networks."""

    target_peers: Annotated[int, Meta(ge=0, le=4_096)] = 12
    """Below so many peers, known ones are dialled; not above max_peers."""

    max_connections_per_ip: Annotated[int, Meta(ge=1, le=4_096)] = 8
    """Peers of one address (of one /64 with IPv6) at a time."""

    max_connections_per_subnet: Annotated[int, Meta(ge=1, le=4_096)] = 16
    """Peers of one /24 (of one /48 with IPv6) at a time; not below max_connections_per_ip."""

    exempt_loopback: bool = True
    """Whether peers on this machine may exceed both, and whether their faults count for their own names only."""

    signature_checks_per_peer_per_s: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Signatures that one peer may have this node check, about half of what a core can; frames above it are ignored as
    throttled, and asked of other peers."""

    pack_delay_ms: Annotated[int, Meta(ge=0, le=1_000)] = 20
    """How long a frame stays open for more envelopes; the first one of an idle topic leaves at once."""

    pack_delay_under_load_ms: Annotated[int, Meta(ge=0, le=5_000)] = 100
    """The same while the mesh is behind; not below pack_delay_ms."""

    restart_delay_s: Annotated[float, Meta(ge=0.05, le=60)] = 0.5
    """Wait before a gossip process that died is started again; doubled up to a minute while it keeps dying."""


class StoreConfig(Struct, frozen=True, kw_only=True):
    """The SQLite store. Every commit is on the disk before anybody is told so."""

    path: Text = "pushmesh.db"
    """The file; relative to data_dir."""

    queue_calls: Annotated[int, Meta(ge=16, le=1_000_000)] = 8_192
    """Commits that wait for the disk; beyond it publishers are told queue-full."""

    queue_bytes: Annotated[int, Meta(ge=4 * MIB, le=4_096 * MIB)] = 64 * MIB
    """The same in bytes."""

    write_cache_bytes: Annotated[int, Meta(ge=MIB, le=65_536 * MIB)] = 64 * MIB
    """Page cache of the writer: the inner pages of all indexes and those of the current hour."""

    read_cache_bytes: Annotated[int, Meta(ge=MIB, le=65_536 * MIB)] = 16 * MIB
    """Page cache of each reading connection."""

    budget_bytes: Annotated[int, Meta(ge=0, le=1_048_576 * MIB)] = 0
    """What the store may hold; 0 is no bound. From nine tenths of it on messages go before their end, those that end
    soonest first and at most a day early; what finds no room all the same is refused as store-full."""

    min_free_bytes: Annotated[int, Meta(ge=0, le=1_048_576 * MIB)] = 64 * MIB
    """What its disk must have left; below it new messages are refused as store-full."""

    max_envelopes_per_shard: Annotated[int, Meta(ge=0, le=1_048_576 * MIB)] = 0
    """Messages of one shard; above it they go in the same order. 0 is no bound."""

    max_bytes_per_shard: Annotated[int, Meta(ge=0, le=1_048_576 * MIB)] = 0
    """The same in bytes."""

    max_age_s: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    """Messages that were issued longer ago go in the same order; 0 is no bound."""

    scrub_rows_per_s: Annotated[int, Meta(ge=1, le=100_000)] = 64
    """Rows that are looked through for damage, round after round; a million takes four hours."""


class ReceiptsConfig(Struct, frozen=True, kw_only=True):
    """What publishers are told of how far their envelopes got."""

    keep_s: Annotated[float, Meta(ge=0, le=34_560_000)] = 86_400.0
    """How long a receipt promises that its envelope is kept, if it does not expire before. Whatever else goes when the
    disk fills, this does not."""

    max_waits: Annotated[int, Meta(ge=1, le=1_000_000)] = 4_096
    """Publishers that wait for a level at a time; more are told too-many-connections."""

    longest_wait_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 60.0
    """How long a publisher may wait for a level; it is told then which one was reached."""

    max_outcomes: Annotated[int, Meta(ge=1_000, le=100_000_000)] = 1_000_000
    """Outcomes that are kept each of what this node owes to origins and of what it is told as one."""

    max_status_streams: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_024
    """Authors that follow the status of a notification at a time."""


class PublishConfig(Struct, frozen=True, kw_only=True):
    """How much publishers may have under way, over all transports. A frame counts as one unit and one more for each
    whole 2 KiB; what is not let in is told rate-limited, and when there will be room."""

    wait_ms: Annotated[int, Meta(ge=10, le=60_000)] = 500
    """How long what was let in should wait: the bound follows from it and from the pace of the node."""

    least_units: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_024
    """May be under way at any pace; a larger frame is taken too, when there is room for anything."""

    most_units: Annotated[int, Meta(ge=1, le=1_000_000)] = 16_384
    """Never more than that."""

    exempt_loopback: bool = True
    """Whether each connection of this machine, where a proxy may stand, has a share of its own; else all of one
    address (of one /64 with IPv6) share one."""


class VerifyConfig(Struct, frozen=True, kw_only=True):
    """Decoding and checking of what is published here."""

    processes: Annotated[int, Meta(ge=0, le=256)] = 0
    """Processes that check signatures; 0 is one for each core but one, which everything else needs."""

    queue_envelopes: Annotated[int, Meta(ge=1_024, le=1_000_000)] = 16_384
    """Envelopes of publishers that wait, half as many of gossip and a quarter as many of sync; beyond it publishers are
    told queue-full, gossip is left to sync, and sync waits."""


class DeliveryConfig(Struct, frozen=True, kw_only=True):
    """What all ways to a wallet have in common."""

    live_queue_messages: Annotated[int, Meta(ge=1, le=1_000_000)] = 4_096
    """Live messages that wait for one consumer; a slower one reads the rest from the store."""

    live_queue_bytes: Annotated[int, Meta(ge=65_536, le=1_024 * MIB)] = 4 * MIB
    """The same in bytes."""

    read_page_messages: Annotated[int, Meta(ge=1, le=10_000)] = 256
    """Messages of one read from the store."""

    write_timeout_s: Annotated[float, Meta(ge=0.1, le=600)] = 30.0
    """How long a consumer may take no bytes before it is ended as slow-consumer; it can resume by its cursor."""

    heartbeat_s: Annotated[float, Meta(ge=0.1, le=600)] = 15.0
    """How often an idle stream says that it is alive."""

    shared_messages: Annotated[int, Meta(ge=1, le=1_000_000)] = 4_096
    """Recent messages whose encoded form is kept for all consumers."""

    max_consumers_per_account: Annotated[int, Meta(ge=1, le=100_000)] = 64
    """Streams of one wallet at a time."""


class CurationConfig(Struct, frozen=True, kw_only=True):
    """The operator's own rules for what this node delivers. They never touch what it relays."""

    allow_accounts: Accounts = ()
    """Senders that are delivered at once. When this list or allow_topics has an entry, what is on neither waits in the
    request inbox of each wallet that did not allow it itself."""

    allow_topics: Topics = ()
    """Topics, likewise."""

    mute_accounts: Accounts = ()
    """Senders whose messages are held back from each wallet that did not allow them itself."""

    mute_topics: Topics = ()
    """Topics, likewise."""

    deny_accounts: Accounts = ()
    """Senders whose messages are never delivered here, whatever a wallet says."""

    deny_topics: Topics = ()
    """Topics, likewise."""


class BridgeConfig(Struct, frozen=True, kw_only=True):
    """An external MQTT broker that this node publishes to; one table for each.

    An account's inbox goes to <topic_prefix>/<account>/inbox, a topic's broadcasts to
    <topic_prefix>/topics/<owner>/<name>; who may read there is for the broker's access list, which `pushmesh bridge`
    prints."""

    name: Label
    """Names the bridge in the status and keeps its place in each inbox: a new name starts anew."""

    url: BrokerUrl
    """The broker."""

    username: str = ""
    """Empty for none."""

    password_file: str = ""
    """File with the password on its first line, readable by its owner only; relative to data_dir; empty for none."""

    ca_file: str = ""
    """Certificates that an mqtts broker is checked against; relative to data_dir; empty for the system's."""

    topic_prefix: Prefix = "pushmesh"
    """What every topic there starts with."""

    accounts: Accounts = ()
    """Wallets whose inboxes are published, each as this node curates it; ask them first."""

    max_wallets: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """Wallets that are served beside `accounts` because they ask (PUT /v1/bridges/<name>); 0 for none. Needs
    hook_secret_file, since the broker has to learn at once who may read what."""

    topics: Topics = ()
    """Topics whose broadcasts are published, whoever subscribed: they are public."""

    takes_publishes: bool = False
    """Whether dapps may publish through the broker: signed envelopes to <topic_prefix>/publish/<user>, answered on a
    response topic under <topic_prefix>/receipts/<user>/. The broker then keeps for this node what comes while it is
    away."""

    hook_secret_file: str = ""
    """File with a secret on its first line, readable by its owner only; relative to data_dir; empty for none. With it
    the broker may ask this node over HTTP who may log in there, and read and write what: wallets by their tokens."""

    max_in_flight: Annotated[int, Meta(ge=1, le=65_535)] = 256
    """Messages that the broker has not acknowledged yet (QoS 1)."""

    reconnect_max_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 60.0
    """Longest wait between two attempts to reach the broker."""


class Config(Struct, frozen=True, kw_only=True):
    """All of it; every section may be absent."""

    node: NodeConfig = NodeConfig()
    api: ApiConfig = ApiConfig()
    access: AccessConfig = AccessConfig()
    mqtt: MqttConfig = MqttConfig()
    gossip: GossipConfig = GossipConfig()
    store: StoreConfig = StoreConfig()
    receipts: ReceiptsConfig = ReceiptsConfig()
    publish: PublishConfig = PublishConfig()
    verify: VerifyConfig = VerifyConfig()
    delivery: DeliveryConfig = DeliveryConfig()
    curation: CurationConfig = CurationConfig()
    bridge: tuple[BridgeConfig, ...] = ()
