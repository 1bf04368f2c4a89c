"""Shipped networks for the laboratory."""

from pushmesh_protocol.network import Network, load_network

from ..resources import configs_folder


def shipped_network(name: str) -> Network:
    """The network of configs/networks/<name>.toml; its file is tested, so that a broken one is our own fault."""
    return load_network((configs_folder() / "networks" / f"{name}.toml").read_text())
