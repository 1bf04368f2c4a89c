"""`pushmesh bench`: measured on this machine, against limits and peers that are measured in the same run."""

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from . import bench_words as words
from .guard import CommandError, guarded
from .loop import run_to_end
from .options import AsJson
from .output import emit, people

app = typer.Typer(help="Measure this machine.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option(help="Keep what the nodes write; by default in a temporary folder.")]
Rounds = Annotated[int, typer.Option(min=1, max=100, help="Interleaved slices of each side.")]
Wallets = Annotated[int, typer.Option(min=1, max=100_000, help="That publish by turns.")]

Report = dict[str, float]
Measure = Callable[[Path], Awaitable[Report]]
Words = Callable[[Report], Iterator[str]]


@app.command("verify")
@guarded
def verify(
    rounds: Annotated[int, typer.Option(min=3, max=1000, help="Interleaved slices of each side.")] = 21,
    as_json: AsJson = False,
) -> None:
    """EIP-712 verification of a notification: pushmesh against eth-account, interleaved."""
    from ..lab.bench_verify import measure_verify

    _tell(measure_verify(rounds), words.verify, as_json)


@app.command("ingest")
@guarded
def ingest(
    window: Annotated[int, typer.Option(min=1, max=4096, help="Envelopes on their way unanswered.")] = 64,
    batch: Annotated[
        int,
        typer.Option(
            min=0, max=1024, help="Notifications under one signature, two batches in flight; 0 is single ones."
        ),
    ] = 0,
    rounds: Rounds = 12,
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="Of one round.")] = 1.0,
    wallets: Wallets = 1000,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """A real node as it ships: verified, deduplicated, committed, acknowledged and delivered envelopes a second."""
    from ..lab.bench_ingest import IngestPlan, measure_ingest

    if batch and window != 64:
        raise CommandError("--batch has its own window of two batches; leave --window out")
    plan = IngestPlan(window, batch, rounds, seconds, wallets)
    _bench(lambda place: measure_ingest(place, plan), words.ingest, folder, as_json)


