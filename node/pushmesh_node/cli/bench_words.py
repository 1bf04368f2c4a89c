"""What `pushmesh bench` tells people: the figures of each report as a few lines. Knows figures by their names alone and
measures nothing."""

from collections.abc import Iterator, Mapping

Report = Mapping[str, float]


def verify(report: Report) -> Iterator[str]:
    """Ours beside eth-account's."""
    sides = f"pushmesh [bold]{report['ours_us']:.1f} µs[/], eth-account {report['eth_account_us']:.1f} µs"
    yield f"{sides}: [bold]{report['speedup']:.1f} times[/] as fast"


def ingest(report: Report) -> Iterator[str]:
    """What a node takes, and what bounds it."""
    share = f"{report['ratio']:.2f} of bare recovery on one thread ({report['limit_rate']:,.0f} a second)"
    yield f"[bold]{report['rate']:,.0f}[/] a second, {share}"
    yield f"  no product logic  {report['lower_bound_rate']:,.0f} a second"
    yield f"  generator         {report['load_us']:.1f} µs of CPU an envelope"
    yield f"  acknowledged      after {report['p50_ms']:.1f} ms (p99 {report['p99_ms']:.1f} ms)"
    yield f"  rows at the end   {report['rows']:,}"


def gossip(report: Report, nodes: int) -> Iterator[str]:
    """What so many nodes take from each other, and what one hop costs."""
    share = f"{report['ratio']:.3f} of bare recovery on one thread ({report['limit_rate']:,.0f} a second)"
    bare = f"{report['lower_bound_rate']:,.0f} a second, of which this is {report['lower_bound_ratio']:.2f}"
    times = f"after {report['p50_ms']:.0f} ms (p99 {report['p99_ms']:.0f} ms)"
    stock = f"py-libp2p's gossipsub {report['stock_cpu_us_per_envelope']:,.0f} µs"
    yield f"[bold]{report['rate']:,.0f}[/] a second on {nodes} disks each, {share}"
    yield f"  all disks together  {nodes * report['ratio']:.2f} of it"
    yield f"  bare sockets        {bare}"
    yield f"  lost                {report['lost']:,}"
    yield f"  on the last disk    {times} at 80 % of the rate"
    yield f"  over bare sockets   p99 {report['lower_bound_p99_ms']:.0f} ms at as many a second"
    yield f"  carrying one        {report['cpu_us_per_envelope']:.1f} µs of CPU, {stock}"
    yield f"  everything for one  {report['node_cpu_us_per_envelope']:.0f} µs of CPU"


def store(report: Report, batches: tuple[int, ...]) -> Iterator[str]:
    """How much slower a full store is, by the size of a batch."""
    for batch in batches:
        rates = f"{report[f'full_rate_{batch}']:,.0f} a second, {report[f'empty_rate_{batch}']:,.0f} into an empty one"
        yield f"batches of {batch:>5}   [bold]{report[f'ratio_{batch}']:.2f}[/]   {rates}"
    yield f"rows              {report['rows']:,.0f}, {report['bytes_per_record']:.0f} bytes each"


def ack(report: Report) -> Iterator[str]:
    """How long `durable` took, beside a bare sync."""
    yield f"[bold]{report['p99_ms']:.1f} ms[/] p99 at {report['rate']:,} a second; {report['bound_ms']:.1f} is allowed"
    yield f"  half of them  {report['p50_ms']:.1f} ms, the slowest {report['max_ms']:.1f} ms"
    yield f"  a bare sync   {report['sync_p50_ms']:.2f} ms (p99 {report['sync_p99_ms']:.2f} ms)"


def fanout(report: Report) -> Iterator[str]:
    """Deliveries beside a bare protocol's."""
    bare = f"{report['ratio']:.2f} of a bare protocol ({report['limit_rate']:,.0f} a second)"
    times = f"{report['batched_speedup']:.1f} times as many (a bare protocol {report['limit_batched_speedup']:.1f})"
    cpu = f"{report['cpu_us']:.1f} µs of the node's loop for one delivery, {report['batched_cpu_us']:.1f} µs of ten"
    bare_cpu = f"{report['limit_cpu_us']:.1f} µs, {report['limit_batched_cpu_us']:.1f} µs of ten"
    reader = f"{report['client_cpu_us']:.1f} µs, {report['batched_client_cpu_us']:.1f} µs of ten"
    yield f"[bold]{report['rate']:,.0f}[/] deliveries a second, {bare}"
    yield f"  ten queued  {report['batched_rate']:,.0f} a second, {times}"
    yield f"  CPU         {cpu}; a bare protocol {bare_cpu}; the reader {reader}"
    yield f"  memory      {report['kb_per_connection']:.1f} kB for an idle connection"


