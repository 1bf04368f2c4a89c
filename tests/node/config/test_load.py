from pathlib import Path

import msgspec
import pytest

from pushmesh_node.config import Config, ConfigError, load_config
from pushmesh_node.config.load import SECTIONS
from pushmesh_node.config.schema import BridgeConfig

ALICE = "eip155:1:0x" + "ab" * 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "node.toml"


def error_of(path: Path | None, env: dict[str, str] | None = None, flags: dict[str, object] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, env or {}, flags or {})
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_without_any_source_the_defaults_hold() -> None:
    assert load_config(None, {}, {}) == Config()


def test_an_empty_file_changes_nothing(file: Path) -> None:
    file.write_text("")
    assert load_config(file, {}, {}) == Config()


def test_later_sources_win_key_by_key(file: Path) -> None:
    file.write_text('[api]\nport = 1\nhost = "10.0.0.1"\nmax_connections = 5\n[mqtt]\nport = 7')
    env = {"PUSHMESH_API_PORT": "2", "PUSHMESH_API_MAX_CONNECTIONS": "6", "PATH": "/bin"}

    config = load_config(file, env, {"api.port": 3, "mqtt.port": None, "gossip.enabled": "false"})

    assert (config.api.port, config.api.host, config.api.max_connections) == (3, "10.0.0.1", 6)
    assert (config.mqtt.port, config.gossip.enabled) == (7, False)
    assert config.store == Config().store


def test_every_key_can_be_set_by_the_environment_and_by_a_flag() -> None:
    for section, keys in SECTIONS.items():
        for key in keys:
            value = getattr(getattr(Config(), section), key)
            text = (
                ",".join(value)
                if isinstance(value, tuple)
                else str(value).lower()
                if value in (True, False)
                else str(value)
            )
            assert load_config(None, {f"PUSHMESH_{section}_{key}".upper(): text}, {}) == Config()
            assert load_config(None, {}, {f"{section}.{key}": value}) == Config()


def test_bridges_come_from_the_file_in_its_order(file: Path) -> None:
    file.write_text(
        f"""
        [[bridge]]
        name = "one"
        url = "mqtt://localhost:1883"
        accounts = ["{ALICE}"]
        [[bridge]]
        name = "two"
        url = "mqtts://broker.example"
        topics = ["{ALICE}/alerts"]
        """
    )
    assert load_config(file, {}, {}).bridge == (
        BridgeConfig(name="one", url="mqtt://localhost:1883", accounts=(ALICE,)),
        BridgeConfig(name="two", url="mqtts://broker.example", topics=(f"{ALICE}/alerts",)),
    )


