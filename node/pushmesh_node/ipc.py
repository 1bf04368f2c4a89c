"""The boundary between the main process and the gossip process: what each may say to the other, and on what credit.
A leaf. With `ipc_wire`, which puts it on the wire, it is all that both processes share.

Order and replay. Main sends `Start` first and nothing else before the answer `Ready`. All that main told (`Subscribe`,
`Allowances`, `Known`, `Ban`, `Dial`) is forgotten by a gossip process that dies, so main tells it again, and what the
process itself told as `Book` it is told again as `Remember`.

Credit. Three flows are bounded; every window starts full with the sizes in `Settings`, is spent by the sender and is
given back by the receiver when it no longer holds the bytes.

| flow                 | spent by                   | given back by      | when none is left                           |
|----------------------|----------------------------|--------------------|---------------------------------------------|
| frames, gossip->main | `Frame` (1, bytes of data) | `Credit` down      | frame is IGNOREd `no-credit`, sync repairs  |
| frames, main->gossip | `Publish` (1, len data)    | `Credit` up        | main waits                                  |
| each stream, each way| `StreamData` (len data)    | `StreamCredit`     | the sender waits; it never blocks another   |

`Credit` is apart from `Judge` on purpose: the mesh waits for a judgement, while memory is free only after the commit.
A sender that overdraws breaks the protocol, and the receiver ends the stream (or, for frames, the connection).

Streams. Main numbers the streams it opens with even numbers, gossip with odd ones, never reused in the life of a
gossip process. Data may follow `StreamOpen` at once. `StreamClose` with error nil ends the sender's own direction only;
with an error it ends both at once. A number is gone after both sides closed or either sent an error.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

IPC_VERSION: Final = 1
MAX_BOOK_ENTRIES: Final = 2_048
MAX_BOOK_ADDRESSES: Final = 4
MAX_PEER_STATES: Final = 1_024

ACCEPT: Final = 0
IGNORE: Final = 1
REJECT: Final = 2

Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
NodeId = Bytes32  # an Ed25519 public key; the libp2p peer id derives from it
ItemHash = Bytes32
VerdictCode = Annotated[int, Meta(ge=ACCEPT, le=REJECT)]
Reason = Annotated[str, Meta(max_length=200)]
Topic = Annotated[str, Meta(min_length=1, max_length=256)]
ProtocolName = Annotated[str, Meta(min_length=1, max_length=128)]
Address = Annotated[str, Meta(min_length=1, max_length=512)]  # a multiaddr
DnsName = Annotated[str, Meta(min_length=1, max_length=255)]
Account = Annotated[bytes, Meta(min_length=1, max_length=64)]


class IpcError(Exception):
    """The other process did not speak this protocol, or a message does not fit; the connection is of no more use."""


class Settings(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds of the gossip process. The sizes of the credit windows bind both ends."""

    max_peers: Natural = 256
    target_peers: Natural = 12  # below it known peers are dialled
    max_connections_per_ip: Natural = 8  # loopback addresses are exempt while `exempt_loopback` is true
    max_connections_per_subnet: Natural = 16  # /24 or /48; likewise
    exempt_loopback: bool = True
    ping_interval_ms: Natural = 10_000
    ping_timeout_ms: Natural = 3_000
    ping_misses: Natural = 2  # so many in a row end the connection
    dial_timeout_ms: Natural = 10_000
    dial_backoff_min_ms: Natural = 500
    dial_backoff_max_ms: Natural = 60_000
    heartbeat_ms: Natural = 1_000
    stats_interval_ms: Natural = 1_000  # also the sign of life that main waits for
    peers_interval_ms: Natural = 2_000
    frame_window_frames: Natural = 2_048  # gossip -> main
    frame_window_bytes: Natural = 64 * 1024 * 1024
    publish_window_frames: Natural = 512  # main -> gossip; half of a peer's queue, so that a burst fits into the rest
    publish_window_bytes: Natural = 4 * 1024 * 1024
    stream_window_bytes: Natural = 1024 * 1024  # each stream, each way
    max_streams_per_peer: Natural = 16
    inspect_queue_frames: Natural = 2_048  # read from peers, not yet inspected
    inspect_queue_bytes: Natural = 32 * 1024 * 1024
    checks_per_peer_per_s: Natural = 10_000  # signatures; frames above it are IGNOREd as `throttled`
    outbound_queue_rpcs: Natural = 1_024  # for each peer
    outbound_queue_bytes: Natural = 8 * 1024 * 1024


