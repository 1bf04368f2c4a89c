"""Where the files lie that the configuration names. Looks for a network file, opens none."""

import difflib
from pathlib import Path

from ..resources import configs_folder
from .errors import ConfigError
from .schema import Config


def data_path(config: Config, name: str) -> Path:
    """A file that the configuration gives relative to the data folder; an absolute path stays."""
    return Path(config.node.data_dir).expanduser() / Path(name).expanduser()


def key_path(config: Config) -> Path:
    """The node's key file."""
    return data_path(config, config.node.key_file)


def store_path(config: Config) -> Path:
    """The store's file."""
    return data_path(config, config.store.path)


def network_path(config: Config) -> Path:
    """The network file: a shipped one by its name, or any by its path. Raises ConfigError where it is not there."""
    name = config.node.network
    if "/" in name or name.endswith(".toml"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ConfigError(f"node.network is {name!r}, but there is no such file")
        return path
    shipped = {path.stem: path for path in (configs_folder() / "networks").glob("*.toml")}
    if name not in shipped:
        close = difflib.get_close_matches(name, shipped, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"shipped are {', '.join(sorted(shipped))}"
        raise ConfigError(f"node.network is {name!r}, but no such network is shipped; {hint}")
    return shipped[name]