@app.command("gossip")
@guarded
def gossip(
    nodes: Annotated[int, typer.Option(min=2, max=32, help="Node processes, meshed on loopback.")] = 2,
    seconds: Annotated[
        float, typer.Option(min=0.2, max=600, help="Of the search for the rate, and of each paced run after it.")
    ] = 30.0,
    window: Annotated[
        int, typer.Option(min=1, max=4096, help="Envelopes on their way to the last disk while the rate is sought.")
    ] = 2048,
    wallets: Wallets = 1000,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Real nodes in a mesh: envelopes a second that are verified and on the disk of every node.

    CPU times are of both ends of one hop: twice the mean of all nodes. cpu_us_per_envelope is of the gossip processes'
    own loops, which is what py-libp2p's gossipsub does too; node_cpu_us_per_envelope is of everything."""
    from ..lab.bench_gossip import GossipPlan, measure_gossip

    plan = GossipPlan(nodes, seconds, window, wallets)
    _bench(lambda place: measure_gossip(place, plan), lambda report: words.gossip(report, nodes), folder, as_json)


@app.command("store")
@guarded
def store(
    records: Annotated[int, typer.Option(min=1_000, max=100_000_000, help="In the full store.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, max=1_000, help="Interleaved slices of each side and batch size.")] = 11,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """How much of its insert rate the store keeps when it is full: batches of 64 and of 1,024 records, by turns."""
    from ..lab.bench_store import BATCHES, StorePlan, measure_store

    plan = StorePlan(records, rounds)
    _bench(lambda place: measure_store(place, plan), lambda report: words.store(report, BATCHES), folder, as_json)


@app.command("ack")
@guarded
def ack(
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="Publishes a second.")] = 1_000,
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="Of one slice.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Slices, with bare syncs between.")] = 4,
    wallets: Wallets = 1000,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """How long a publisher waits for `durable` at a steady rate, against a bare sync of this disk."""
    from ..lab.bench_ack import AckPlan, measure_ack

    plan = AckPlan(rate, seconds, rounds, wallets)
    _bench(lambda place: measure_ack(place, plan), words.ack, folder, as_json)


@app.command("fanout")
@guarded
def fanout(
    subscribers: Annotated[int, typer.Option(min=2, max=10_000, help="Wallets that listen over WebSocket.")] = 1000,
    publishes: Annotated[int, typer.Option(min=4, max=10_000, help="In one slice, each a commit of its own.")] = 96,
    rounds: Rounds = 7,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """One publish to many wallets, acknowledged, against a bare protocol that writes the same bytes."""
    from ..lab.bench_fanout import FanoutPlan, measure_fanout

    plan = FanoutPlan(subscribers, publishes, rounds)
    _bench(lambda place: measure_fanout(place, plan), words.fanout, folder, as_json)


@app.command("idle")
@guarded
def idle(
    connections: Annotated[int, typer.Option(min=1, max=100_000, help="Wallets that listen over WebSocket.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="That they are watched.")] = 30.0,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Memory, files and CPU of a node that many idle wallets listen to."""
    from ..lab.bench_idle import IdlePlan, measure_idle

    plan = IdlePlan(connections, seconds)
    _bench(lambda place: measure_idle(place, plan), words.idle, folder, as_json)


@app.command("mqtt")
@guarded
def mqtt(
    subscribers: Annotated[int, typer.Option(min=1, max=10_000, help="Wallets that listen over MQTT.")] = 1000,
    turns: Annotated[int, typer.Option(min=1, max=10_000, help="Messages to each of them in one slice.")] = 40,
    messages: Annotated[int, typer.Option(min=1, max=100_000, help="Through the bridge in one slice.")] = 2000,
    rounds: Rounds = 7,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """QoS 1 to many wallets by the node's own MQTT endpoint, against Mosquitto (which has to be installed); and the
    bridge to a broker, against bare aiomqtt.

    mosquitto_rate is one shared topic for all, own_topics_rate a topic for each, as inboxes are; batched is ten
    messages that wait for each client together."""
    from ..lab.bench_bridge import BridgePlan, measure_bridge
    from ..lab.bench_mqtt import MqttPlan, measure_mqtt

    async def both(place: Path) -> Report:
        endpoint, bridge = place / "endpoint", place / "bridge"
        endpoint.mkdir(exist_ok=True)
        bridge.mkdir(exist_ok=True)
        report = await measure_mqtt(endpoint, MqttPlan(subscribers, rounds, turns))
        return report | await measure_bridge(bridge, BridgePlan(messages=messages, rounds=rounds))

    _bench(both, words.mqtt, folder, as_json)


@app.command("overload")
@guarded
def overload(
    times: Annotated[float, typer.Option(min=1.0, max=20, help="Of what the node can take.")] = 5.0,
    seconds: Annotated[float, typer.Option(min=1, max=120, help="Of the flood.")] = 10.0,
    publishers: Annotated[int, typer.Option(min=1, max=256, help="Connections that it comes from.")] = 8,
    wallets: Wallets = 1000,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """A real node is offered several times what it can take: what it accepts, how fast, and when it is over it."""
    from ..lab.bench_overload import OverloadPlan, measure_overload

    plan = OverloadPlan(times, seconds, publishers, wallets)
    _bench(lambda place: measure_overload(place, plan), words.overload, folder, as_json)


@app.command("join")
@guarded
def join(
    nodes: Annotated[int, typer.Option(min=4, max=31, help="Node processes that know one of them alone.")] = 5,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """How long a new node with one bootstrap address takes from its start into the mesh of every topic."""
    from ..lab.bench_join import MESH_PEERS, measure_join

    _bench(lambda place: measure_join(place, nodes), lambda report: words.join(report, MESH_PEERS), folder, as_json)


@app.command("heal")
@guarded
def heal(
    envelopes: Annotated[
        int, typer.Option(min=1_000, max=10_000_000, help="That the node missed: an hour at 200 a second by default.")
    ] = 720_000,
    batched: Annotated[float, typer.Option(min=0, max=1, help="Share of them that came in batches.")] = 0.95,
    wallets: Wallets = 1000,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """A real node comes back to all that it missed, by sync, and is published to meanwhile."""
    from ..lab.bench_heal import HealPlan, measure_heal

    plan = HealPlan(envelopes, batched, wallets)
    _bench(lambda place: measure_heal(place, plan), words.heal, folder, as_json)


@app.command("sync")
@guarded
def sync(
    records: Annotated[int, typer.Option(min=1, max=20_000_000, help="That each side holds.")] = 1_000_000,
    missing: Annotated[
        int, typer.Option(min=0, max=100_000, help="Records that each side lacks; a single one, the asking side alone.")
    ] = 1000,
    buckets: Annotated[
        int,
        typer.Option(min=1, max=16_384, help="That they are in; many are compared first."),
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the records.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Two processes find out which records only one of them has: bytes both ways, CPU and memory of the dearer side."""
    from ..lab.bench_sync import SyncPlan, measure_sync

    if missing > records:
        raise CommandError("--missing is of the --records: it cannot be more of them")
    plan = SyncPlan(records, missing, seed, buckets)
    _tell(_measured(measure_sync(plan)), lambda report: words.sync(report, buckets), as_json)


def _bench(measure: Measure, told: Words, folder: Path | None, as_json: bool) -> None:
    """Measure in a folder that is kept, or in a temporary one, and tell."""
    if folder is not None:
        _tell(_measured(measure(folder)), told, as_json)
        return
    with tempfile.TemporaryDirectory(prefix="pushmesh-bench-") as place:
        report = _measured(measure(Path(place)))
    _tell(report, told, as_json)


def _measured(measuring: Awaitable[Report]) -> Report:
    reports: list[Report] = []

    async def run() -> None:
        reports.append(await measuring)

    run_to_end(run())
    return reports[0]


def _tell(report: Report, told: Words, as_json: bool) -> None:
    """One JSON object for programs, or lines for people."""
    if as_json:
        emit(report)
        return
    out = people()
    for line in told(report):
        out.print(line)
