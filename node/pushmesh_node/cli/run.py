"""`pushmesh run`: one node in the foreground."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .guard import CommandError, guarded
from .init import CONFIG_NAME
from .options import CLIENT_VARIABLES, AsJson
from .output import emit, notes

if TYPE_CHECKING:
    from ..app.node import Node

CONFIG_VARIABLE = "PUSHMESH_CONFIG"
DEFAULT_CONFIG = Path("data") / CONFIG_NAME


@guarded
def run(
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"The configuration; by default ${CONFIG_VARIABLE} or data/{CONFIG_NAME}."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One key of the configuration; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a node until SIGTERM or Ctrl-C; it finishes what it has taken before it ends."""
    flags = flags_of(settings or [])
    path = config_path(config, os.environ)

    import uvloop

    from ..app.compose import run_node
    from ..app.logs import configure_logging
    from ..config import load_config
    from ..garbage import give_back_freed_memory, settle_garbage

    environment = {name: value for name, value in os.environ.items() if name not in CLIENT_VARIABLES}
    chosen = load_config(path, environment, flags)
    configure_logging(chosen)

    def ready(node: "Node") -> None:
        status = node.status
        if as_json:
            emit({"node_id": status.node_id.hex(), "api": status.api_address, "mqtt": status.mqtt_address})
        elif notes().is_terminal:
            notes().print(f"[bold green]node {status.node_id.hex()[:16]}…[/] on network {status.network_name}")
            notes().print(f"  API   {status.api_address}\n  MQTT  {status.mqtt_address or 'off'}\n  Ctrl-C ends it")

    settle_garbage()
    give_back_freed_memory()
    uvloop.run(run_node(chosen, ready=ready))


def flags_of(settings: list[str]) -> dict[str, object]:
    """`section.key=value` texts as flags. Raises CommandError; whether the key exists is the configuration's matter."""
    flags: dict[str, object] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or "." not in key:
            raise CommandError(f"--set {text!r} is not of the form section.key=value, such as api.port=8081")
        flags[key.strip()] = value
    return flags


def config_path(given: Path | None, environment: "os._Environ[str] | dict[str, str]") -> Path:
    """The configuration file to read. Raises CommandError where there is none."""
    if given is not None:
        return given
    if environment.get(CONFIG_VARIABLE):
        return Path(environment[CONFIG_VARIABLE])
    if DEFAULT_CONFIG.exists():
        return DEFAULT_CONFIG
    raise CommandError(f"there is no node here ({DEFAULT_CONFIG} is missing); make one with `pushmesh init`")
