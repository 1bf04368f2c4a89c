"""What a run came to: a JSON file and, where matplotlib is there, a picture. Decides nothing but green or red."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from .checker import Fault
from .lane import LaneReport
from .power import PowerReport
from .steps import TREE

REPORTS = Path(__file__).parent / "reports"


@dataclass(frozen=True, slots=True)
class Run:
    """Everything of one run of the suite."""

    seed: int
    seconds: float
    lanes: Mapping[str, LaneReport]
    power: PowerReport

    @property
    def kills(self) -> Counter[str]:
        """By what was killed and where."""
        return sum((lane.kills for lane in self.lanes.values()), Counter())

    @property
    def broken(self) -> dict[str, int]:
        """Broken promises of each kind, over all lanes and images."""
        counts = Counter({fault.value: 0 for fault in Fault})
        for lane in self.lanes.values():
            counts.update(lane.verdict.counts if lane.verdict else {})
        counts.update(Counter(each.fault.value for each in self.power.broken))
        return dict(counts)

    @property
    def green(self) -> bool:
        """Nothing lost, no phantom, nothing twice, and no image that the store would not open."""
        judged = all(lane.verdict is not None for lane in self.lanes.values())
        return judged and not any(self.broken.values()) and not self.power.unusable


def as_json(run: Run) -> dict[str, Any]:
    """The report's content."""
    return {
        "seed": run.seed,
        "green": run.green,
        "seconds": round(run.seconds, 1),
        "written_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kills": {
            "total": run.kills.total(),
            "whole_trees": run.kills[TREE],
            "by_step": dict(sorted(run.kills.items())),
        },
        "broken_promises": run.broken,
        "lanes": {name: _lane(lane) for name, lane in run.lanes.items()},
        "power_cuts": {
            "images": run.power.images,
            "by_survival": dict(run.power.by_survival),
            "promises_checked": run.power.promises,
            "broken": len(run.power.broken),
            "unusable": run.power.unusable[:20],
        },
        "stories": [str(each) for each in _stories(run)[:20]],
    }


def _lane(lane: LaneReport) -> dict[str, Any]:
    verdict = lane.verdict
    starts = sorted(lane.starts_s)
    return {
        "kills": lane.kills.total(),
        "published": verdict.published if verdict else None,
        "durable": verdict.durable if verdict else None,
        "delivered": verdict.delivered if verdict else None,
        "start_s": {"median": _at(starts, 0.5), "p99": _at(starts, 0.99), "most": _at(starts, 1.0)},
        "lines_of_faults": len(lane.node_faults),
    }


def _at(values: Sequence[float], share: float) -> float | None:
    return round(values[min(len(values) - 1, int(share * len(values)))], 3) if values else None


def _stories(run: Run) -> list[Any]:
    told = [each for lane in run.lanes.values() if lane.verdict for each in lane.verdict.counterexamples]
    return sorted([*told, *run.power.broken], key=lambda each: len(each.story))


def write_report(run: Run, folder: Path) -> Path:
    """`<folder>/faults-<seed>.json`, and a picture beside it where it can be drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"faults-{run.seed}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(as_json(run)), indent=2) + b"\n")
    if can_draw():
        _draw(run, path.with_suffix(".png"))
    return path


def can_draw() -> bool:
    """Whether the extra `plot` is installed."""
    return find_spec("matplotlib") is not None


def _draw(run: Run, path: Path) -> None:
    """Kills by step, and when they fell."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    left, right = figure.subplots(1, 2)
    names, counts = zip(*sorted(run.kills.items(), key=lambda each: each[1]), strict=True)
    left.barh(names, counts, color="#33658a")
    left.set_xlabel("kills")
    for name, lane in run.lanes.items():
        right.step(lane.times_s, range(1, len(lane.times_s) + 1), where="post", label=name)
    right.set_xlabel("seconds")
    right.set_ylabel("kills so far")
    right.legend()
    broken = ", ".join(f"{count} {name}" for name, count in run.broken.items())
    figure.suptitle(f"seed {run.seed}: {run.kills.total()} kills, {run.power.images} power cuts; {broken}", fontsize=10)
    figure.savefig(path, dpi=110)
