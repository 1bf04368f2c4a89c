"""Access control at a real Mosquitto with its dynamic-security plugin, from what `pushmesh bridge dynsec` prints."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import pytest

from pushmesh_protocol.accounts import display_account
from support.bridges import INBOX, Kept, a_bridge, bridging
from support.commands import pushmesh
from support.fake_inboxes import DAPP, WALLET, FakeInboxes, a_notification
from support.mosquitto import Broker, running_broker
from support.outside import find_security_plugin
from support.until import until

pytestmark = pytest.mark.integration

ADMIN = "admin"
CONTROL = "$CONTROL/dynamic-security/v1"
ALICE, MALLORY = display_account(WALLET), display_account(DAPP)
CONFIG = """
[[bridge]]
name = "home"
url = "mqtt://127.0.0.1"
username = "bridge"
topic_prefix = "{prefix}"
accounts = [{accounts}]
takes_publishes = true
"""


class Secured:
    """A broker with the plugin, in which every user's password is its name."""

    def __init__(self, broker: Broker, folder: Path, requires: Callable[[str], Path]) -> None:
        self.broker = broker
        self._folder = folder
        self._where = ["-h", "127.0.0.1", "-p", str(broker.port), "-u", ADMIN, "-P", ADMIN]
        self._publish = requires("mosquitto_pub")
        self._control = requires("mosquitto_ctrl")

    async def say(self, *accounts: str, prefix: str = "pushmesh") -> None:
        """What the command prints for these accounts, said to the plugin by mosquitto_pub."""
        config = self._folder / "pushmesh.toml"
        config.write_text(CONFIG.format(prefix=prefix, accounts=", ".join(f'"{each}"' for each in accounts)))
        printed = await pushmesh("bridge", "dynsec", "--config", str(config), "--user", "dapp", cwd=self._folder)
        assert printed.code == 0, printed
        await _run(self._publish, *self._where, "-q", "1", "-l", "-t", CONTROL, stdin=printed.out)

    async def set_passwords(self, *users: str) -> None:
        for user in users:
            await _run(self._control, *self._where, "dynsec", "setClientPassword", user, user)

    @asynccontextmanager
    async def client(self, user: str) -> AsyncIterator[aiomqtt.Client]:
        client = aiomqtt.Client(
            "127.0.0.1", self.broker.port, username=user, password=user, protocol=aiomqtt.ProtocolVersion.V5
        )
        async with client:
            yield client
        if client._disconnected.done():
            client._disconnected.exception()  # Mosquitto 2.0.11 hangs up on who it refuses; aiomqtt never looks why


async def _run(*command: str | Path, stdin: str = "") -> None:
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        await process.communicate(stdin.encode())
    assert process.returncode == 0


@asynccontextmanager
async def secured_broker(requires: Callable[[str], Path], folder: Path) -> AsyncIterator[Secured]:
    state = folder / "dynamic-security.json"
    await _run(requires("mosquitto_ctrl"), "dynsec", "init", state, ADMIN, ADMIN)
    lines = ["allow_anonymous false", f"plugin {find_security_plugin()}", f"plugin_opt_config_file {state}"]
    async with running_broker(requires("mosquitto"), folder, *lines) as broker:
        yield Secured(broker, folder, requires)


async def subscribe(client: aiomqtt.Client, topic: str) -> bool:
    """Whether the broker grants it."""
    (code,) = await client.subscribe(topic, qos=1)
    return not code.is_failure  # type: ignore[union-attr]  # of MQTT 5 these are reason codes


