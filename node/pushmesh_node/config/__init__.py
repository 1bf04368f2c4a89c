"""An operator's configuration: every key's type, range, default and meaning, read once at start. Knows no room."""

from .errors import ConfigError
from .load import load_config
from .paths import data_path, key_path, network_path, store_path
from .render import render_default
from .schema import BridgeConfig, Config

__all__ = [
    "BridgeConfig",
    "Config",
    "ConfigError",
    "data_path",
    "key_path",
    "load_config",
    "network_path",
    "render_default",
    "store_path",
]
