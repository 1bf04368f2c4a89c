"""Wallets that others wrote, at a real node: the npm package mqtt, Mosquitto's clients, the WebSocket of Node.js, curl.

Each receives real notifications, stored ones and live ones, acknowledges them, and goes on after them the next time."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pushmesh_client import Dapp, SlotBook, Subscriber
from pushmesh_node.lab.addresses import free_ports
from pushmesh_node.lab.networks import shipped_network
from pushmesh_protocol.accounts import display_account, display_topic
from pushmesh_protocol.armor import from_text, to_text
from pushmesh_protocol.receipts import check_receipt, decode_receipt
from pushmesh_protocol.tokens import TokenScope
from support.certificates import write_certificate
from support.processes import Running, a_plan, eventually, frame_of, running
from support.tree import ROOT
from support.wallets import a_signed_note, a_wallet
from support.whole_mesh import now_ms

pytestmark = pytest.mark.integration

CLIENTS = ROOT / "tests" / "interop" / "clients"
NETWORK = shipped_network("devnet")
SENDER, WALLET, WRITER = a_wallet(1), a_wallet(2), a_wallet(3)
PATIENCE_S = 60
ELSEWHERE = "other.example.org:1883"

Requires = Callable[[str], Path]


@dataclass
class Place:
    """A node process with a wallet that follows a topic, and the wallet's token."""

    node: Running
    dapp: Dapp
    token: str
    ports: dict[str, int]
    certificate: Path
    sent: list[str] = field(default_factory=list)

    async def publish(self, count: int) -> None:
        """So many more notifications, each durable."""
        for _ in range(count):
            title = f"number {len(self.sent)}"
            assert (await self.dapp.publish("alerts", title=title)).ok
            self.sent.append(title)

    async def unread(self, device: str) -> list[str]:
        """What the node would still give to this device."""
        query = {"device": device, "limit": "256"}
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.node.plan.url}/v1/inbox"
        async with self.node.client.http.get(url, params=query, headers=headers) as response:
            page = await response.json()
            assert response.status == 200, page
        return [title_of(each) for each in page["messages"]]


@dataclass
class Program:
    """A client as a process. `command` takes the device and how many messages to take; a client that acknowledges by
    itself needs no `acknowledge`."""

    command: Callable[[Place, str, int], list[str]]
    titles: Callable[[str], list[str]]
    acknowledge: Callable[[Place, str, str], list[str]] | None = None
    ends: bool = True


def title_of(message: dict[str, Any]) -> str:
    return str(message["envelope"]["fields"]["title"])


def told(out: str) -> list[str]:
    """Of a client that prints a JSON line per message; a word that is none is an error."""
    words = [json.loads(line) for line in out.splitlines()]
    assert not [word for word in words if word["type"] in ("error", "end")], out
    return [title_of(word) for word in words if word["type"] == "message"]


def payloads(out: str) -> list[str]:
    """Of mosquitto_sub."""
    return [str(json.loads(line)["fields"]["title"]) for line in out.splitlines()]


def events(out: str) -> list[str]:
    """Of curl: whole Server-Sent Events."""
    blocks = [block.splitlines() for block in out.split("\n\n")[:-1]]
    data = [
        line.removeprefix("data: ") for block in blocks if "event: message" in block for line in block if line[0] == "d"
    ]
    return [title_of(json.loads(each)) for each in data]


@pytest.fixture
def programs(requires: Requires, node: Path) -> dict[str, Program]:
    """By name; what is not installed is skipped (or fails, in CI) where it is asked for."""

    def npm(scheme: str) -> Callable[[Place, str, int], list[str]]:
        def command(place: Place, device: str, count: int) -> list[str]:
            return mqtt_js(node, place, scheme, device, count=count)

        return command

    def mosquitto(*, tls: bool) -> Callable[[Place, str, int], list[str]]:
        def command(place: Place, device: str, count: int) -> list[str]:
            port = place.ports["mqtts" if tls else "mqtt"]
            more = ["--cafile", str(place.certificate)] if tls else []
            return [
                str(requires("mosquitto_sub")), "-V", "5", "-h", "127.0.0.1", "-p", str(port), *more,
                "-u", display_account(WALLET.account), "-P", place.token, "-i", device, "-c", "-q", "1",
                "-t", "pushmesh/inbox", "-C", str(count), "-F", "%p",
            ]  # fmt: skip

        return command

    def own_socket(place: Place, device: str, count: int) -> list[str]:
        url = place.node.plan.url.replace("http", "ws", 1) + "/v1/stream"
        asked = {"url": url, "token": place.token, "device": device, "count": count}
        return [str(node), "--experimental-websocket", str(CLIENTS / "websocket.mjs"), json.dumps(asked)]

    def curl(place: Place, device: str, _count: int) -> list[str]:
        bearer = f"Authorization: Bearer {place.token}"
        url = f"{place.node.plan.url}/v1/events?device={device}"
        return [str(requires("curl")), "-N", "--silent", "--show-error", "-H", bearer, url]

    def curl_ack(place: Place, device: str, out: str) -> list[str]:
        cursor = [line for line in out.splitlines() if line.startswith("id: ")][-1].removeprefix("id: ")
        bearer = f"Authorization: Bearer {place.token}"
        body = json.dumps({"cursor": cursor, "device": device})
        url = f"{place.node.plan.url}/v1/ack"
        typed = ["-H", "Content-Type: application/json", "--data", body]
        return [str(requires("curl")), "--silent", "--show-error", "--fail-with-body", "-H", bearer, *typed, url]

    return {
        "npm-mqtt-tcp": Program(npm("mqtt"), told),
        "npm-mqtt-tls": Program(npm("mqtts"), told),
        "npm-mqtt-websocket": Program(npm("ws"), told),
        "mosquitto-tcp": Program(mosquitto(tls=False), payloads),
        "mosquitto-tls": Program(mosquitto(tls=True), payloads),
        "node-websocket": Program(own_socket, told),
        "curl-sse": Program(curl, events, curl_ack, ends=False),
    }


