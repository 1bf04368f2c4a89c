"""Outages of delivery: `python -m faults.outages [--seed N] [--json]`; `make outages` calls it.

A broker that is killed, a node that is killed, clients that reconnect again and again, all clients of a node at once,
and some that are stuck: what was called durable comes to every wallet, in order and once. Prints the seed first and how
it goes, writes a report, ends with 0 where no promise was broken. The choices come from the seed; moments do not.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import SystemRandom

import msgspec

from ..report import REPORTS
from .broker import broker_away
from .kills import kill_the_node
from .reconnects import reconnect
from .report import Run, as_json, told, write_report
from .storm import storm
from .stuck import stuck_beside_quick
from .world import Outcome

Part = Callable[[Path, int], Awaitable[Outcome]]


def say(text: str) -> None:
    """Progress, a line each."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def parts_of(chosen: argparse.Namespace) -> dict[str, Part]:
    """One after the other, so that none takes the machine from another."""
    return {
        "broker": lambda folder, seed: broker_away(folder, seed, say, chosen.wallets, chosen.away),
        "kills": lambda folder, seed: kill_the_node(folder, seed, say, chosen.kills),
        "reconnects": lambda folder, seed: reconnect(folder, seed, say, chosen.reconnects),
        "storm": lambda folder, seed: storm(folder, seed, say, chosen.clients),
        "stuck": lambda folder, seed: stuck_beside_quick(folder, seed, say),
    }


async def run_all(folder: Path, seed: int, parts: dict[str, Part]) -> Run:
    """Every part, each with a node of its own."""
    began_s = time.monotonic()
    outcomes = []
    for name, part in parts.items():
        home = folder / name
        home.mkdir()
        outcomes.append(await part(home, seed))
        for line in told(outcomes[-1]):
            say(line)
    return Run(seed, time.monotonic() - began_s, outcomes)


def main() -> int:
    """0 green, 1 a broken promise."""
    parser = argparse.ArgumentParser(prog="make outages", description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--json", action="store_true", help="print the report too, in one line on standard output")
    parser.add_argument("--only", action="append", help="one part; may be given more than once")
    parser.add_argument("--wallets", type=int, default=4, help="that listen at the broker")
    parser.add_argument("--away", type=float, default=30.0, help="seconds that the broker is away")
    parser.add_argument("--kills", type=int, default=8, help="of the node")
    parser.add_argument("--reconnects", type=int, default=1_000, help="of one client over each way")
    parser.add_argument("--clients", type=int, default=1_000, help="that lose their node at once")
    parser.add_argument("--report", type=Path, default=REPORTS, help="folder of the report")
    chosen = parser.parse_args()
    parts = parts_of(chosen)
    if unknown := set(chosen.only or ()) - parts.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    if chosen.only:
        parts = {name: part for name, part in parts.items() if name in chosen.only}
    for name in ("asyncio", "mqtt"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # lost connections are the matter here; aiomqtt tells each
    seed = SystemRandom().randrange(2**32) if chosen.seed is None else chosen.seed
    say(f"seed {seed} (again with --seed {seed})")
    folder = Path(tempfile.mkdtemp(prefix="outages-"))
    run = asyncio.run(run_all(folder, seed, parts))
    say(f"report: {write_report(run, chosen.report)}")
    if chosen.json:
        print(msgspec.json.encode(as_json(run)).decode(), flush=True)
    if run.green:
        shutil.rmtree(folder)
        return 0
    for story in as_json(run)["stories"][:5]:
        say(story)
    say(f"the nodes' folders are kept in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
