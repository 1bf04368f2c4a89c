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
    """Make a node: its configuration, its key (mode 0600) and its data folder. Never overwrites one."""
    from pushmesh_protocol.auth.ed25519 import public_key

    from ..app.keys import create_key
    from ..config import key_path, load_config, network_path

    config_path = folder / CONFIG_NAME
    for existing in (config_path, folder / "node.key"):
        if existing.exists():
            raise CommandError(f"{existing} is there already; `pushmesh run --config {config_path}` starts that node")
    flags = {"node.data_dir": str(folder), "node.network": network}
    config = load_config(None, {}, flags)
    network_path(config)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    seed = secrets.token_bytes(32)
    create_key(key_path(config), seed)
    config_path.write_text(config_text(str(folder), network))
    node_id = public_key(seed).hex()
    if as_json:
        emit({"config": str(config_path), "key": str(key_path(config)), "node_id": node_id, "network": network})
        return
    out = people()
    out.print(f"[bold]node {node_id[:16]}[/]… on network [bold]{network}[/]")
    out.print(f"  configuration  {config_path}\n  key            {key_path(config)} (mode 0600)")
    start = "pushmesh run" if folder == Path("data") else f"pushmesh run --config {config_path}"
    out.print(f"start it with: [bold]{start}[/]")


def config_text(data_dir: str, network: str) -> str:
    """default.toml with every key explained, and the two values that were chosen."""
    from ..resources import configs_folder

    text = (configs_folder() / "default.toml").read_text()
    for key, value in (("data_dir", data_dir), ("network", network)):
        written = msgspec.json.encode(value).decode()
        before, found, after = re.split(rf"^({key} = ).*$", text, maxsplit=1, flags=re.MULTILINE)
        text = before + found + written + after
    return text
