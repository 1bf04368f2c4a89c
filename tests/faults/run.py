"""The whole fault suite: `python -m faults.run [--kills 1000] [--images 500] [--seed N]`; `make faults` calls it.

Prints the seed first and how it goes, writes a report, ends with 0 where no promise was broken. The choices come from
the seed: the same seed strikes the same steps in the same order, though never at the same microsecond.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random, SystemRandom

from .campaign import run_alone, run_mesh
from .history import History, write_history
from .power import PowerReport, cut_power, record
from .report import REPORTS, Run, write_report
from .steps import TREE, share


def say(text: str) -> None:
    """Progress, a line each."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


async def run_all(folder: Path, seed: int, kills: int, images: int, seconds: float) -> tuple[Run, dict[str, History]]:
    """Both lanes side by side, then the power cuts."""
    began_s = time.monotonic()
    chosen = share(kills)
    (alone, told_alone), (mesh, told_mesh) = await asyncio.gather(
        run_alone(folder, seed, chosen, say), run_mesh(folder, seed, chosen, say)
    )
    say(f"power cuts: recording {seconds:g} s of a node's disk")
    power = PowerReport()
    if images:
        recorded = await record(folder, Random(f"{seed}/power"), seconds)
        say(f"power cuts: {images} images of {len(recorded.changes)} changes")
        await cut_power(recorded, seed, images, power)
    run = Run(seed, time.monotonic() - began_s, {"alone": alone, "mesh": mesh}, power)
    return run, {"alone": told_alone, "mesh": told_mesh}


def main() -> int:
    """0 green, 1 a broken promise."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=8.0, help="how much of a node's disk the power cuts record")
    parser.add_argument("--report", type=Path, default=REPORTS, help="folder of the report")
    chosen = parser.parse_args()
    seed = SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    say(f"seed {seed} (again with --seed {seed})")
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    run, histories = asyncio.run(run_all(folder, seed, chosen.kills, chosen.images, chosen.seconds))
    path = write_report(run, chosen.report)
    say(f"{run.kills.total()} kills ({run.kills[TREE]} of whole trees) and {run.power.images} power cuts: {run.broken}")
    say(f"report: {path}")
    if run.green:
        shutil.rmtree(folder)
        return 0
    for name, history in histories.items():
        write_history(path.with_suffix(f".{name}.jsonl"), history.events)
    for lane in run.lanes.values():
        for broken in lane.verdict.counterexamples[:3] if lane.verdict else ():
            say(str(broken))
    for broken in run.power.broken[:3]:
        say(str(broken))
    say(f"the nodes' folders are kept in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