NAMES = [
    "npm-mqtt-tcp",
    "npm-mqtt-tls",
    "npm-mqtt-websocket",
    "mosquitto-tcp",
    "mosquitto-tls",
    "node-websocket",
    "curl-sse",
]


def mqtt_js(node: Path, place: Place, scheme: str, device: str, **more: Any) -> list[str]:
    path = "/mqtt" if scheme == "ws" else ""
    asked = {
        "url": f"{scheme}://127.0.0.1:{place.ports[scheme]}{path}",
        "username": display_account(WALLET.account),
        "password": place.token,
        "clientId": device,
        "ca": str(place.certificate),
    }
    return [str(node), str(CLIENTS / "mqtt.mjs"), json.dumps(asked | more)]


@asynccontextmanager
async def a_place(folder: Path, openssl: Path, **changes: Any) -> AsyncIterator[Place]:
    """A node with all its doors open."""
    home = folder / "node"
    home.mkdir()
    write_certificate(openssl, home)
    (secure,) = free_ports(1)
    tls: dict[str, Any] = {"mqtt__tls_cert_file": "cert.pem", "mqtt__tls_key_file": "key.pem", "mqtt__tls_port": secure}
    async with running(a_plan(folder, "node", **tls, **changes)) as (node,):
        dapp, reader = Dapp(node.client, SENDER, SlotBook()), Subscriber(node.client, WALLET, SlotBook())
        await reader.grant()
        assert (await reader.subscribe(dapp.topic("alerts"))).ok
        token = await reader.token(scopes=[TokenScope.READ, TokenScope.PUBLISH])
        plain = int(str(node.plan.settings["mqtt.port"]))
        ports = {"mqtt": plain, "mqtts": secure, "ws": node.plan.api_port}
        yield Place(node, dapp, token, ports, home / "cert.pem")
        assert node.faults() == []


