"""`pushmesh store`: check, copy and move what a node keeps. Exit code 1 where a store is damaged."""

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .exits import Exit
from .guard import guarded
from .options import CLIENT_VARIABLES, AsJson
from .output import emit, notes, people
from .run import config_path, flags_of

if TYPE_CHECKING:
    from ..config import Config

app = typer.Typer(help="Check, copy and move what a node keeps.", no_args_is_help=True)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The node's configuration; by default as for `pushmesh run`."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One key of the configuration; may be repeated."),
]


@app.command("verify")
@guarded
def verify(
    file: Annotated[Path | None, typer.Argument(help="A backup; by default the node's own store.")] = None,
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Look at every page and every record. Changes nothing; the node may run."""
    from ..app.compose import read_network
    from ..app.remaking import remaking
    from ..config import store_path
    from ..storage.copies import verify as verify_store

    chosen = _load(config, settings)
    path = file or store_path(chosen)
    with _Progress("looking", as_json) as progress:
        found = verify_store(path, remaking(read_network(chosen)), progress)
    report = {
        "sound": found.is_sound,
        "records": found.records,
        "envelopes": found.envelopes,
        "rows": found.rows,
        "last_commit": found.last_commit,
        "incarnation": found.incarnation.hex(),
        "damaged": dict(found.damaged),
        "missing": dict(found.missing),
        "pages": found.pages,
        "quarantined": found.quarantined,
    }
    if as_json:
        emit(report)
    else:
        out = people()
        state = "[bold green]sound[/]" if found.is_sound else "[bold red]damaged[/]"
        out.print(f"{path} is {state}: {found.records:,} records with {found.envelopes:,} envelopes")
        for name, counts in (("damaged", found.damaged), ("missing", found.missing)):
            for table, count in counts.items():
                out.print(f"  {name}  {count:,} rows of {table}")
        for problem in found.pages:
            out.print(f"  page  {problem}", markup=False)
        if found.quarantined:
            out.print(f"  moved aside earlier  {found.quarantined:,} rows")
    if not found.is_sound:
        raise typer.Exit(Exit.REFUSED)


@app.command("export")
@guarded
def export(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Write everything public that the store holds into one file, for other nodes. The node may run."""
    from ..app.compose import read_network
    from ..config import store_path
    from ..storage.exports import write_export

    chosen = _load(config, settings)
    with _Progress("writing", as_json) as progress:
        frames, size = write_export(
            store_path(chosen), file, read_network(chosen).id, time.time_ns() // 1_000_000, progress
        )
    if as_json:
        emit({"file": str(file), "frames": frames, "bytes": size})
    else:
        people().print(f"{frames:,} records in {file} ({size:,} bytes)")


@app.command("import")
@guarded
def import_(
    file: Annotated[Path, typer.Argument(help="An export of the same network.")],
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Take an export into the store, with every check that peers' messages get. The node must not run."""
    from ..app.importing import Imported, import_file
    from .loop import run_to_end

    chosen = _load(config, settings)
    done: list[Imported] = []

    async def take() -> None:
        with _Progress("importing", as_json) as progress:
            done.append(await import_file(chosen, file, progress))

    run_to_end(take())
    (imported,) = done
    if as_json:
        emit({"frames": imported.frames, "envelopes": dict(imported.reasons)})
        return
    out = people()
    out.print(f"{imported.reasons['ok']:,} new envelopes of {imported.reasons.total():,}")
    for reason, count in imported.reasons.most_common():
        if reason == "duplicate":
            out.print(f"{count:,} were here already")
        elif reason != "ok":
            out.print(f"{count:,} were refused: {reason}")


@app.command("backup")
@guarded
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Copy the whole store, private parts too, as it is at one moment. The node may run."""
    from ..config import store_path
    from ..storage.copies import back_up

    chosen = _load(config, settings)
    with _Progress("copying", as_json) as progress:
        size = back_up(store_path(chosen), file, progress)
    if as_json:
        emit({"file": str(file), "bytes": size})
    else:
        people().print(f"{file} ({size:,} bytes): keep the node's key file beside it")


@app.command("restore")
@guarded
def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Check a backup and put it in the store's place; the old store is kept. The node must not run."""
    from ..app.compose import read_network
    from ..app.remaking import remaking
    from ..config import store_path
    from ..storage.copies import restore as restore_store

    chosen = _load(config, settings)
    path = store_path(chosen)
    with _Progress("looking", as_json) as progress:
        old = restore_store(file, path, remaking(read_network(chosen)), secrets.token_bytes(16), progress)
    if as_json:
        emit({"store": str(path), "old": None if old is None else str(old)})
    else:
        people().print(f"{path} is what {file} was" + (f"; the old store is {old}" if old else ""))


@app.command("compact")
@guarded
def compact(config: ConfigFile = None, settings: Settings = None, as_json: AsJson = False) -> None:
    """Write the store anew without free space. The node must not run; a running one gives space back by itself."""
    from ..config import store_path
    from ..storage.copies import compact as compact_store

    path = store_path(_load(config, settings))
    before, after = compact_store(path)
    if as_json:
        emit({"store": str(path), "before_bytes": before, "after_bytes": after})
    else:
        people().print(f"{path}: {before:,} bytes before, {after:,} now")


def _load(config: Path | None, settings: list[str] | None) -> "Config":
    from ..config import load_config

    environment = {name: value for name, value in os.environ.items() if name not in CLIENT_VARIABLES}
    return load_config(config_path(config, os.environ), environment, flags_of(settings or []))


class _Progress:
    """A line on stderr at a terminal; nothing elsewhere."""

    def __init__(self, verb: str, as_json: bool) -> None:
        self._verb = verb
        self._console = None if as_json else notes()
        self._percent = -1

    def __enter__(self) -> Callable[[int, int], None]:
        return self._tell

    def __exit__(self, *_error: object) -> None:
        if self._console is not None and self._console.is_terminal and self._percent >= 0:
            self._console.print(" " * 24, end="\r")

    def _tell(self, done: int, total: int) -> None:
        percent = 100 * done // total if total else 100
        if self._console is not None and self._console.is_terminal and percent != self._percent:
            self._percent = percent
            self._console.print(f"{self._verb}: {percent} %", end="\r")