async def test_a_wallet_gets_its_inbox_and_a_stranger_neither_reads_nor_writes(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    inboxes, kept = FakeInboxes(), Kept()
    note = a_notification(1)
    async with secured_broker(requires, tmp_path) as secured:
        await secured.say(ALICE, MALLORY)
        await secured.set_passwords("bridge", ALICE, MALLORY, "dapp")
        async with secured.client(ALICE) as alice, secured.client(MALLORY) as mallory, secured.client("dapp") as dapp:
            assert await subscribe(alice, INBOX)
            for thief in (mallory, dapp):
                for topic in ("#", "+/#", "pushmesh/#", "pushmesh/+/inbox", INBOX, "pushmesh/receipts/#", "$SYS/#"):
                    assert not await subscribe(thief, topic), topic
            assert await subscribe(mallory, f"pushmesh/{MALLORY}/inbox")
            assert await subscribe(dapp, "pushmesh/receipts/dapp/#")
            await mallory.publish(INBOX, b'{"envelope": {"id": "forged"}}', qos=1)
            inboxes.commit(note)
            port = secured.broker.port
            async with bridging(a_bridge(port, inboxes, kept, username="bridge", password="bridge")):
                async with asyncio.timeout(30):
                    message = await anext(aiter(alice.messages))
                await until(lambda: bool(inboxes.handed_over))
            assert json.loads(bytes(message.payload))["envelope"]["id"] == note.id.hex(), (
                "the first to come, not forged"
            )
            for thief in (mallory, dapp):
                with suppress(aiomqtt.MqttError):  # it was hung up on
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.3):
                            await anext(aiter(thief.messages))
    assert kept.seen == []


async def test_said_again_the_commands_take_rights_away(requires: Callable[[str], Path], tmp_path: Path) -> None:
    async with secured_broker(requires, tmp_path) as secured:
        await secured.say(ALICE)
        await secured.set_passwords("bridge", ALICE)
        async with secured.client(ALICE) as alice:
            assert await subscribe(alice, INBOX)
        await secured.say(ALICE, prefix="moved")
        async with secured.client(ALICE) as alice:
            assert not await subscribe(alice, INBOX)
            assert await subscribe(alice, INBOX.replace("pushmesh", "moved"))


async def test_the_access_list_lets_a_stranger_hear_and_write_nothing(
    requires: Callable[[str], Path], tmp_path: Path
) -> None:
    """Mosquitto 2.0 looks at its list when something is delivered or published: a subscription is granted, and dumb."""
    inboxes, note = FakeInboxes(), a_notification(1)
    users = {"bridge": "bridge", ALICE: ALICE.replace(":", "."), MALLORY: MALLORY.replace(":", ".")}
    config, passwords, listed = (tmp_path / name for name in ("pushmesh.toml", "passwords", "list.acl"))
    config.write_text(CONFIG.format(prefix="pushmesh", accounts=f'"{ALICE}", "{MALLORY}"'))
    printed = await pushmesh("bridge", "acl", "--config", str(config), cwd=tmp_path)
    assert printed.code == 0, printed
    listed.write_text(printed.out)
    passwords.write_text("".join(f"{user}:{user}\n" for user in users.values()))
    await _run(requires("mosquitto_passwd"), "-U", passwords)
    lines = ["allow_anonymous false", f"password_file {passwords}", f"acl_file {listed}"]
    async with running_broker(requires("mosquitto"), tmp_path, *lines) as broker:
        secured = Secured(broker, tmp_path, requires)
        async with secured.client(users[ALICE]) as alice, secured.client(users[MALLORY]) as mallory:
            await alice.subscribe(INBOX, qos=1)
            for wanted in ("#", "+/#", "pushmesh/+/inbox", INBOX):
                await mallory.subscribe(wanted, qos=1)
            with suppress(aiomqtt.MqttError):  # it is hung up on
                async with secured.client(users[MALLORY]) as forger:
                    await forger.publish(INBOX, b'{"envelope": {"id": "forged"}}', qos=1)
            inboxes.commit(note)
            async with bridging(a_bridge(broker.port, inboxes, Kept(), username="bridge", password="bridge")):
                async with asyncio.timeout(30):
                    message = await anext(aiter(alice.messages))
                await until(lambda: bool(inboxes.handed_over))
            assert json.loads(bytes(message.payload))["envelope"]["id"] == note.id.hex(), "the first, not forged"
            # What is said to all comes behind what was for Alice alone.
            await mallory.subscribe("pushmesh/topics/#", qos=1)
            async with secured.client("bridge") as bridge:
                await bridge.publish("pushmesh/topics/last", b"last", qos=1)
            async with asyncio.timeout(30):
                assert bytes((await anext(aiter(mallory.messages))).payload) == b"last"
