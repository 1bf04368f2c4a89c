"""`pushmesh bench`: measured on this machine, against limits and peers that are measured in the same run."""

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from .guard import CommandError, guarded
from .loop import run_to_end
from .options import AsJson
from .output import emit, people

app = typer.Typer(help="Measure this machine.", no_args_is_help=True)


@app.command("verify")
@guarded
def verify(
    rounds: Annotated[int, typer.Option(min=3, max=1000, help="Interleaved slices of each side.")] = 21,
    as_json: AsJson = False,
) -> None:
    """EIP-712 verification of a notification: pushmesh against eth-account, interleaved."""
    from ..lab.bench_verify import measure_verify

    report = measure_verify(rounds)
    if as_json:
        emit(report)
    else:
        people().print(
            f"pushmesh [bold]{report['ours_us']:.1f} µs[/], eth-account {report['eth_account_us']:.1f} µs: "
            f"[bold]{report['speedup']:.1f} times[/] as fast"
        )


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
    rounds: Annotated[int, typer.Option(min=1, max=100)] = 12,
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="Of one round.")] = 1.0,
    wallets: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    folder: Annotated[Path | None, typer.Option(help="Keep the node's folder; by default a temporary one.")] = None,
    as_json: AsJson = False,
) -> None:
    """A real node as it ships: verified, deduplicated, committed, acknowledged and delivered envelopes a second."""
    from ..lab.bench_ingest import IngestPlan, measure_ingest

    if batch and window != 64:
        raise CommandError("--batch has its own window of two batches; leave --window out")
    plan = IngestPlan(window, batch, rounds, seconds, wallets)
    report = _measured(lambda place: measure_ingest(place, plan), folder)
    if as_json:
        emit(report)
        return
    out = people()
    share = f"{report['ratio']:.2f} of bare recovery on one thread ({report['limit_rate']:,.0f} a second)"
    out.print(f"[bold]{report['rate']:,.0f}[/] a second, {share}")
    out.print(f"  no product logic  {report['lower_bound_rate']:,.0f} a second")
    out.print(f"  generator         {report['load_us']:.1f} µs of CPU an envelope")
    out.print(f"  acknowledged      after {report['p50_ms']:.1f} ms (p99 {report['p99_ms']:.1f} ms)")
    out.print(f"  rows at the end   {report['rows']:,}")


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
    wallets: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    folder: Annotated[Path | None, typer.Option(help="Keep the nodes' folders; by default a temporary one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Real nodes in a mesh: envelopes a second that are verified and on the disk of every node.

    CPU times are of both ends of one hop: twice the mean of all nodes. cpu_us_per_envelope is of the gossip processes'
    own loops, which is what py-libp2p's gossipsub does too; node_cpu_us_per_envelope is of everything."""
    from ..lab.bench_gossip import GossipPlan, measure_gossip

    plan = GossipPlan(nodes, seconds, window, wallets)
    report = _measured(lambda place: measure_gossip(place, plan), folder)
    if as_json:
        emit(report)
        return
    out = people()
    share = f"{report['ratio']:.3f} of bare recovery on one thread ({report['limit_rate']:,.0f} a second)"
    out.print(f"[bold]{report['rate']:,.0f}[/] a second on {nodes} disks each, {share}")
    out.print(f"  all disks together  {nodes * report['ratio']:.2f} of it")
    bare = f"{report['lower_bound_rate']:,.0f} a second, of which this is {report['lower_bound_ratio']:.2f}"
    out.print(f"  bare sockets        {bare}")
    out.print(f"  lost                {report['lost']:,}")
    out.print(
        f"  on the last disk    after {report['p50_ms']:.0f} ms (p99 {report['p99_ms']:.0f} ms) at 80 % of the rate"
    )
    out.print(f"  over bare sockets   p99 {report['lower_bound_p99_ms']:.0f} ms at as many a second")
    stock = f"py-libp2p's gossipsub {report['stock_cpu_us_per_envelope']:,.0f} µs"
    out.print(f"  carrying one        {report['cpu_us_per_envelope']:.1f} µs of CPU, {stock}")
    out.print(f"  everything for one  {report['node_cpu_us_per_envelope']:.0f} µs of CPU")


@app.command("store")
@guarded
def store(
    records: Annotated[int, typer.Option(min=1_000, max=100_000_000, help="In the full store.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, max=1_000, help="Interleaved slices of each side and batch size.")] = 11,
    folder: Annotated[Path | None, typer.Option(help="Keep the files; by default a temporary folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """How much of its insert rate the store keeps when it is full: batches of 64 and of 1,024 records, by turns."""
    from ..lab.bench_store import BATCHES, StorePlan, measure_store

    report = _measured(lambda place: measure_store(place, StorePlan(records, rounds)), folder)
    if as_json:
        emit(report)
        return
    out = people()
    for batch in BATCHES:
        rates = f"{report[f'full_rate_{batch}']:,.0f} a second, {report[f'empty_rate_{batch}']:,.0f} into an empty one"
        out.print(f"batches of {batch:>5}   [bold]{report[f'ratio_{batch}']:.2f}[/]   {rates}")
    out.print(f"rows              {report['rows']:,.0f}, {report['bytes_per_record']:.0f} bytes each")


@app.command("ack")
@guarded
def ack(
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="Publishes a second.")] = 1_000,
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="Of one slice.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Slices, with bare syncs between.")] = 4,
    wallets: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    folder: Annotated[Path | None, typer.Option(help="Keep the node's folder; by default a temporary one.")] = None,
    as_json: AsJson = False,
) -> None:
    """How long a publisher waits for `durable` at a steady rate, against a bare sync of this disk."""
    from ..lab.bench_ack import AckPlan, measure_ack

    report = _measured(lambda place: measure_ack(place, AckPlan(rate, seconds, rounds, wallets)), folder)
    if as_json:
        emit(report)
        return
    out = people()
    out.print(
        f"[bold]{report['p99_ms']:.1f} ms[/] p99 at {report['rate']:,} a second; {report['bound_ms']:.1f} is allowed"
    )
    out.print(f"  half of them  {report['p50_ms']:.1f} ms, the slowest {report['max_ms']:.1f} ms")
    out.print(f"  a bare sync   {report['sync_p50_ms']:.2f} ms (p99 {report['sync_p99_ms']:.2f} ms)")


@app.command("fanout")
@guarded
def fanout(
    subscribers: Annotated[int, typer.Option(min=2, max=10_000, help="Wallets that listen over WebSocket.")] = 1000,
    publishes: Annotated[int, typer.Option(min=4, max=10_000, help="In one slice, each a commit of its own.")] = 96,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Interleaved slices of each side.")] = 7,
    folder: Annotated[Path | None, typer.Option(help="Keep the node's folder; by default a temporary one.")] = None,
    as_json: AsJson = False,
) -> None:
    """One publish to many wallets, acknowledged, against a bare protocol that writes the same bytes."""
    from ..lab.bench_fanout import FanoutPlan, measure_fanout

    report = _measured(lambda place: measure_fanout(place, FanoutPlan(subscribers, publishes, rounds)), folder)
    if as_json:
        emit(report)
        return
    out = people()
    share = f"{report['ratio']:.2f} of a bare protocol ({report['limit_rate']:,.0f} a second)"
    out.print(f"[bold]{report['rate']:,.0f}[/] deliveries a second, {share}")
    out.print(f"  ten queued  {report['batched_rate']:,.0f} a second, {report['batched_speedup']:.1f} times as many")
    ten = f"{report['batched_cpu_us']:.1f} µs where ten are queued, a bare protocol {report['limit_cpu_us']:.1f} µs"
    out.print(f"  CPU         {report['cpu_us']:.1f} µs of the node's loop for one delivery, {ten}")
    out.print(f"  memory      {report['kb_per_connection']:.1f} kB for an idle connection")


@app.command("idle")
@guarded
def idle(
    connections: Annotated[int, typer.Option(min=1, max=100_000, help="Wallets that listen over WebSocket.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="That they are watched.")] = 30.0,
    folder: Annotated[Path | None, typer.Option(help="Keep the node's folder; by default a temporary one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Memory, files and CPU of a node that many idle wallets listen to."""
    from ..lab.bench_idle import IdlePlan, measure_idle

    report = _measured(lambda place: measure_idle(place, IdlePlan(connections, seconds)), folder)
    if as_json:
        emit(report)
        return
    out = people()
    out.print(f"[bold]{report['kb_per_connection']:.1f} kB[/] for each of {report['connections']:,.0f} wallets")
    out.print(f"  the node  {report['rss_mb']:.0f} MB, {report['fds']:,.0f} open files")
    out.print(f"  CPU       {report['cpu_percent']:.1f} % of a core")


@app.command("mqtt")
@guarded
def mqtt(
    subscribers: Annotated[int, typer.Option(min=1, max=10_000, help="Wallets that listen over MQTT.")] = 1000,
    turns: Annotated[int, typer.Option(min=1, max=10_000, help="Messages to each of them in one slice.")] = 40,
    messages: Annotated[int, typer.Option(min=1, max=100_000, help="Through the bridge in one slice.")] = 2000,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Interleaved slices of each side.")] = 7,
    folder: Annotated[Path | None, typer.Option(help="Keep the node's folder; by default a temporary one.")] = None,
    as_json: AsJson = False,
) -> None:
    """QoS 1 to many wallets by the node's own MQTT endpoint, against Mosquitto (which has to be installed); and the
    bridge to a broker, against bare aiomqtt.

    mosquitto_rate is one shared topic for all, own_topics_rate a topic for each, as inboxes are; batched is ten
    messages that wait for each client together."""
    from ..lab.bench_bridge import BridgePlan, measure_bridge
    from ..lab.bench_mqtt import MqttPlan, measure_mqtt

    async def both(place: Path) -> dict[str, float]:
        endpoint, bridge = place / "endpoint", place / "bridge"
        endpoint.mkdir(exist_ok=True)
        bridge.mkdir(exist_ok=True)
        report = await measure_mqtt(endpoint, MqttPlan(subscribers, rounds, turns))
        return report | await measure_bridge(bridge, BridgePlan(messages=messages, rounds=rounds))

    report = _measured(both, folder)
    if as_json:
        emit(report)
        return
    out = people()
    for name, title in (("", "single"), ("batched_", "ten queued")):
        theirs = f"Mosquitto {report[f'mosquitto_{name}rate']:,.0f} on one topic"
        own = f"{report[f'own_topics_{name}rate']:,.0f} on a topic of each client's own"
        shares = f"{report[f'{name}ratio']:.2f} and {report[f'own_topics_{name}ratio']:.2f} of it"
        out.print(f"{title:<11} [bold]{report[f'{name}rate']:,.0f}[/] a second, {shares}; {theirs}, {own}")
    cpu = f"{report['cpu_us']:.1f} µs, Mosquitto {report['mosquitto_cpu_us']:.1f} µs"
    out.print(f"CPU         {cpu}, the clients {report['client_cpu_us']:.1f} µs for one delivery")
    out.print(f"memory      {report['kb_per_connection']:.1f} kB for a connection")
    bare = f"{report['bridge_ratio']:.2f} of bare aiomqtt ({report['aiomqtt_rate']:,.0f})"
    out.print(f"bridge      {report['bridge_rate']:,.0f} a second, {bare}")


@app.command("overload")
@guarded
def overload(
    times: Annotated[float, typer.Option(min=1.0, max=20, help="Of what the node can take.")] = 5.0,
    seconds: Annotated[float, typer.Option(min=1, max=120, help="Of the flood.")] = 10.0,
    publishers: Annotated[int, typer.Option(min=1, max=256, help="Connections that it comes from.")] = 8,
    wallets: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    folder: Annotated[Path | None, typer.Option(help="Keep the node's folder; by default a temporary one.")] = None,
    as_json: AsJson = False,
) -> None:
    """A real node is offered several times what it can take: what it accepts, how fast, and when it is over it."""
    from ..lab.bench_overload import OverloadPlan, measure_overload

    plan = OverloadPlan(times, seconds, publishers, wallets)
    report = _measured(lambda place: measure_overload(place, plan), folder)
    if as_json:
        emit(report)
        return
    out = people()
    capacity = f"{report['capacity_rate']:,.0f} a second is what it can"
    out.print(f"[bold]{report['offered_times']:.1f} times[/] as much as it can was offered; {capacity}")
    out.print(
        f"  accepted   {report['accepted_rate']:,.0f} a second, {report['accepted_p50_ms']:.0f} ms "
        f"(p99 {report['accepted_p99_ms']:.0f} ms)"
    )
    out.print(f"  refused    {report['refused_rate']:,.0f} a second (p99 {report['refused_p99_ms']:.0f} ms)")
    quiet = f"{report['quiet_refused']:.0f} refused, p99 {report['quiet_p99_ms']:.0f} ms"
    out.print(f"  a quiet publisher  {quiet}, {report['before_p99_ms']:.0f} ms before")
    out.print(f"  its wallet had it  after {report['delivered_p99_ms']:.0f} ms (p99)")
    out.print(f"  lost       {report['lost']:,.0f}")
    out.print(f"  recovered  after {report['recovery_s']:.2f} s")
    out.print(f"  memory     {report['rss_mb']:.0f} MB, {report['rss_before_mb']:.0f} before")


@app.command("join")
@guarded
def join(
    nodes: Annotated[int, typer.Option(min=4, max=31, help="Node processes that know one of them alone.")] = 5,
    folder: Annotated[Path | None, typer.Option(help="Keep the nodes' folders; by default a temporary one.")] = None,
    as_json: AsJson = False,
) -> None:
    """How long a new node with one bootstrap address takes from its start into the mesh of every topic."""
    from ..lab.bench_join import MESH_PEERS, measure_join

    report = _measured(lambda place: measure_join(place, nodes), folder)
    if as_json:
        emit(report)
        return
    out = people()
    out.print(f"[bold]{report['joined_s']:.1f} s[/] from start to {MESH_PEERS} mesh peers in every topic")
    out.print(f"  ready for clients   after {report['ready_s']:.1f} s")
    out.print(f"  then                {report['mesh_peers']:.0f} mesh peers in the topic that has fewest")


@app.command("heal")
@guarded
def heal(
    envelopes: Annotated[
        int, typer.Option(min=1_000, max=10_000_000, help="That the node missed: an hour at 200 a second by default.")
    ] = 720_000,
    batched: Annotated[float, typer.Option(min=0, max=1, help="Share of them that came in batches.")] = 0.95,
    wallets: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    folder: Annotated[Path | None, typer.Option(help="Keep the nodes' folders; by default a temporary one.")] = None,
    as_json: AsJson = False,
) -> None:
    """A real node comes back to all that it missed, by sync, and is published to meanwhile."""
    from ..lab.bench_heal import HealPlan, measure_heal

    report = _measured(lambda place: measure_heal(place, HealPlan(envelopes, batched, wallets)), folder)
    if as_json:
        emit(report)
        return
    out = people()
    share = f"{report['ratio']:.2f} of what a node takes from publishers ({report['ingest_rate']:,.0f} a second)"
    out.print(f"[bold]{report['seconds']:.1f} s[/] to in sync; once up {report['rate']:,.0f} a second, {share}")
    out.print(f"  lower bound       {report['bound_rate']:,.0f} a second, on one thread")
    out.print(f"  CPU               {report['cpu_s']:.1f} s here, {report['giver_cpu_s']:.1f} s at the node that gave")
    for word, name, count in (("published", "publish", "published"), ("delivered", "deliver", "delivered")):
        p50, p99 = report[f"{name}_p50_ms"], report[f"{name}_p99_ms"]
        out.print(f"  {word} meanwhile {report[f'live_{count}']:,.0f}, p50 {p50:.0f} ms, p99 {p99:.0f} ms")


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
    reports: list[dict[str, float]] = []

    async def run() -> None:
        reports.append(await measure_sync(SyncPlan(records, missing, seed, buckets)))

    run_to_end(run())
    (report,) = reports
    if as_json:
        emit(report)
        return
    out = people()
    out.print(f"[bold]{report['round_trips']:.0f} round trips[/] and {report['bytes']:,.0f} bytes")
    if buckets > 1:
        out.print(f"  which is {report['bytes_per_bucket']:.1f} bytes a bucket")
    out.print(f"  took     {report['seconds']:.3f} s, {report['cpu_s']:.3f} s of CPU")
    out.print(f"  memory   {report['bytes_per_record']:.0f} bytes a record")


def _measured(measure: Callable[[Path], Awaitable[dict[str, float]]], folder: Path | None) -> dict[str, float]:
    """What `measure` says, in a folder that is kept or in a temporary one."""
    reports: list[dict[str, float]] = []

    async def run(place: Path) -> None:
        reports.append(await measure(place))

    if folder is not None:
        run_to_end(run(folder))
    else:
        with tempfile.TemporaryDirectory(prefix="pushmesh-bench-") as place:
            run_to_end(run(Path(place)))
    (report,) = reports
    return report