@asynccontextmanager
async def begun(command: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process, ended by its pid in any case."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def read_until(process: asyncio.subprocess.Process, enough: Callable[[str], bool]) -> str:
    """What it prints, up to where that is enough."""
    assert process.stdout is not None
    out = ""
    async with asyncio.timeout(PATIENCE_S):
        while not enough(out):
            data = await process.stdout.read(65_536)
            assert data, f"it ended with: {out} {(await process.communicate())[1].decode()}"
            out += data.decode()
    return out


async def finished(process: asyncio.subprocess.Process) -> str:
    """The rest of what it prints, once it has ended well."""
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode == 0, (out, err)
    return out.decode()


async def take(place: Place, program: Program, device: str, before: int, during: int) -> list[str]:
    """What a run of the client gets, and acknowledges: messages that waited, and ones that come while it listens."""
    count = before + during
    async with begun(program.command(place, device, count)) as client:
        out = await read_until(client, lambda out: len(program.titles(out)) >= before) if before else ""
        await place.publish(during)
        if program.ends:
            return program.titles(out + await finished(client))
        out += await read_until(client, lambda more: len(program.titles(out + more)) >= count)
        assert program.acknowledge is not None
        async with begun(program.acknowledge(place, device, out)) as second:
            await finished(second)
        return program.titles(out)


@pytest.mark.parametrize("name", NAMES)
async def test_a_client_gets_what_waited_and_what_comes_once_in_order_and_goes_on_after_it(
    programs: dict[str, Program], requires: Requires, tmp_path: Path, name: str
) -> None:
    program = programs[name]
    async with a_place(tmp_path, requires("openssl")) as place:
        await place.publish(30)
        assert await take(place, program, "phone", before=30, during=5) == place.sent

        async def all_acknowledged() -> bool:
            return await place.unread("phone") == []

        await eventually(all_acknowledged, "the place of the device behind the last message")
        assert len(await place.unread("laptop")) == 35, "each device has a place of its own"
        await place.publish(2)
        assert await take(place, program, "phone", before=2, during=1) == place.sent[-3:]
        await eventually(all_acknowledged, "the place of the device behind the last message")


def outcome_of(out: str) -> dict[str, Any]:
    (outcome,) = json.loads(out)["outcomes"]
    return dict(outcome)


def signed_frame(name: str) -> tuple[bytes, bytes]:
    """A frame of a wallet that is nobody here, and the id of its envelope."""
    note = a_signed_note(NETWORK, WRITER, title=name, issued_at=now_ms())
    return frame_of(note), note.id


@pytest.mark.parametrize("scheme", ["mqtt", "ws"])
async def test_npm_mqtt_publishes_and_gets_a_receipt_that_anybody_can_check(
    node: Path, requires: Requires, tmp_path: Path, scheme: str
) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        frame, id_ = signed_frame(scheme)
        wait = {"wait": "propagated", "timeout_s": "0.2"}
        publish = base64.b64encode(frame).decode()
        async with begun(mqtt_js(node, place, scheme, "dapp", publish=publish, wait=wait)) as client:
            words = [json.loads(line) for line in (await finished(client)).splitlines()]
        (receipt,) = [word for word in words if word["type"] == "receipt"]
        (outcome,) = receipt["outcomes"]
        assert receipt["correlation"] == "seven"
        assert (outcome["id"], outcome["reason"]) == (id_.hex(), "ok")
        assert outcome["level"] == "durable", "no other node is there, so the wait ends with what was reached"
        given = decode_receipt(from_text(outcome["receipt"]))
        check_receipt(NETWORK, given)
        assert given.id == id_


async def test_mosquitto_rr_asks_for_a_publish_and_gets_its_receipt(requires: Requires, tmp_path: Path) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        frame, id_ = signed_frame("rr")
        in_text = json.dumps({"frame": to_text(frame)})  # of this program, -f sends nothing
        command = [
            str(requires("mosquitto_rr")), "-V", "5", "-h", "127.0.0.1", "-p", str(place.ports["mqtts"]), "-q", "1",
            "--cafile", str(place.certificate), "-u", display_account(WALLET.account), "-P", place.token,
            "-t", "pushmesh/publish", "-e", "pushmesh/receipts/rr", "-m", in_text,
        ]  # fmt: skip
        async with begun(command) as client:
            outcome = outcome_of(await finished(client))
        assert (outcome["id"], outcome["level"], outcome["reason"]) == (id_.hex(), "durable", "ok")
        check_receipt(NETWORK, decode_receipt(from_text(outcome["receipt"])))


@pytest.mark.parametrize("secure", [False, True])
async def test_mosquitto_pub_publishes_what_another_client_then_receives(
    programs: dict[str, Program], requires: Requires, tmp_path: Path, secure: bool
) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        owner = Subscriber(place.node.client, WALLET, SlotBook())
        assert (await owner.subscribe(WRITER.topic("alerts"))).ok
        frame, _ = signed_frame("from mosquitto_pub")
        (tmp_path / "frame").write_bytes(frame)
        more = ["--cafile", str(place.certificate)] if secure else []
        command = [
            str(requires("mosquitto_pub")), "-V", "5", "-h", "127.0.0.1", "-q", "1", *more,
            "-p", str(place.ports["mqtts" if secure else "mqtt"]), "-u", display_account(WALLET.account),
            "-P", place.token, "-t", "pushmesh/publish", "-f", str(tmp_path / "frame"),
        ]  # fmt: skip
        async with begun(command) as client:
            assert await finished(client) == ""
        assert await take(place, programs["npm-mqtt-websocket"], "phone", before=1, during=0) == ["from mosquitto_pub"]


async def test_npm_mqtt_names_topics_by_aliases_and_is_sent_elsewhere_by_a_node_that_stops(
    node: Path, requires: Requires, tmp_path: Path
) -> None:
    async with a_place(tmp_path, requires("openssl"), mqtt__redirect_to=[ELSEWHERE]) as place:
        await place.publish(3)
        async with begun(mqtt_js(node, place, "ws", "phone")) as client:
            out = await read_until(client, lambda out: out.count('"message"') >= 3)
            await place.node.stop()
            words = [json.loads(line) for line in (out + (await finished(client))).splitlines()]
        messages = [word for word in words if word["type"] == "message"]
        assert [word["topic"] for word in messages] == [
            f"pushmesh/inbox/{display_topic(place.dapp.topic('alerts'))}"
        ] * 3
        assert [word["aliased"] for word in messages] == [True] * 3
        (words_of_parting,) = [word for word in words if word["type"] == "disconnect"]
        assert words_of_parting == {"type": "disconnect", "code": 0x9C, "server": ELSEWHERE, "reason": "draining"}


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws"])
async def test_npm_mqtt_with_a_wrong_password_is_refused_on_every_door(
    node: Path, requires: Requires, tmp_path: Path, scheme: str
) -> None:
    async with a_place(tmp_path, requires("openssl")) as place:
        place.token = place.token[:-8] + "AAAAAAAA"
        async with begun(mqtt_js(node, place, scheme, "phone", count=1)) as client:
            (word,) = [json.loads(line) for line in (await finished(client)).splitlines()]
        assert (word["type"], word["code"]) == ("error", 0x86)
        assert await place.node.metric("pushmesh_mqtt_events_total", what="end", reason="bad-token") == 1
