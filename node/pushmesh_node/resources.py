"""Finds the files that travel with the node: networks, default config, example policies. Never reads them."""

from importlib.resources import files
from pathlib import Path


def configs_folder() -> Path:
    """The folder `configs/`, with `default.toml` and `networks/`. Do not write into it.

    A wheel carries it inside the package as `_configs`; in a source tree (so in an editable install) it is at the top.
    Raises FileNotFoundError where neither exists, which means a broken installation.
    """
    package = Path(str(files("pushmesh_node")))
    for folder in (package / "_configs", package.parent.parent / "configs"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"pushmesh is installed without its configs folder (looked beside {package})")
