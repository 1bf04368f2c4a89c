"""What a simulation prints: one JSON object each, the same for the same seed but for `wall_s`."""

from collections.abc import Sequence
from typing import Any

from .churn import Churn
from .partition import Partition
from .plan import Figures
from .propagation import Propagation
from .siege import Siege


def propagation_report(run: Propagation) -> dict[str, Any]:
    """`pushmesh sim propagation`."""
    return {
        "nodes": run.nodes,
        **_figures(run.figures),
        "dialect": run.dialect.name.lower(),
        "mean_degree": round(run.mean_degree, 3),
        "control_ratio": round(run.figures.control_ratio, 4),
        "events": run.events,
        "wall_s": round(run.wall_s, 2),
    }


def sweep_report(runs: Sequence[Propagation]) -> dict[str, Any]:
    """`pushmesh sim propagation --sweep`: a report for each D."""
    return {"sweep": [{"d": run.d, **propagation_report(run)} for run in runs]}


def churn_report(run: Churn) -> dict[str, Any]:
    """`pushmesh sim churn`."""
    return {
        "nodes": run.nodes,
        **_figures(run.figures),
        "sync_ratio": round(run.figures.sync_ratio, 4),
        "departures": run.departures,
        "newcomers": run.newcomers,
        "away_fraction": round(run.away_fraction, 6),
        "wall_s": round(run.wall_s, 2),
    }


def partition_report(run: Partition) -> dict[str, Any]:
    """`pushmesh sim partition`."""
    return {
        "nodes": run.nodes,
        **_figures(run.figures),
        "sync_ratio": round(run.figures.sync_ratio, 4),
        "healed_s": None if run.healed_s is None else round(run.healed_s, 3),
        "crossing_links": run.crossing_links,
        "wall_s": round(run.wall_s, 2),
    }


def attacks_report(sieges: Sequence[Siege], peace: Sequence[Siege], wall_s: float) -> dict[str, Any]:
    """`pushmesh sim attacks`: `peace` is the run without an attack that each siege is compared with, in order."""
    return {
        "scenarios": [siege_report(siege, base) for siege, base in zip(sieges, peace, strict=True)],
        "wall_s": round(wall_s, 2),
    }


def siege_report(siege: Siege, peace: Siege) -> dict[str, Any]:
    """One line of it. `bytes_ratio` is of what honest nodes made each other carry for honest items, `carried_ratio` of
    all that they carried, `foreign_ratio` of how often they carried each byte of the attacker's own items, to that of
    honest items in peace (None: there were none); `received_ratio` is of all that they were sent: what sybils pour
    into their own connections is theirs to pay, as long as nobody passes it on."""
    foreign, honest = siege.foreign_copies, peace.honest_copies
    return {
        "name": siege.name,
        "delivered_fraction": round(siege.delivered_fraction, 6),
        "p99_ms": round(siege.p99_ms, 3),
        "recovered_s": siege.recovered_s,
        "honest_penalties": siege.honest_penalties,
        "bytes_ratio": round(siege.carried_per_item / peace.carried_per_item, 4),
        "carried_ratio": round(siege.carried_all_per_item / peace.carried_all_per_item, 4),
        "foreign_ratio": round(foreign / honest, 4) if foreign is not None and honest else None,
        "received_ratio": round(siege.bytes_per_item / peace.bytes_per_item, 4),
        "disagreements": siege.disagreements,
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "delivered_fraction": round(figures.delivered_fraction, 6),
        "p50_ms": round(figures.p50_ms, 3),
        "p99_ms": round(figures.p99_ms, 3),
        "worst_ms": round(figures.worst_ms, 3),
        "bytes_ratio": round(figures.bytes_ratio, 4),
    }
