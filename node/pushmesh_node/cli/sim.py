"""`pushmesh sim`: the node's own router and engine, thousands of them, on a virtual clock. The same seed gives the same
report but for `wall_s`."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from .guard import guarded
from .options import AsJson
from .output import emit, notes, people

app = typer.Typer(help="Simulate a network on a virtual clock.", no_args_is_help=True)

Nodes = Annotated[int, typer.Option(min=2, max=20_000, help="Honest nodes.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same world.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw a picture too (needs pushmesh[plot]).")]


@app.command("propagation")
@guarded
def propagation(
    nodes: Nodes = 1_000,
    seed: Seed = 1,
    degree: Annotated[int | None, typer.Option("--degree", "-D", min=2, max=16, help="Another mesh degree.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="gossipsub 1.2 only, as between foreign nodes.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="D from 3 to 8, with choking and plain.")] = False,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """How fast and at what price frames of 2 to 64 KiB reach everybody: 20 connections a node, one frame a second."""
    from ..lab.sim import plots, reports

    if plot is not None:
        plots.check_can_draw()
    about = f"{nodes:,} nodes, 20 connections each, 100 ms, 100 Mbit/s, 0.1 % loss, one frame a second, seed {seed}"
    if sweep:
        from ..lab.sim.sweep import run_sweep

        runs = run_sweep(
            nodes, seed, lambda done, count, run: _note(f"{done} of {count}: D = {run.d}, {run.dialect.name}")
        )
        if plot is not None:
            plots.draw_sweep(plot, "Delay against bytes, by mesh degree", about, runs)
        _show(reports.sweep_report(runs), as_json)
        return
    from ..gossip.wire.dialects import Dialect
    from ..lab.sim.propagation import run_propagation

    run = run_propagation(nodes, seed, d=degree, dialect=Dialect.V1_2 if plain else Dialect.PUSHMESH)
    if plot is not None:
        plots.draw_figures(plot, f"Propagation at D = {run.d}", about, run.figures)
    _show(reports.propagation_report(run), as_json)


@app.command("churn")
@guarded
def churn(nodes: Nodes = 100, seed: Seed = 1, plot: Plot = None, as_json: AsJson = False) -> None:
    """Nodes leave, come back and join: whoever runs at the end must hold everything."""
    from ..lab.sim import plots, reports
    from ..lab.sim.churn import run_churn

    if plot is not None:
        plots.check_can_draw()
    run = run_churn(nodes, seed)
    if plot is not None:
        about = f"{nodes:,} nodes: {run.departures} left and came back, {run.newcomers} joined late, seed {seed}"
        plots.draw_figures(plot, "Churn: nodes that were there", about, run.figures)
    _show(reports.churn_report(run), as_json)


@app.command("partition")
@guarded
def partition(nodes: Nodes = 50, seed: Seed = 1, plot: Plot = None, as_json: AsJson = False) -> None:
    """Ten minutes in two halves, then one network again: how long until all is everywhere."""
    from ..lab.sim import plots, reports
    from ..lab.sim.partition import run_partition

    if plot is not None:
        plots.check_can_draw()
    run = run_partition(nodes, seed)
    if plot is not None:
        about = f"{nodes:,} nodes in two halves for ten minutes; frames of the time outside, seed {seed}"
        plots.draw_figures(plot, "Partition: before and after", about, run.figures)
    _show(reports.partition_report(run), as_json)


@app.command("attacks")
@guarded
def attacks(
    honest: Annotated[int, typer.Option(min=4, max=1_000, help="Honest nodes.")] = 50,
    sybils: Annotated[int, typer.Option(min=1, max=20_000, help="Identities of the adversary.")] = 1_000,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="This attack only; may be repeated.")] = None,
    seed: Seed = 1,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Every known attack, each on a small honest network for two of five virtual minutes, on all cores."""
    from ..lab.sim import plots, reports
    from ..lab.sim.campaign import choose, run_campaign
    from ..lab.sim.siege import Siege

    if plot is not None:
        plots.check_can_draw()
    began_s = time.perf_counter()

    def progress(done: int, count: int, siege: Siege) -> None:
        _note(f"{done} of {count}: {siege.name} ({siege.wall_s:.0f} s)")

    campaign = run_campaign(choose(only or []), honest, sybils, seed, progress)
    if plot is not None:
        about = f"{honest} honest nodes, {sybils:,} sybils, attack from 60 to 180 of 300 virtual seconds, seed {seed}"
        plots.draw_campaign(plot, "Attacks", about, campaign)
    report = reports.attacks_report(campaign.sieges, campaign.peace, time.perf_counter() - began_s)
    if as_json:
        emit(report)
    else:
        _table(report["scenarios"])


def _note(text: str) -> None:
    notes().print(text)


def _show(report: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        emit(report)
    elif "sweep" in report:
        _table(report["sweep"])
    else:
        width = max(map(len, report))
        for name, value in report.items():
            people().print(f"{name:<{width}}  [bold]{value}[/]")


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(*rows[0], box=None) if rows else Table()
    for row in rows:
        table.add_row(*["never" if value is None else str(value) for value in row.values()])
    people().print(table)
