"""`pushmesh devnet`: a network of real node processes on this machine, with a live table."""

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .guard import guarded
from .loop import run_to_end
from .options import AsJson
from .output import emit, notes

if TYPE_CHECKING:
    from rich.table import Table

    from ..lab.devnet import Devnet

EVERY_S = 1.0


@guarded
def devnet(
    nodes: Annotated[int, typer.Option(min=1, max=32, help="How many node processes.")] = 3,
    folder: Annotated[
        Path | None, typer.Option(help="Keep keys, stores and logs here; by default a temporary folder.")
    ] = None,
    port: Annotated[
        int,
        typer.Option(min=0, max=65_000, help="First port (API, MQTT, gossip of node 1, and so on); 0 takes free ones."),
    ] = 0,
    network: Annotated[str, typer.Option(help="A shipped network, or a network file.")] = "devnet",
    as_json: AsJson = False,
) -> None:
    """Run N meshed nodes on loopback until Ctrl-C, which ends them all."""

    async def serve(place: Path) -> None:
        from ..lab.devnet import Devnet

        net = Devnet(place, nodes, network=network, first_port=port or None)
        if not as_json:
            notes().print(f"starting {nodes} nodes in {place} …")
        async with net:
            await (_report(net) if as_json else _watch(net))

    def until_interrupted(place: Path) -> None:
        try:
            run_to_end(serve(place))
        except KeyboardInterrupt:
            return  # how a devnet is meant to end

    if folder is not None:
        until_interrupted(folder)
    else:
        with tempfile.TemporaryDirectory(prefix="pushmesh-devnet-") as place:
            until_interrupted(Path(place))


async def _watch(net: "Devnet") -> None:
    from rich.live import Live

    with Live(console=notes(), auto_refresh=False) as live:
        while True:
            statuses = await asyncio.gather(*(net.status(index) for index in range(len(net.nodes))))
            live.update(_table(net, statuses), refresh=True)
            await asyncio.sleep(EVERY_S)


async def _report(net: "Devnet") -> None:
    """For programs: one line with the addresses when all are ready, then silence until it is cancelled."""
    statuses = await asyncio.gather(*(net.status(index) for index in range(len(net.nodes))))
    emit({"nodes": [{"name": node.plan.name, "url": node.plan.url, "pid": node.pid, "status": status}
                    for node, status in zip(net.nodes, statuses, strict=True)]})  # fmt: skip
    await asyncio.Event().wait()


def _table(net: "Devnet", statuses: list[dict[str, Any]]) -> "Table":
    from rich.table import Table

    from ..lab.devnet import peers_in

    table = Table("node", "API", "MQTT", "state", "peers", "commits", "pid", title="devnet; Ctrl-C ends all")
    for node, status in zip(net.nodes, statuses, strict=True):
        state = _state(status) if node.running else "[red]ended[/]"
        peers, commits = (str(peers_in(status)), str(status["last_commit"])) if status else ("?", "?")
        mqtt = str(status.get("mqtt_address", ""))
        table.add_row(node.plan.name, node.plan.url, mqtt, state, peers, commits, str(node.pid))
    return table


def _state(status: dict[str, Any]) -> str:
    if status.get("ready"):
        return "[green]ready[/]"
    return f"[yellow]{', '.join(status.get('not_ready', ())) or 'silent'}[/]"