def test_the_variable_that_names_the_file_is_no_key() -> None:
    assert load_config(None, {"PUSHMESH_CONFIG": "node.toml"}, {}) == Config()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[api]\nprot = 1", "has the unknown key api.prot; did you mean port?"),
        ("[apy]\nport = 1", "has the unknown section [apy]; did you mean api?"),
        ("[api]\nzzzzzz = 1", "has the unknown key api.zzzzzz; known are body_timeout_s, exempt_loopback"),
        ("port = 1", "has the unknown section [port]"),
        ("api = 1", "api is 1 in"),
        ("[api]\nport = 99999", "but must be a whole number from 0 to 65_535"),
        ("[api", "is not TOML: "),
        ('[curation]\nmute_accounts = ["bob"]', "curation.mute_accounts[0] is 'bob' in"),
        ("bridge = 1", "bridge must be written as tables [[bridge]]"),
        ("bridge = [1]", "bridge must be written as tables [[bridge]]"),
        ('[[bridge]]\nname = "a"', "has no url, which every bridge needs"),
        ('[[bridge]]\nname = "a"\nurl = "mqtt://a"\nprefix = ""', "bridge[0].prefix; did you mean topic_prefix?"),
        ('[[bridge]]\nname = "A"\nurl = "mqtt://a"', "bridge[0].name is 'A' in"),
        ("[gossip]\nmax_peers = 4", "gossip.target_peers is 12, but must not be above gossip.max_peers, 4"),
        (
            "[gossip]\nmax_connections_per_ip = 17",
            "max_connections_per_subnet is 16, but must not be below",
        ),
        ("[gossip]\npack_delay_ms = 200", "gossip.pack_delay_under_load_ms is 100, but must not be below"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_one_sentence(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    assert words in error_of(file)


def test_a_bridge_may_be_for_wallets_that_ask_alone(file: Path) -> None:
    file.write_text('[[bridge]]\nname = "a"\nurl = "mqtt://a"\nmax_wallets = 5\nhook_secret_file = "s"')
    (bridge,) = load_config(file, {}, {}).bridge
    assert (bridge.max_wallets, bridge.accounts) == (5, ())


def test_two_bridges_of_one_name_would_share_a_place_in_the_inbox(file: Path) -> None:
    file.write_text(f'[[bridge]]\nname = "a"\nurl = "mqtt://a"\naccounts = ["{ALICE}"]\n' * 2)
    assert error_of(file) == "bridge[1].name is 'a', but another bridge has that name"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "bridge[0].accounts and bridge[0].topics are both empty, so there is nothing to bridge"),
        (
            "max_wallets = 5",
            "bridge[0].max_wallets is set, but bridge[0].hook_secret_file is empty: its broker has to ask who may read",
        ),
        (
            f'accounts = ["{ALICE}"]\npassword_file = "pw"',
            "bridge[0].password_file is set, but bridge[0].username is empty",
        ),
        (
            f'accounts = ["{ALICE}"]\nca_file = "ca.pem"',
            "bridge[0].ca_file is set, but bridge[0].url is 'mqtt://a', which has no TLS",
        ),
    ],
)
def test_a_key_of_a_bridge_that_would_change_nothing_is_a_mistake(file: Path, lines: str, words: str) -> None:
    file.write_text(f'[[bridge]]\nname = "a"\nurl = "mqtt://a"\n{lines}')
    assert error_of(file) == words


def test_a_mistake_counts_even_where_a_later_source_would_hide_it(file: Path) -> None:
    file.write_text("[api]\nport = -1")
    assert "api.port is -1" in error_of(file, flags={"api.port": 80})


def test_the_environment_and_flags_are_as_strict_as_the_file() -> None:
    assert error_of(None, {"PUSHMESH_API_PROT": "1"}) == (
        "the environment has the unknown variable PUSHMESH_API_PROT; did you mean PUSHMESH_API_PORT?"
    )
    assert "api.port is 'x' in the variable PUSHMESH_API_PORT" in error_of(None, {"PUSHMESH_API_PORT": "x"})
    assert error_of(None, flags={"api.prot": 1}) == "there is no key api.prot; did you mean api.port?"
    assert "api.port is 70000 in a flag" in error_of(None, flags={"api.port": 70000}).replace("_", "")
    assert "api.metrics is 1 in a flag" in error_of(None, flags={"api.metrics": 1})


def test_a_file_that_cannot_be_read_is_told_in_one_sentence(file: Path) -> None:
    assert "cannot be read: No such file" in error_of(file)
    file.write_bytes(b"[api]\n\xff")
    assert error_of(file).endswith("is not UTF-8 (byte 6)")


def test_sections_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Config().api.port = 1  # type: ignore[misc]  # that is the point


def test_every_number_has_both_ends_of_its_range() -> None:
    kinds = {**SECTIONS, "bridge": {field.name: field.type for field in msgspec.structs.fields(BridgeConfig)}}
    for section, keys in kinds.items():
        for key, kind in keys.items():
            info = msgspec.inspect.type_info(kind)
            bare = info.type if isinstance(info, msgspec.inspect.Metadata) else info
            if isinstance(bare, msgspec.inspect.IntType | msgspec.inspect.FloatType):
                assert bare.ge is not None and bare.le is not None, f"{section}.{key}"
