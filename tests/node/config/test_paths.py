from pathlib import Path

import pytest

from pushmesh_node.config import Config, ConfigError, key_path, load_config, network_path, store_path
from pushmesh_node.config.paths import data_path
from pushmesh_protocol.network import load_network


def with_network(name: str) -> Config:
    return load_config(None, {}, {"node.network": name})


def test_what_the_node_writes_lies_in_its_data_folder() -> None:
    config = load_config(None, {}, {"node.data_dir": "/var/lib/pushmesh", "store.path": "/fast/push.db"})
    assert key_path(config) == Path("/var/lib/pushmesh/node.key")
    assert store_path(config) == Path("/fast/push.db")
    assert data_path(config, "secrets/broker") == Path("/var/lib/pushmesh/secrets/broker")


@pytest.mark.parametrize("name", ["bench", "devnet", "testnet"])
def test_a_shipped_network_is_found_by_its_name(name: str) -> None:
    assert load_network(network_path(with_network(name)).read_text()).name == name


def test_a_network_of_ones_own_is_found_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "private.toml"
    path.write_text("")
    assert network_path(with_network(str(path))) == path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("devnt", "no such network is shipped; did you mean devnet?"),
        ("zzz", "no such network is shipped; shipped are bench, devnet, testnet"),
        ("./devnet", "there is no such file"),
        ("absent.toml", "there is no such file"),
    ],
)
def test_an_absent_network_is_told_in_one_sentence(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"node.network is '{name}', but {words}".replace("?", r"\?")):
        network_path(with_network(name))
