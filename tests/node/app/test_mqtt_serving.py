"""The doors of MQTT as an operator configures them, on a whole node."""

import os
import re
import signal
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from mqtt5 import ConnAckPacket, ConnAckReasonCode, ConnectPacket

from pushmesh_node.app.mqtt_serving import certificate_of
from pushmesh_node.app.node import Node
from pushmesh_node.config import Config, ConfigError, load_config
from support.certificates import trusting, write_certificate
from support.mqtt_world import RawClient, hanging_up
from support.running_node import running_node
from support.until import until

TLS = {"mqtt__tls_cert_file": "cert.pem", "mqtt__tls_key_file": "key.pem", "mqtt__tls_port": "0"}


@pytest.fixture
def folder(requires: Callable[[str], Path], tmp_path: Path) -> Path:
    """With a certificate in it."""
    write_certificate(requires("openssl"), tmp_path)
    (tmp_path / "key.pem").chmod(0o640)
    return tmp_path


def config(folder: Path, **keys: str) -> Config:
    flags = {"node.data_dir": str(folder)} | {f"mqtt.{key}": value for key, value in keys.items()}
    return load_config(None, {}, flags)


def nobody_counts(_what: str, _reason: str) -> None:
    """What comes at the start is no event."""


async def refusal(port: int, tls: ssl.SSLContext | None = None) -> ConnAckReasonCode:
    client = await RawClient.dial(port, tls)
    await client.send(ConnectPacket("phone"))
    answer = await client.read()
    assert isinstance(answer, ConnAckPacket)
    return answer.reason_code


@pytest.mark.integration
async def test_a_node_opens_the_doors_that_it_was_told_to_and_says_where(folder: Path) -> None:
    async with running_node(folder, **TLS) as node, hanging_up():
        report = node.status.report()
        plain, secure = urlsplit(report["mqtt_address"]), urlsplit(report["mqtts_address"])
        assert (plain.scheme, secure.scheme) == ("mqtt", "mqtts")
        assert plain.port and secure.port
        assert await refusal(plain.port) == ConnAckReasonCode.NOT_AUTHORIZED
        assert await refusal(secure.port, trusting(folder)) == ConnAckReasonCode.NOT_AUTHORIZED
        async with aiohttp.ClientSession() as http:
            url = report["mqtt_websocket_address"]
            assert urlsplit(url).path == "/mqtt"
            async with http.ws_connect(url, protocols=("mqtt",)) as socket:
                await socket.send_bytes(ConnectPacket("phone").write())
                assert (await socket.receive_bytes(timeout=20))[0] == 0x20


def counted(node: Node, reason: str) -> float:
    """Certificates that were read anew."""
    line = rf'pushmesh_mqtt_events_total\{{reason="{reason}",what="certificate"\}} (\S+)'
    found = re.search(line, node.metrics.exposition().decode())
    return float(found[1]) if found else 0.0


@pytest.mark.integration
async def test_a_certificate_is_renewed_without_a_restart(folder: Path, requires: Callable[[str], Path]) -> None:
    old = trusting(folder)
    async with running_node(folder, **TLS) as node, hanging_up():
        port = urlsplit(node.status.report()["mqtts_address"]).port
        assert port
        early = await RawClient.dial(port, old)
        write_certificate(requires("openssl"), folder)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: counted(node, "ok"))
        trust = trusting(folder)
        assert await refusal(port, trust) == ConnAckReasonCode.NOT_AUTHORIZED
        with pytest.raises(ssl.SSLCertVerificationError):
            await RawClient.dial(port, old)
        await early.send(ConnectPacket("phone"))
        assert isinstance(await early.read(), ConnAckPacket), "what is open goes on"
        before = counted(node, "bad-request")
        (folder / "cert.pem").write_text("no certificate")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: counted(node, "bad-request") > before)
        await (await RawClient.dial(port, trust)).close()


@pytest.mark.integration
async def test_without_a_certificate_and_websocket_there_is_one_door(tmp_path: Path) -> None:
    async with running_node(tmp_path, mqtt__websocket="false") as node, aiohttp.ClientSession() as http:
        report = node.status.report()
        assert (report["mqtts_address"], report["mqtt_websocket_address"]) == ("", "")
        async with http.get(f"{node.status.api_address}/mqtt") as response:
            assert response.status == 404


@pytest.mark.integration
def test_a_certificate_that_cannot_be_used_is_one_sentence(folder: Path) -> None:
    good = {"tls_cert_file": "cert.pem", "tls_key_file": "key.pem"}
    assert certificate_of(config(folder), nobody_counts) is None
    assert certificate_of(config(folder, **good), nobody_counts) is not None
    (folder / "text.pem").write_text("no certificate")
    for keys, sentence in (
        ({"tls_cert_file": "cert.pem"}, "needs both"),
        ({"tls_key_file": "key.pem"}, "needs both"),
        (good | {"tls_cert_file": "none.pem"}, "none.pem .* cannot be read: No such file"),
        (good | {"tls_key_file": "none.pem"}, "none.pem .* cannot be read: No such file"),
        (good | {"tls_cert_file": "text.pem"}, "no certificate in PEM form"),
        (good | {"tls_key_file": "cert.pem"}, "no certificate in PEM form"),
    ):
        with pytest.raises(ConfigError, match=sentence) as caught:
            certificate_of(config(folder, **keys), nobody_counts)
        assert "\n" not in str(caught.value)
    (folder / "key.pem").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod o= "):
        certificate_of(config(folder, **good), nobody_counts)


@pytest.mark.integration
def test_a_key_under_a_password_is_refused_and_nobody_is_asked_for_it(
    folder: Path, requires: Callable[[str], Path]
) -> None:
    locked = ["-in", str(folder / "key.pem"), "-passout", "pass:secret"]
    command = [str(requires("openssl")), "pkcs8", "-topk8", *locked]
    subprocess.run([*command, "-out", folder / "locked.pem"], check=True, capture_output=True, timeout=30)
    with pytest.raises(ConfigError, match="unencrypted"):
        certificate_of(config(folder, tls_cert_file="cert.pem", tls_key_file="locked.pem"), nobody_counts)
