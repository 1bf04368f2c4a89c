"""Wallets and dapps that others wrote, as processes at a real node: how they are begun, and what they say."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pushmesh_client import Dapp, SlotBook, Subscriber
from pushmesh_node.lab.addresses import free_ports
from pushmesh_protocol.accounts import display_account
from pushmesh_protocol.tokens import TokenScope
from support.certificates import write_certificate
from support.processes import Running, a_plan, running
from support.tree import ROOT
from support.wallets import a_wallet

CLIENTS = ROOT / "tests" / "interop" / "clients"
SENDER, WALLET = a_wallet(1), a_wallet(2)
PATIENCE_S = 60

Requires = Callable[[str], Path]


@dataclass
class Place:
    """A node process with a wallet that follows a topic, and the wallet's token."""

    node: Running
    dapp: Dapp
    reader: Subscriber
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


def programs_of(requires: Requires, node: Path) -> dict[str, Program]:
    """By name, each looked for only where it is used."""

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
        yield Place(node, dapp, reader, token, ports, home / "cert.pem")
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