class Discovery(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How peers are found beside bootstrap list and peer exchange; by default not at all."""

    dns_lists: list[DnsName] = []
    dns_servers: list[DnsName] = []  # address:port; empty for the system's
    mdns: bool = False
    mdns_interfaces: list[DnsName] = []  # this machine's addresses; empty for all
    dht: bool = False


class ItemVerdict(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What the gossip process found about one envelope of a frame; they come in the frame's order.

    First the grants of the table, then the items, a run as one entry for each of its leaves. `verdict` None:
    bytes and the pushed tables cannot tell (a contract wallet), main judges. ACCEPT means that the signature verified
    and all that the gossip process knows agrees; slots, grants and revocations are still main's to judge. `reason` is
    a word of the closed list of reasons.
    """

    verdict: VerdictCode | None
    reason: Reason
    id: Bytes32
    item_hash: ItemHash
    known: bool  # the item hash was in the gossip process's cache; its signature was not checked again
    size_bytes: Natural  # the item's own encoded bytes in this frame, without table entries and run header


class BookEntry(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What is worth keeping of a peer. Times are wall times; `banned_until_ms` 0 is never banned, one in the past tells
    how long ago a ban ended; `bans` is how many followed one another."""

    node_id: NodeId
    addresses: Annotated[list[Address], Meta(max_length=MAX_BOOK_ADDRESSES)]
    last_seen_ms: Natural
    score_milli: Annotated[int, Meta(ge=-(2**62), le=2**62)]
    proven: bool  # a dial of this node reached it at some time
    banned_until_ms: Natural
    bans: Natural


class PeerState(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """A connected peer as operators see it. `since_ms` is wall time; `protocol` is the gossip dialect, empty while none
    is agreed; `topics` are those in whose mesh it is; `score` names the parts in thousandths, `total` among them."""

    node_id: NodeId
    outbound: bool
    since_ms: Natural
    host: Annotated[str, Meta(max_length=64)]
    protocol: Annotated[str, Meta(max_length=128)]
    agent: Annotated[str, Meta(max_length=64)]
    topics: Annotated[list[Topic], Meta(max_length=256)]
    score: Annotated[list[tuple[Reason, int]], Meta(max_length=16)]


class _Message(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """Base of all messages: `[tag, fields...]`."""


# --- Main to gossip -------------------------------------------------------------------------------------------------


class Start(_Message, frozen=True, tag=1):
    """Main's first message. The gossip process answers `Ready`, or exits with a sentence on stderr.

    `network` is the text of the network file, for the frame validator; `announce` is what peers are told, empty for
    the listening addresses; `bootstrap` are multiaddrs that end in `/p2p/...` and are dialled for ever, as are those of
    the `direct` peers of the router; `stream_protocols` are the only ones that peers may open towards main.
    """

    version: Natural
    node_seed: Bytes32
    network_id: Bytes32
    network: str
    agent: Annotated[str, Meta(max_length=64)]
    listen: list[Address]
    announce: list[Address]
    bootstrap: list[Address]
    shards: Annotated[int, Meta(ge=1, le=256)]
    control_kinds: list[Topic]
    stream_protocols: list[ProtocolName]
    settings: Settings
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_console: bool = False  # lines for people; else JSON
    discovery: Discovery = Discovery()
    direct: list[Address] = []

    def __repr__(self) -> str:
        """All but the seed, which no log may hold."""
        return f"Start(version={self.version}, network_id={self.network_id.hex()}, listen={self.listen})"


class Stop(_Message, frozen=True, tag=2):
    """Say good-bye to all peers, then exit with 0. Without it the end of the socket ends the process at once."""


class Publish(_Message, frozen=True, tag=3):
    """Send an own frame to the mesh. It is not inspected, not judged and not sent up."""

    topic: Topic
    data: bytes


class Judge(_Message, frozen=True, tag=4):
    """The verdict on `Frame.frame_no`; exactly one for each frame, the mesh waits for it.

    `new_bytes` are the encoded bytes of the items that were new and accepted: what the sender earns for this frame.
    """

    frame_no: Natural
    verdict: VerdictCode
    reason: Reason = ""
    new_bytes: Natural = 0


class Subscribe(_Message, frozen=True, tag=5):
    """The whole set of gossip topics this node takes part in; what is absent is left."""

    topics: list[Topic]


class Known(_Message, frozen=True, tag=6):
    """Item hashes that this node holds as authorised, whatever way they came; the cache that takes them is bounded."""

    item_hashes: list[ItemHash]


class Allowances(_Message, frozen=True, tag=7):
    """Slots an author has for each epoch, from `first_epoch` until a table with a later `first_epoch`.

    A table larger than one message comes in parts: `replace` is true on the first part only.
    """

    default: Natural
    table: list[tuple[Account, Natural]]
    first_epoch: Natural = 0
    replace: bool = True


class Scores(_Message, frozen=True, tag=8):
    """Main's own opinion of peers in thousandths (may be negative); replaces the earlier one of each peer named."""

    scores: list[tuple[NodeId, int]]


class Dial(_Message, frozen=True, tag=9):
    """Add an address that ends in `/p2p/...` to the peer book; it is dialled when there is room, with back-off."""

    address: Address


class Ban(_Message, frozen=True, tag=10):
    """Disconnect a peer and refuse it for so many seconds; 0 lifts the ban."""

    node_id: NodeId
    seconds: Natural


class Remember(_Message, frozen=True, tag=11):
    """Peers of earlier lives, as `Book` gave them: addresses to dial, standing, bans. Comes before `Dial` and `Ban`."""

    entries: Annotated[list[BookEntry], Meta(max_length=MAX_BOOK_ENTRIES)]


class Seek(_Message, frozen=True, tag=12):
    """Try once to get a connection to this node, wherever it is: from the peer book, else from the DHT."""

    node_id: NodeId


# --- Both ways ------------------------------------------------------------------------------------------------------


class Credit(_Message, frozen=True, tag=20):
    """Gives back window: down for `Frame`, up for `Publish`. Additive; may cover any number of them."""

    frames: Natural
    bytes: Natural


class StreamOpen(_Message, frozen=True, tag=21):
    """Down: open a stream to a connected peer; if that fails, `StreamClose` says why. Up: a peer did."""

    stream_no: Natural
    node_id: NodeId
    protocol: ProtocolName


class StreamData(_Message, frozen=True, tag=22):
    """Bytes of a stream, in order, with no message boundaries; at most 1 MiB and never more than the credit left."""

    stream_no: Natural
    data: Annotated[bytes, Meta(min_length=1, max_length=1024 * 1024)]


class StreamClose(_Message, frozen=True, tag=23):
    """Error nil: no more data from this side. Else both directions are dead, and undelivered data is lost. Down, the
    errors `malformed` and `oversize` blame the peer."""

    stream_no: Natural
    error: Reason | None


class StreamCredit(_Message, frozen=True, tag=24):
    """So many bytes of this stream left the sender of this message; the other side may send as many more."""

    stream_no: Natural
    bytes: Natural


# --- Gossip to main -------------------------------------------------------------------------------------------------


class Ready(_Message, frozen=True, tag=40):
    """Listening. `addresses` are multiaddrs with the real ports and `/p2p/...`."""

    version: Natural
    peer_id: Annotated[str, Meta(min_length=1, max_length=128)]
    node_id: NodeId
    addresses: list[Address]


class Frame(_Message, frozen=True, tag=41):
    """A frame that bytes alone could not decide. Main answers `Judge`, and `Credit` when it let go of the bytes."""

    frame_no: Natural
    node_id: NodeId  # the peer that forwarded it
    topic: Topic
    data: bytes
    items: list[ItemVerdict]


class Peer(_Message, frozen=True, tag=42):
    """A peer came or went. `addresses` are where it can be dialled, as far as known; main persists them."""

    node_id: NodeId
    addresses: list[Address]
    connected: bool
    reason: Reason = ""


class Stats(_Message, frozen=True, tag=43):
    """Every `stats_interval_ms`. Counters are increments since the last `Stats`, gauges present values.

    Both are (name, label, value); names and labels are from closed lists, never from peers.
    """

    counters: list[tuple[str, str, Natural]]
    gauges: list[tuple[str, str, Natural]]


class Book(_Message, frozen=True, tag=44):
    """The peers that were connected at some time and those that are or were banned: every half minute, at once after a
    ban, and before the end of an orderly stop. Main keeps it, and replays it to the next process as `Remember`."""

    entries: Annotated[list[BookEntry], Meta(max_length=MAX_BOOK_ENTRIES)]


class Peers(_Message, frozen=True, tag=45):
    """All connected peers (of very many some), every `peers_interval_ms`, for operators only."""

    peers: Annotated[list[PeerState], Meta(max_length=MAX_PEER_STATES)]


Both = Credit | StreamOpen | StreamData | StreamClose | StreamCredit
Down = Start | Stop | Publish | Judge | Subscribe | Known | Allowances | Scores | Dial | Ban | Remember | Seek | Both
Up = Ready | Frame | Peer | Stats | Book | Peers | Both
Message = Down | Up