def idle(report: Report) -> Iterator[str]:
    """What a wallet costs that hears nothing."""
    yield f"[bold]{report['kb_per_connection']:.1f} kB[/] for each of {report['connections']:,.0f} wallets"
    yield f"  the node  {report['rss_mb']:.0f} MB, {report['fds']:,.0f} open files"
    yield f"  CPU       {report['cpu_percent']:.1f} % of a core"


def mqtt(report: Report) -> Iterator[str]:
    """The endpoint beside Mosquitto, the bridge beside bare aiomqtt."""
    for name, title in (("", "single"), ("batched_", "ten queued")):
        theirs = f"Mosquitto {report[f'mosquitto_{name}rate']:,.0f} on one topic"
        own = f"{report[f'own_topics_{name}rate']:,.0f} on a topic of each client's own"
        shares = f"{report[f'{name}ratio']:.2f} and {report[f'own_topics_{name}ratio']:.2f} of it"
        yield f"{title:<11} [bold]{report[f'{name}rate']:,.0f}[/] a second, {shares}; {theirs}, {own}"
    cpu = f"{report['cpu_us']:.1f} µs, Mosquitto {report['mosquitto_cpu_us']:.1f} µs"
    bare = f"{report['bridge_ratio']:.2f} of bare aiomqtt ({report['aiomqtt_rate']:,.0f})"
    yield f"CPU         {cpu}, the clients {report['client_cpu_us']:.1f} µs for one delivery"
    yield f"memory      {report['kb_per_connection']:.1f} kB for a connection"
    yield f"bridge      {report['bridge_rate']:,.0f} a second, {bare}"


def overload(report: Report) -> Iterator[str]:
    """What a flood did to whom, and how long."""
    accepted = f"{report['accepted_p50_ms']:.0f} ms (p99 {report['accepted_p99_ms']:.0f} ms)"
    quiet = f"{report['quiet_refused']:.0f} refused, p99 {report['quiet_p99_ms']:.0f} ms"
    capacity = f"{report['capacity_rate']:,.0f} a second is what it can"
    yield f"[bold]{report['offered_times']:.1f} times[/] as much as it can was offered; {capacity}"
    yield f"  accepted   {report['accepted_rate']:,.0f} a second, {accepted}"
    yield f"  refused    {report['refused_rate']:,.0f} a second (p99 {report['refused_p99_ms']:.0f} ms)"
    yield f"  a quiet publisher  {quiet}, {report['before_p99_ms']:.0f} ms before"
    yield f"  its wallet had it  after {report['delivered_p99_ms']:.0f} ms (p99)"
    yield f"  lost       {report['lost']:,.0f}"
    yield f"  recovered  after {report['recovery_s']:.2f} s"
    yield f"  memory     {report['rss_mb']:.0f} MB, {report['rss_before_mb']:.0f} before"


def join(report: Report, mesh_peers: int) -> Iterator[str]:
    """How long it took into the mesh, where so many peers are in it."""
    yield f"[bold]{report['joined_s']:.1f} s[/] from start to {mesh_peers} mesh peers in every topic"
    yield f"  ready for clients   after {report['ready_s']:.1f} s"
    yield f"  then                {report['mesh_peers']:.0f} mesh peers in the topic that has fewest"


def heal(report: Report) -> Iterator[str]:
    """How long it took to be in sync, and what went on meanwhile."""
    share = f"{report['ratio']:.2f} of what a node takes from publishers ({report['ingest_rate']:,.0f} a second)"
    yield f"[bold]{report['seconds']:.1f} s[/] to in sync; once up {report['rate']:,.0f} a second, {share}"
    yield f"  lower bound       {report['bound_rate']:,.0f} a second, on one thread"
    yield f"  CPU               {report['cpu_s']:.1f} s here, {report['giver_cpu_s']:.1f} s at the node that gave"
    for word, name in (("published", "publish"), ("delivered", "deliver")):
        p50, p99 = report[f"{name}_p50_ms"], report[f"{name}_p99_ms"]
        yield f"  {word} meanwhile {report[f'live_{word}']:,.0f}, p50 {p50:.0f} ms, p99 {p99:.0f} ms"


def sync(report: Report, buckets: int) -> Iterator[str]:
    """What finding the difference cost."""
    yield f"[bold]{report['round_trips']:.0f} round trips[/] and {report['bytes']:,.0f} bytes"
    if buckets > 1:
        yield f"  which is {report['bytes_per_bucket']:.1f} bytes a bucket"
    yield f"  took     {report['seconds']:.3f} s, {report['cpu_s']:.3f} s of CPU"
    yield f"  memory   {report['bytes_per_record']:.0f} bytes a record"
