"""`pushmesh init`: a folder with a node's key, its configuration and room for its data."""

import re
import secrets
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from .guard import CommandError, guarded
from .options import AsJson
from .output import emit, people

CONFIG_NAME = "pushmesh.toml"


@guarded
def init(
    folder: Annotated[Path, typer.Argument(help="The node's folder; it is made.")] = Path("data"),
    network: Annotated[
        str, typer.Option(help="A shipped network (bench, devnet, testnet), or a network file.")
    ] = "devnet",
    as_json: AsJson = False,
) -> None:
    """Make a node: its configuration, its key (mode 0600) and its data folder. Keeps what is there already."""
    from pushmesh_protocol.auth.ed25519 import public_key

    from ..app.compose import read_network
    from ..app.keys import create_key, load_key
    from ..config import key_path, load_config

    config_path = folder / CONFIG_NAME
    configured = config_path.exists()
    flags = {"node.data_dir": str(folder), "node.network": network}
    config = load_config(config_path, {}, {}) if configured else load_config(None, {}, flags)
    if configured and key_path(config).exists():
        raise CommandError(f"{config_path} is there already; `pushmesh run --config {config_path}` starts that node")
    read_network(config)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not key_path(config).exists():
            create_key(key_path(config), secrets.token_bytes(32))
        if not configured:
            _write_whole(config_path, config_text(str(folder), network))
    except OSError as error:
        raise CommandError(f"the folder {folder} cannot be made or written: {error.strerror}; name another") from error
    node_id = public_key(load_key(key_path(config))).hex()
    network = config.node.network
    if as_json:
        emit({"config": str(config_path), "key": str(key_path(config)), "node_id": node_id, "network": network})
        return
    out = people()
    out.print(f"[bold]node {node_id[:16]}[/]… on network [bold]{network}[/]")
    out.print(f"  configuration  {config_path}\n  key            {key_path(config)} (mode 0600)")
    start = "pushmesh run" if folder == Path("data") else f"pushmesh run --config {config_path}"
    out.print(f"start it with: [bold]{start}[/]")


def _write_whole(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError:
        path.unlink(missing_ok=True)  # half a configuration would look like a whole one
        raise


def config_text(data_dir: str, network: str) -> str:
    """default.toml with every key explained, and the two values that were chosen."""
    from ..resources import configs_folder

    text = (configs_folder() / "default.toml").read_text()
    for key, value in (("data_dir", data_dir), ("network", network)):
        written = msgspec.json.encode(value).decode()
        before, found, after = re.split(rf"^({key} = ).*$", text, maxsplit=1, flags=re.MULTILINE)
        text = before + found + written + after
    return text
