"""Pictures of what a simulation found. matplotlib is an extra: it is imported when a picture is drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...gossip.wire.dialects import Dialect
from ..errors import LabError
from .campaign import Campaign
from .plan import Figures
from .propagation import Propagation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, ACCENT, WARM, GRID = "#1b2a3a", "#7a8794", "#2563eb", "#ea580c", "#e5e9ee"
MIB = 1024 * 1024


def check_can_draw() -> None:
    """Raises LabError with what to install where matplotlib is not there: better before a long run than after it."""
    try:
        import matplotlib

        matplotlib.use("agg")
    except ImportError as error:
        raise LabError("--plot needs matplotlib; install it with `pip install 'pushmesh[plot]'`") from error


def draw_figures(path: Path, title: str, subtitle: str, figures: Figures) -> None:
    """Two panels: how long deliveries took, and what each node received."""
    figure, (left, right) = _panels(2, title, subtitle)
    _draw_delays(left, figures)
    _draw_bytes(right, figures)
    _save(figure, path)


def draw_sweep(path: Path, title: str, subtitle: str, runs: Sequence[Propagation]) -> None:
    """p50 and p99 against bytes, one point for each D and one line for each dialect: choking is filled."""
    figure, (axes,) = _panels(1, title, subtitle)
    for dialect, way in ((Dialect.V1_2, "gossipsub 1.2"), (Dialect.PUSHMESH, "choking")):
        line = [run for run in runs if run.dialect is dialect]
        ratios = [run.figures.bytes_ratio for run in line]
        for name, colour, values in (
            ("p99", WARM, [run.figures.p99_ms for run in line]),
            ("p50", ACCENT, [run.figures.p50_ms for run in line]),
        ):
            fill = colour if dialect is Dialect.PUSHMESH else "white"
            axes.plot(ratios, values, color=colour, linewidth=1.4, alpha=0.55, zorder=2)
            axes.scatter(
                ratios, values, s=58, color=fill, edgecolor=colour, linewidth=1.4, zorder=3, label=f"{name}, {way}"
            )
    for run in runs:
        axes.annotate(
            f"D = {run.d}",
            (run.figures.bytes_ratio, run.figures.p99_ms),
            textcoords="offset points",
            xytext=(0, 10),
            ha="center",
            fontsize=9,
            color=INK,
        )
    axes.set_ylim(0, max(run.figures.p99_ms for run in runs) * 1.2)
    axes.set_xlabel("bytes received, as multiples of the payload")
    axes.set_ylabel("delivery time (ms)")
    axes.legend(frameon=False, loc="lower left")
    _save(figure, path)


def draw_campaign(path: Path, title: str, subtitle: str, campaign: Campaign) -> None:
    """Three panels of bars, one bar for each attack: p99, bytes, recovery."""
    count = len(campaign.sieges)
    figure, axes = _panels(3, title, subtitle, height=max(4.5, 1.8 + 0.3 * count))
    ratios = [s.bytes_per_item / p.bytes_per_item for s, p in zip(campaign.sieges, campaign.peace, strict=True)]
    delays = [siege.p99_ms / 1_000 for siege in campaign.sieges]
    recoveries = [siege.recovered_s if siege.recovered_s is not None else 0.0 for siege in campaign.sieges]
    columns = (
        ("p99 (s)", delays, ACCENT),
        ("bytes, to peace", ratios, WARM),
        ("recovered after (s)", recoveries, SOFT),
    )
    for place, (axis, (label, values, colour)) in enumerate(zip(axes, columns, strict=True)):
        axis.barh(range(count), values, color=colour, height=0.62)
        axis.set_xlabel(label)
        axis.set_ylim(count - 0.4, -0.6)
        axis.set_xlim(0, max(1.0, *values) * 1.18)
        axis.grid(axis="y", visible=False)
        names = [siege.name for siege in campaign.sieges] if place == 0 else []
        axis.set_yticks(range(count) if place == 0 else [], names)
        for row, (value, siege) in enumerate(zip(values, campaign.sieges, strict=True)):
            never = place == 2 and siege.recovered_s is None
            axis.annotate(
                "never" if never else f"{value:.2f}" if place != 2 else f"{value:.0f}",
                (value, row),
                textcoords="offset points",
                xytext=(4, 0),
                va="center",
                fontsize=8,
                color=INK,
            )
    _save(figure, path)


def _draw_delays(axes: "Axes", figures: Figures) -> None:
    ordered = sorted(figures.delays_ms)
    shares = [100 * (place + 1) / len(ordered) for place in range(len(ordered))]
    axes.plot(ordered, shares, color=ACCENT, linewidth=2)
    for share, value, colour in ((50, figures.p50_ms, INK), (99, figures.p99_ms, WARM)):
        axes.plot([value, value], [0, share], color=colour, linewidth=1, linestyle=(0, (4, 3)))
        axes.scatter([value], [share], s=30, color=colour, zorder=3)
        axes.annotate(
            f"p{share} {value:,.0f} ms",
            (value, share),
            textcoords="offset points",
            xytext=(8, -14),
            fontsize=10,
            color=colour,
            fontweight="bold",
        )
    axes.set_ylim(0, 103)
    axes.set_xlim(0, max(figures.p99_ms * 1.45, 1.0))
    axes.set_xlabel("time from publication to durable at a node (ms)")
    axes.set_ylabel("deliveries (%)")


def _draw_bytes(axes: "Axes", figures: Figures) -> None:
    received = [count / MIB for count in figures.node_bytes]
    axes.hist(received, bins=min(40, max(8, len(received) // 10)), color=ACCENT, alpha=0.85, edgecolor="white")
    mean = sum(received) / len(received)
    axes.axvline(mean, color=WARM, linewidth=1.4, linestyle=(0, (4, 3)))
    axes.annotate(
        f"mean {mean:,.1f} MiB, {figures.bytes_ratio:.2f} times the payload",
        (mean, 1),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        xytext=(0, 6),
        ha="center",
        fontsize=10,
        color=WARM,
        fontweight="bold",
    )
    axes.set_xlabel("received by gossip (MiB)")
    axes.set_ylabel("nodes")
    axes.locator_params(axis="y", integer=True)


def _panels(count: int, title: str, subtitle: str, *, height: float = 4.6) -> "tuple[Figure, Any]":
    check_can_draw()
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    room = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - 0.78 / height), w_pad=0.12)
    figure = Figure(figsize=({1: 7.6, 2: 11.6, 3: 13.2}[count], height), layout=room)
    axes = figure.subplots(1, count, squeeze=False)[0]
    left = 0.012
    figure.text(left, 1 - 0.12 / height, title, fontsize=14, fontweight="bold", color=INK, va="top")
    figure.text(left, 1 - 0.42 / height, subtitle, fontsize=10, color=SOFT, va="top")
    for axis in axes:
        axis.grid(color=GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(colors=SOFT, labelcolor=INK, labelsize=9)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axis.spines[side].set_color(SOFT)
    return figure, axes


def _save(figure: "Figure", path: Path) -> None:
    figure.savefig(path, dpi=144, format="png", metadata={"Software": None})
