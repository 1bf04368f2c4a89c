"""What a run of the outages came to: a JSON file, and lines for people. Decides nothing but green or red."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..checker import Fault
from .world import Outcome


@dataclass(frozen=True, slots=True)
class Run:
    """All parts of one run."""

    seed: int
    seconds: float
    parts: Sequence[Outcome]

    @property
    def green(self) -> bool:
        """Whether every part is."""
        return all(part.green for part in self.parts)

    @property
    def broken(self) -> dict[str, int]:
        """Broken promises of each kind, over all parts."""
        counts = Counter({fault.value: 0 for fault in Fault})
        for part in self.parts:
            counts.update(part.verdict.counts)
        return dict(counts)


def as_json(run: Run) -> dict[str, Any]:
    """The report's content."""
    return {
        "seed": run.seed,
        "green": run.green,
        "seconds": round(run.seconds, 1),
        "written_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "broken_promises": run.broken,
        "parts": {part.name: _part(part) for part in run.parts},
        "stories": [str(each) for part in run.parts for each in part.verdict.counterexamples[:10]],
    }


def _part(part: Outcome) -> dict[str, Any]:
    verdict = part.verdict
    return {
        "green": part.green,
        "seconds": round(part.seconds, 1),
        "published": verdict.published,
        "durable": verdict.durable,
        "delivered": verdict.delivered,
        "handed": sum([counts.handed for counts in part.ways.values()]),
        "repeats": sum([counts.repeats for counts in part.ways.values()]),
        "ways": {way: asdict(counts) for way, counts in part.ways.items()},
        "lines_of_faults": len(part.node_faults),
        **part.figures,
    }


def write_report(run: Run, folder: Path) -> Path:
    """`<folder>/outages-<seed>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"outages-{run.seed}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(as_json(run)), indent=2) + b"\n")
    return path


def told(part: Outcome) -> list[str]:
    """A part in lines: its sums, a line for each way, and what is wrong."""
    verdict = part.verdict
    lines = [
        f"{part.name}: {'green' if part.green else 'RED'} after {part.seconds:.1f} s: {verdict.published} published, "
        f"{verdict.durable} durable, {verdict.delivered} delivered"
    ]
    lines += [
        f"  {way}: {counts.wallets} wallets, {counts.connections} connections, {counts.delivered} delivered, "
        f"{counts.repeats} of them repeats, {counts.handed} handed on"
        for way, counts in part.ways.items()
    ]
    lines += [f"  {fault}: {count}" for fault, count in verdict.counts.items() if count]
    return lines + [f"  {line[:300]}" for line in part.node_faults[:3]]
