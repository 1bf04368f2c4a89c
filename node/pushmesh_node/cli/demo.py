"""`pushmesh demo`: the whole of pushmesh in half a minute, on this machine."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from .exits import Exit
from .guard import CommandError, guarded
from .loop import run_to_end
from .output import emit


@guarded
def demo(
    folder: Annotated[
        Path | None, typer.Option(help="Keep keys, stores and logs here; by default a temporary folder.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="Notifications under one signature.")] = 200,
) -> None:
    """Three nodes, a dapp, wallets over three transports, a muted sender, a node that dies: is anything lost?

    The last line of stdout is one JSON object; exit code 0 means that delivered equals expected."""
    from ..lab.demo import run_demo

    async def show(place: Path) -> None:
        report = await run_demo(place, batch)
        emit(report.document())
        if not report.passed:
            raise CommandError(f"the demonstration failed: {report.failure()}", Exit.REFUSED)

    if folder is not None:
        run_to_end(show(folder))
    else:
        with tempfile.TemporaryDirectory(prefix="pushmesh-demo-") as place:
            run_to_end(show(Path(place)))
