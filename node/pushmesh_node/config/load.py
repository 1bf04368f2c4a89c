"""Reads the configuration: defaults, then a TOML file, then the environment, then flags; the later one wins.

Every value is checked where it stands, also one that a later source overrides: a mistake is never silent.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from .errors import ConfigError
from .schema import BridgeConfig, Config
from .values import keys_of, read_text, read_value

PREFIX: Final = "PUSHMESH_"
CONFIG_VARIABLE: Final = "PUSHMESH_CONFIG"
"""Names the file itself; the command line reads it, so it is no key here."""

SECTIONS: Final[dict[str, dict[str, Any]]] = {
    field.name: keys_of(field.type) for field in msgspec.structs.fields(Config) if field.name != "bridge"
}
"""The keys of every section with their types; a bridge is a list of tables and stands in the file alone."""

Layer = dict[str, dict[str, Any]]


def load_config(path: Path | None, env: Mapping[str, str], flags: Mapping[str, object]) -> Config:
    """Raises ConfigError with one sentence.

    `env` is the whole environment, of which variables PUSHMESH_<SECTION>_<KEY> count; `flags` has dotted keys with
    typed values or texts, None for a flag that was not given."""
    layer, bridges = ({}, ()) if path is None else _from_file(path)
    for other in (_from_environment(env), _from_flags(flags)):
        for section, values in other.items():
            layer.setdefault(section, {}).update(values)
    kinds = {field.name: field.type for field in msgspec.structs.fields(Config)}
    sections: dict[str, Any] = {name: kinds[name](**layer.get(name, {})) for name in SECTIONS}
    config = Config(**sections, bridge=bridges)
    _check_together(config)
    return config


def _from_file(path: Path) -> tuple[Layer, tuple[BridgeConfig, ...]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the configuration {path} is not UTF-8 (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the configuration {path} is not TOML: {error}") from error
    source = str(path)
    bridges = _bridges(document.pop("bridge", []), source)
    return {section: _section(section, table, source) for section, table in document.items()}, bridges


def _section(section: str, table: object, source: str) -> dict[str, Any]:
    if section not in SECTIONS:
        raise ConfigError(f"{source} has the unknown section [{section}]; {_nearest(section, [*SECTIONS, 'bridge'])}")
    if not isinstance(table, dict):
        raise ConfigError(f"{section} is {table!r} in {source}, but must be a table [{section}]")
    return _table(section, SECTIONS[section], table, source)


def _table(name: str, kinds: Mapping[str, Any], table: Mapping[str, object], source: str) -> dict[str, Any]:
    values = {}
    for key, value in table.items():
        if key not in kinds:
            raise ConfigError(f"{source} has the unknown key {name}.{key}; {_nearest(key, kinds)}")
        values[key] = read_value(kinds[key], value, f"{name}.{key}", source)
    return values


def _bridges(tables: object, source: str) -> tuple[BridgeConfig, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"bridge must be written as tables [[bridge]] in {source}")
    kinds = keys_of(BridgeConfig)
    required = [field.name for field in msgspec.structs.fields(BridgeConfig) if field.required]
    bridges = []
    for place, table in enumerate(tables):
        name = f"bridge[{place}]"
        absent = [key for key in required if key not in table]
        if absent:
            raise ConfigError(f"{name} in {source} has no {absent[0]}, which every bridge needs")
        bridges.append(BridgeConfig(**_table(name, kinds, table, source)))
    return tuple(bridges)


def _from_environment(env: Mapping[str, str]) -> Layer:
    known = {f"{PREFIX}{s}_{key}".upper(): (s, key) for s, kinds in SECTIONS.items() for key in kinds}
    layer: Layer = {}
    for variable in sorted(env):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable not in known:
            raise ConfigError(f"the environment has the unknown variable {variable}; {_nearest(variable, known)}")
        section, key = known[variable]
        kind = SECTIONS[section][key]
        value = read_text(kind, env[variable], f"{section}.{key}", f"the variable {variable}")
        layer.setdefault(section, {})[key] = value
    return layer


def _from_flags(flags: Mapping[str, object]) -> Layer:
    known = {f"{section}.{key}": (section, key) for section, kinds in SECTIONS.items() for key in kinds}
    layer: Layer = {}
    for name, value in flags.items():
        if value is None:
            continue
        if name not in known:
            raise ConfigError(f"there is no key {name}; {_nearest(name, known)}")
        section, key = known[name]
        kind = SECTIONS[section][key]
        read = read_text if isinstance(value, str) else read_value
        layer.setdefault(section, {})[key] = read(kind, cast(Any, value), name, "a flag")
    return layer


def _nearest(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def _check_together(config: Config) -> None:
    """Raise ConfigError where two keys that are each right contradict one another."""
    gossip = config.gossip
    publish = config.publish
    if publish.least_units > publish.most_units:
        raise ConfigError(
            f"publish.least_units is {publish.least_units}, but must not be above publish.most_units, "
            f"{publish.most_units}"
        )
    if gossip.target_peers > gossip.max_peers:
        raise ConfigError(
            f"gossip.target_peers is {gossip.target_peers}, but must not be above gossip.max_peers, {gossip.max_peers}"
        )
    slow, quick = gossip.pack_delay_under_load_ms, gossip.pack_delay_ms
    if slow < quick:
        raise ConfigError(
            f"gossip.pack_delay_under_load_ms is {slow}, but must not be below gossip.pack_delay_ms, {quick}"
        )
    subnet, one_ip = gossip.max_connections_per_subnet, gossip.max_connections_per_ip
    if subnet < one_ip:
        raise ConfigError(
            f"gossip.max_connections_per_subnet is {subnet}, but must not be below gossip.max_connections_per_ip, "
            f"{one_ip}"
        )
    names = [bridge.name for bridge in config.bridge]
    for place, bridge in enumerate(config.bridge):
        if bridge.name in names[:place]:
            raise ConfigError(f"bridge[{place}].name is {bridge.name!r}, but another bridge has that name")
        _check_bridge(f"bridge[{place}]", bridge)


def _check_bridge(name: str, bridge: BridgeConfig) -> None:
    """A key that would change nothing is a mistake, and so is a bridge of nothing."""
    if not bridge.accounts and not bridge.topics and not bridge.max_wallets:
        raise ConfigError(f"{name}.accounts and {name}.topics are both empty, so there is nothing to bridge")
    if bridge.max_wallets and not bridge.hook_secret_file:
        raise ConfigError(
            f"{name}.max_wallets is set, but {name}.hook_secret_file is empty: its broker has to ask who may read"
        )
    if bridge.password_file and not bridge.username:
        raise ConfigError(f"{name}.password_file is set, but {name}.username is empty")
    if bridge.ca_file and not bridge.url.startswith("mqtts:"):
        raise ConfigError(f"{name}.ca_file is set, but {name}.url is {bridge.url!r}, which has no TLS")
