"""Bridges from an operator's file to what they are told; a crash of one ends them all."""

import asyncio
import gc
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pushmesh_node.app.bridging import build_bridges, read_bridges, run_bridges
from pushmesh_node.app.compose import run_node
from pushmesh_node.app.keys import create_key
from pushmesh_node.app.node import Node
from pushmesh_node.config import BridgeConfig, Config, ConfigError, load_config
from pushmesh_node.config.schema import NodeConfig
from pushmesh_node.delivery.bridge import Bridge
from pushmesh_node.delivery.bridge_settings import BridgeSettings
from pushmesh_node.delivery.messages import MessageForms
from pushmesh_node.metrics.node import BRIDGE_EVENTS
from pushmesh_protocol.accounts import Topic, display_account, display_topic
from pushmesh_protocol.reasons import Reason
from support.app_world import count
from support.certificates import write_certificate
from support.mosquitto import running_broker
from support.until import until
from support.wallets import a_wallet

ALICE = a_wallet(1).account
TOPIC = Topic(ALICE, "alerts")


def a_config(folder: Path, **keys: Any) -> Config:
    values: dict[str, Any] = {
        "name": "home",
        "url": "mqtt://broker.example",
        "accounts": (display_account(ALICE),),
    }
    return Config(node=NodeConfig(data_dir=str(folder)), bridge=(BridgeConfig(**(values | keys)),))


def error_of(config: Config) -> str:
    with pytest.raises(ConfigError) as caught:
        read_bridges(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def a_secret(folder: Path, data: bytes = b"p@ss word\nsecond line\n", mode: int = 0o600) -> Path:
    path = folder / "broker.password"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_without_a_bridge_there_is_nothing_to_tell() -> None:
    assert read_bridges(Config()) == []


def test_every_key_reaches_the_bridge(tmp_path: Path) -> None:
    a_secret(tmp_path)
    keys: dict[str, Any] = {
        "url": "mqtt://broker.example:9001",
        "username": "bridge",
        "password_file": "broker.password",
        "topic_prefix": "a/b",
        "accounts": (display_account(ALICE), display_account(ALICE).lower()),
        "topics": (display_topic(TOPIC), display_topic(TOPIC)),
        "takes_publishes": True,
        "max_wallets": 9,
        "hook_secret_file": "hook.secret",
        "max_in_flight": 7,
        "reconnect_max_s": 2.5,
    }
    hook = tmp_path / "hook.secret"
    hook.write_text("hush")
    hook.chmod(0o600)
    assert read_bridges(a_config(tmp_path, **keys)) == [
        BridgeSettings(
            name="home",
            host="broker.example",
            port=9001,
            tls=None,
            username="bridge",
            password="p@ss word",
            topic_prefix="a/b",
            accounts=(ALICE,),
            topics=(TOPIC,),
            max_in_flight=7,
            reconnect_max_s=2.5,
            takes_publishes=True,
            max_wallets=9,
            hook_secret="hush",
        )
    ]


def test_the_port_follows_from_the_scheme_and_mqtts_checks_certificates(tmp_path: Path) -> None:
    (plain,) = read_bridges(a_config(tmp_path))
    assert (plain.port, plain.tls, plain.username, plain.password) == (1883, None, None, None)
    (secure,) = read_bridges(a_config(tmp_path, url="mqtts://broker.example"))
    assert secure.port == 8883 and secure.tls is not None
    assert (secure.tls.verify_mode, secure.tls.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("data", "mode", "why"),
    [
        (b"secret\n", 0o640, "can be read by others; run `chmod 600"),
        (b"\n", 0o600, "has nothing on its first line"),
        (b"\xff\n", 0o600, "is not UTF-8 (byte 0)"),
    ],
)
def test_a_password_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, data: bytes, mode: int, why: str) -> None:
    path = a_secret(tmp_path, data, mode)
    told = error_of(a_config(tmp_path, username="bridge", password_file=path.name))
    assert told.startswith(f"the password file {path} of the bridge home ") and why in told


def test_a_file_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    secret = error_of(a_config(tmp_path, username="bridge", password_file="none"))
    assert secret == f"the password file {tmp_path}/none of the bridge home cannot be read: No such file or directory"
    ca = error_of(a_config(tmp_path, url="mqtts://x", ca_file="none"))
    assert ca == f"the ca file {tmp_path}/none of the bridge home cannot be read: No such file or directory"


def test_a_ca_file_without_certificates_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    assert error_of(a_config(tmp_path, url="mqtts://x", ca_file="ca.pem")).endswith(
        "of the bridge home holds no certificates in PEM form"
    )


def bridges_of(node: Node, folder: Path, **keys: Any) -> list[Bridge]:
    return build_bridges(read_bridges(a_config(folder, **keys)), node, MessageForms(node.store.incarnation))


async def test_a_bridge_counts_in_the_nodes_metrics(node: Node, tmp_path: Path) -> None:
    (bridge,) = bridges_of(node, tmp_path)
    assert (bridge.name, bridge.is_connected) == ("home", False)
    for what in BRIDGE_EVENTS:
        bridge._observe(what, Reason.EXPIRED)
        assert count(node, "pushmesh_bridge_events_total", what=what, reason="expired") == 1


async def test_a_fault_of_ours_in_one_bridge_ends_all_of_them_loudly(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy, broken = *bridges_of(node, tmp_path), *bridges_of(node, tmp_path)
    ended: list[str] = []

    async def run_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("healthy")

    async def crash() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(healthy, "run", run_for_ever)
    monkeypatch.setattr(broken, "run", crash)
    with pytest.raises(ExceptionGroup) as caught:
        await run_bridges([healthy, broken], node.broadcasts)
    assert [repr(each) for each in caught.value.exceptions] == ["RuntimeError('a fault of ours')"]
    assert ended == ["healthy"]


async def test_a_fault_of_ours_in_a_bridge_ends_the_node_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(_: Bridge) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Bridge, "run", crash)
    create_key(tmp_path / "node.key", b"\x01" * 32)
    flags = {"node.data_dir": str(tmp_path), "api.port": 0, "mqtt.enabled": False, "gossip.enabled": False}
    config = msgspec.structs.replace(load_config(None, {}, flags), bridge=a_config(tmp_path).bridge)
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(30):
            await run_node(config)
    assert caught.group_contains(RuntimeError, match="a fault of ours")


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")  # see the end of the test
async def test_a_broker_with_a_certificate_of_the_ca_file_is_trusted_and_no_other(
    node: Node, requires: Callable[[str], Path], tmp_path: Path
) -> None:
    write_certificate(requires("openssl"), tmp_path)
    secured = ["allow_anonymous true", f"certfile {tmp_path}/cert.pem", f"keyfile {tmp_path}/key.pem"]
    async with running_broker(requires("mosquitto"), tmp_path, *secured) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        (trusting,) = bridges_of(node, tmp_path, url=url, ca_file="cert.pem")
        (doubting,) = bridges_of(node, tmp_path, url=url, name="office")
        running = asyncio.create_task(run_bridges([trusting, doubting], node.broadcasts))
        await until(lambda: trusting.is_connected)
        await until(lambda: count(node, "pushmesh_bridge_events_total", what="connection", reason="not-ready"))
        assert not doubting.is_connected
        running.cancel()
        await asyncio.wait((running,))
    gc.collect()  # paho leaves the socket of a handshake that failed to the collector; its warning belongs here
